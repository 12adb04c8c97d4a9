"""The commands of `selfopt`: each is a function from its options to lines."""
