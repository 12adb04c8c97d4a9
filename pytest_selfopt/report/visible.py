"""Makes visible what a text hides, or would do to whoever shows it."""

from __future__ import annotations

import re

_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)


def visible(text: str) -> str:
    """The text with what is hidden in it shown by its code point, such as ⟨U+202E⟩.

    That are control characters but the tab and the end of a line, marks of the direction of writing, characters without
    width, and halves of surrogate pairs.
    """
    return _HIDDEN.sub(lambda found: f"⟨U+{ord(found[0]):04X}⟩", text)
