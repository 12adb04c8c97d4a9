"""Many models at once, in stages."""
