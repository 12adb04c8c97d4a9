"""What was measured and decided, for people to read later: of one cycle, and over all of them."""
