"""WHAT is asked: cases, their expectations and graders, and the files they are read from."""
