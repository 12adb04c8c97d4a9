"""Texts of bounded length, for messages about values that anybody may have written; the standard library only."""

from __future__ import annotations

MOST_CHARACTERS = 2_000
"""The characters of a line of a message."""
_VALUE = 120
"""The characters of a value in a message."""


def bounded(text: str, most: int = MOST_CHARACTERS) -> str:
    """Return a text whose longer lines are cut in the middle, because a message often ends in what to do."""
    if len(text) <= most:
        return text
    return "\n".join(_cut_in_the_middle(line, most) for line in text.split("\n"))


def _cut_in_the_middle(line: str, most: int) -> str:
    if len(line) <= most:
        return line
    end = most // 4
    return f"{line[: most - end]}… ({len(line) - most:,} more characters) …{line[-end:]}"


def cut(text: str, most: int) -> str:
    """Return a text of at most `most` characters, the last of which shows that it was cut."""
    if len(text) <= most:
        return text
    return text[: most - 1] + "…"


def brief(value: object) -> str:
    """Return the beginning of a value as Python writes it."""
    text = repr(value)
    if len(text) <= _VALUE:
        return text
    return f"{text[:_VALUE]}…"
