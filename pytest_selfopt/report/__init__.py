"""Reports for people on what was measured and decided, in one cycle and over all cycles."""
