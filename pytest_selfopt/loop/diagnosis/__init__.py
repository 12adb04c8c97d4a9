"""What is wrong with what was measured, and what may mend it."""
