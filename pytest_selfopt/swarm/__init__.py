"""Swarms: many models at once, in stages."""
