"""Calls through Temporal: bounded workflows of one activity per call, workers that make them."""
