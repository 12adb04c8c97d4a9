"""Exports, one module for each foreign format."""
