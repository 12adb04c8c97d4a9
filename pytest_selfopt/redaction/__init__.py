"""Blacking secrets out of what servers send, and of what is written."""
