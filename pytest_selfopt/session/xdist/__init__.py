"""The distribution of a session by xdist: controller, workers, and their connection."""
