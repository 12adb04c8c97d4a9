"""Columns of a terminal that a text takes: two for a wide character, none for a mark on the one before."""

from __future__ import annotations

import unicodedata


def cells(text: str) -> int:
    """How many columns a text of one line takes."""
    if text.isascii():
        return len(text)
    return sum(map(_of_character, text))


def head_of(text: str, most: int) -> str:
    """The longest beginning of a text that takes at most so many columns; of a text at least one character."""
    taken = 0
    for place, character in enumerate(text):
        taken += _of_character(character)
        if taken > most and place:
            return text[:place]
    return text


def to_left(text: str, width: int) -> str:
    """A text with blanks after it, up to so many columns."""
    return text + " " * (width - cells(text))


def to_right(text: str, width: int) -> str:
    """A text with blanks before it, up to so many columns."""
    return " " * (width - cells(text)) + text


def _of_character(character: str) -> int:
    if unicodedata.category(character) in ("Mn", "Me"):
        return 0
    if unicodedata.east_asian_width(character) in "WF":
        return 2
    return 1
