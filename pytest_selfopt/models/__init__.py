"""The models that are asked: one client for each wire format, the embedded server, and the scripted server for tests."""
