"""The output of a session on pytest's terminal."""
