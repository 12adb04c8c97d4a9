"""Calls through NATS JetStream: a queue of calls, workers that consume it, and a stream of results."""
