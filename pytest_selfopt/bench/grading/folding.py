"""Folding of texts that differ only in how their characters are encoded or typeset."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_SINGLE = "\u2018\u2019\u201a\u201b"
_DOUBLE = "\u201c\u201d\u201e\u201f"
_SPACES = "\u00a0\u2000-\u200a\u202f\u205f\u3000"

_SINGLE_QUOTE = re.compile(f"[{_SINGLE}]")
_DOUBLE_QUOTE = re.compile(f"[{_DOUBLE}]")
_SPACE = re.compile(f"[{_SPACES}]")
_TYPESET = re.compile(f"[{_SINGLE}{_DOUBLE}{_SPACES}]")


_MOST_MARKS = 30
"""Marks on one character that any writing may need (UAX 15, Stream-Safe Text)."""


def fold(text: str) -> str:
    """Return a text in the form in which expected and given texts are compared.

    The form is Unicode's NFC, with plain spaces for no-break, thin and wide ones, and plain quotes for curly ones.
    Folding a folded text changes nothing.
    """
    # Most replies are ASCII, and Python knows it of a string without reading it.
    if text.isascii():
        return text
    composed = _composed(text)
    if _TYPESET.search(composed) is None:
        return composed
    spaced = _SPACE.sub(" ", composed)
    single = _SINGLE_QUOTE.sub("'", spaced)
    return _DOUBLE_QUOTE.sub('"', single)


def _composed(text: str) -> str:
    """Return a text in NFC, but with longer rows of marks as they are: sorting a row takes the square of its length."""
    mark, row = _marks()
    if mark.search(text) is None:
        return unicodedata.normalize("NFC", text)
    parts = row.split(text)
    # Every other part is a row, with the character that it stands on.
    parts[::2] = [unicodedata.normalize("NFC", part) for part in parts[::2]]
    return "".join(parts)


@lru_cache(maxsize=1)
def _marks() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return a pattern of a mark, and one of a character with more of them than any writing needs."""
    marks = "".join(filter(unicodedata.combining, map(chr, range(0x300, 0x10000))))
    # Three signs that are no marks are composed of them. Those of historic scripts make one range with their letters,
    # because sets of single signs beyond U+FFFF are slow.
    mark = f"[{marks}\u0f73\u0f75\u0f81\U000101fd-\U0001e94a]"
    return re.compile(mark), re.compile(f"((?s:.)?{mark}{{{_MOST_MARKS + 1},}})")


def comparable(text: str, *, ignore_case: bool, strict: bool) -> str:
    """Return the form in which a text of an expectation is compared with that of a reply.

    If `strict`, a text is compared as it is, or in lower case.
    """
    if strict and ignore_case:
        return text.lower()
    if strict:
        return text
    folded = fold(text)
    if ignore_case:
        return folded.casefold()
    return folded
