"""What a session needs that xdist distributes."""
