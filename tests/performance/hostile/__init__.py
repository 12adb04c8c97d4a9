"""Hostile input of every kind, in whole sessions: `python -m tests.performance.hostile`."""
