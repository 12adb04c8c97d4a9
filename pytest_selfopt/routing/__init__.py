"""The routing configuration, what applications read of it, and the records of how it came about."""
