"""Promptfoo's own verdicts beside those of the cases that are imported from the same files."""
