"""The six phases of the loop, as pure functions from data to data."""
