"""The six phases of the loop, as plain functions from data to data."""
