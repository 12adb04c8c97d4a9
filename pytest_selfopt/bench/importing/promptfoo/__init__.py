"""Importer of promptfoo's configurations."""
