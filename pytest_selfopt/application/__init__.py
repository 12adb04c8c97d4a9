"""What applications ask by: the request that the benchmark sends in the promoted way, and the calls in its reply."""
