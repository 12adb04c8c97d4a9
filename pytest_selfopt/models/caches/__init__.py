"""Caches between a call and its model: those of prompts, and those of whole answers."""
