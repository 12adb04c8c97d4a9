"""Calls through Temporal: bounded workflows with one activity per call, made by workers."""
