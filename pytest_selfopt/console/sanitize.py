"""Visible code points in place of hidden and control characters."""

from __future__ import annotations

import re

# Cc except tab and line feed, Cs, line separators, and Default_Ignorable_Code_Point of Unicode 16, except for one
# variation selector 16 after a character: emoji need it, and it can hide nothing.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
    "|(?<![^\ufe00-\ufe0f])\ufe0f"
)


def visible(text: str) -> str:
    """Replace hidden characters in a text with their code points, such as ⟨U+202E⟩.

    Hidden characters are control characters other than tab and line feed, marks of text direction, zero-width
    characters, and lone surrogates.
    """
    return _HIDDEN.sub(_code_point, text)


def _code_point(match: re.Match[str]) -> str:
    return f"⟨U+{ord(match[0]):04X}⟩"
