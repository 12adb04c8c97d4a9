"""The gates: pure functions from the measurements of a spec to a number, its limit and a sentence."""
