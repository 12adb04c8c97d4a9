"""Faults of real engines, each many times: `python -m tests.performance.engine_faults`."""
