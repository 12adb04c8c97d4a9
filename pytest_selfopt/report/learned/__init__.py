"""`LEARNED.md`: what is known by now, for people and agents."""
