"""What is asked: cases, their expectations and graders, and the suite files that hold them."""
