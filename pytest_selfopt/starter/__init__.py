"""What `selfopt init` asks and writes: a first suite, its test and the settings."""
