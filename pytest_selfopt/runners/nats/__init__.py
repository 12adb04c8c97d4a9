"""Calls through NATS JetStream: a queue of calls, workers that take from it, a stream of results."""
