"""What models cost, and which of them are worth it."""
