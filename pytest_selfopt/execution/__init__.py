"""Carrying out calls: passes, dispatch, models and workers. No pytest."""
