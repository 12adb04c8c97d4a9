"""What a text hides is shown, and nothing else is changed."""

from __future__ import annotations

import unicodedata

from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.report.visible import visible


@given(text=st.text(st.characters(), max_size=60))
def test_nothing_is_hidden_and_nothing_is_lost(text: str) -> None:
    shown = visible(text)
    assert not [sign for sign in shown if unicodedata.category(sign) in ("Cc", "Cs") and sign not in "\t\n"]
    assert not [
        sign for sign in shown if unicodedata.bidirectional(sign) in ("RLO", "LRO", "RLE", "LRE", "PDF", "RLI", "LRI")
    ]
    assert visible(shown) == shown
    plain = "".join(sign for sign in text if visible(sign) == sign)
    assert len(shown) - len(plain) == sum(len(visible(sign)) for sign in text if visible(sign) != sign)


def test_what_is_hidden_is_named_by_its_code_point() -> None:
    assert visible("a\u202eb\x07\u200bc\ud800") == "a⟨U+202E⟩b⟨U+0007⟩⟨U+200B⟩c⟨U+D800⟩"
    assert visible("a\tb\nc é → 漢") == "a\tb\nc é → 漢"
