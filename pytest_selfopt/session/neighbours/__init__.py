"""What other plugins and pytest's own marks make of benchmark items."""
