"""The commands of `selfopt`, a module each: `add_parser` adds its options, `run` carries it out."""
