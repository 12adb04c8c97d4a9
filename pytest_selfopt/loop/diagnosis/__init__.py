"""Diagnoses of measured specs, and their remedies."""
