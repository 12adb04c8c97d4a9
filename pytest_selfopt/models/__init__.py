"""The models under test: one client for each wire format, the embedded server, and the scripted server for tests."""
