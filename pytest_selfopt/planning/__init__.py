"""What is going to be asked: plans, what they rest on, what they cost. No pytest."""
