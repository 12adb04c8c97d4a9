"""Undoing decisions: what the log says of changed rules, their reversal, and what a person has taken back."""
