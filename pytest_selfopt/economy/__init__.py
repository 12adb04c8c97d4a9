"""Costs of models, and comparisons of what they are worth."""
