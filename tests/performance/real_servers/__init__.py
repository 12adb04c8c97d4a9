"""Whole cycles against real model servers on loopback: `python -m tests.performance.real_servers`, by hand."""
