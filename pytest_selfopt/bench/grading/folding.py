"""Folding of texts that differ only in how their characters are encoded or typeset."""

from __future__ import annotations

import re
import unicodedata

_SINGLE = "\u2018\u2019\u201a\u201b"
_DOUBLE = "\u201c\u201d\u201e\u201f"
_SPACES = "\u00a0\u2000-\u200a\u202f\u205f\u3000"

_SINGLE_QUOTE = re.compile(f"[{_SINGLE}]")
_DOUBLE_QUOTE = re.compile(f"[{_DOUBLE}]")
_SPACE = re.compile(f"[{_SPACES}]")
_TYPESET = re.compile(f"[{_SINGLE}{_DOUBLE}{_SPACES}]")


def fold(text: str) -> str:
    """Return a text in the form in which expected and given texts are compared.

    The form is Unicode's NFC, with plain spaces for no-break, thin and wide ones, and plain quotes for curly ones.
    Folding a folded text changes nothing.
    """
    # Most replies are ASCII, and Python knows it of a string without reading it.
    if text.isascii():
        return text
    composed = unicodedata.normalize("NFC", text)
    if _TYPESET.search(composed) is None:
        return composed
    spaced = _SPACE.sub(" ", composed)
    single = _SINGLE_QUOTE.sub("'", spaced)
    return _DOUBLE_QUOTE.sub('"', single)
