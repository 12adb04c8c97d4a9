"""The pytest side: collection, replay, verdict and summary."""
