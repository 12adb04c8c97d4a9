"""The routing configuration, its interface for applications, and the records of its decisions."""
