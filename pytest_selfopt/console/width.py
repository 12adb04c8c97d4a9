"""Terminal columns of a text: two for a wide character, none for a combining mark."""

from __future__ import annotations

import unicodedata


def cells(text: str) -> int:
    """Return the number of columns that a text of one line takes."""
    if text.isascii():
        return len(text)
    return sum(map(_character_width, text))


def head_of(text: str, most: int) -> str:
    """Return the longest prefix of a text that takes at most `most` columns, and at least its first character."""
    taken = 0
    for place, character in enumerate(text):
        taken += _character_width(character)
        if taken > most and place:
            return text[:place]
    return text


def to_left(text: str, width: int) -> str:
    """Pad a text with blanks on the right to `width` columns."""
    return text + " " * (width - cells(text))


def to_right(text: str, width: int) -> str:
    """Pad a text with blanks on the left to `width` columns."""
    return " " * (width - cells(text)) + text


def _character_width(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    if unicodedata.east_asian_width(character) in "WF":
        return 2
    return 1
