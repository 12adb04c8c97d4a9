"""Text for terminals and streams."""
