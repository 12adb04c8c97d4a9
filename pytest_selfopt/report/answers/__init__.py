"""All answers of a cycle, packed so that a page can hold them."""
