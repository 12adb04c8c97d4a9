"""What a text hides is shown, and nothing else is changed."""

from __future__ import annotations

import re
import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.console.sanitize import visible

SIGNS = "a❤\ufe0f\ufe0e\u200d\u202e\u115f\u3164\U000e0100"
"""Among them some that are hidden, and not controls."""


@given(text=st.text(st.characters(exclude_characters="⟨"), max_size=60) | st.text(SIGNS))
def test_nothing_is_hidden_or_lost(text: str) -> None:
    shown = visible(text)
    assert not [sign for sign in shown if unicodedata.category(sign) in ("Cc", "Cs") and sign not in "\t\n"]
    assert not [
        sign for sign in shown if unicodedata.bidirectional(sign) in ("RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI")
    ]
    assert visible(shown) == shown
    assert re.sub("⟨U\\+([0-9A-F]{4,6})⟩", lambda found: chr(int(found[1], 16)), shown) == text


def test_a_hidden_character_shows_its_code_point() -> None:
    assert visible("a\u202eb\x07\u200bc\ud800") == "a⟨U+202E⟩b⟨U+0007⟩⟨U+200B⟩c⟨U+D800⟩"
    assert visible("\u3164\u115f\u034f\U000e0101") == "⟨U+3164⟩⟨U+115F⟩⟨U+034F⟩⟨U+E0101⟩"
    assert visible("a\tb\nc é → 漢") == "a\tb\nc é → 漢"


def test_an_emoji_stays_and_hides_nothing() -> None:
    assert visible("❤\ufe0f 1\ufe0f") == "❤\ufe0f 1\ufe0f"
    assert visible("❤\ufe0f\ufe0f\ufe01") == "❤\ufe0f⟨U+FE0F⟩⟨U+FE01⟩"
    assert visible("\ufe0f") == "⟨U+FE0F⟩"
