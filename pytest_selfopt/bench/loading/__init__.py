"""Suite files: JSONL, YAML and CSV read into cases, with file, line and field of every problem."""
