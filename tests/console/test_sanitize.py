"""What a text hides is shown, and nothing else is changed."""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from pytest_selfopt.console.encoding import shown
from pytest_selfopt.console.layout import folded
from pytest_selfopt.console.sanitize import defused, defused_json, visible
from tests.console.hostile_texts import TEXT, harm_in

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


PIECES = st.lists(
    st.sampled_from(["::", ":", "error", "a" * 19, "##", "#", "[", "vso[", " ", "\n", "\xa0", "/", "\x1b"])
)


@given(text=PIECES.map("".join), width=st.integers(20, 30))
@example(text=TEXT, width=80)
@example(text=f"{'a' * 20}::error::b", width=20)
def test_no_line_is_a_command_however_it_is_folded(text: str, width: int) -> None:
    assert harm_in(defused(text)) == []
    assert defused(defused(text)) == defused(text)
    assert harm_in("\n".join(folded(shown(text, "utf-8"), width))) == []


def test_what_is_no_command_stays() -> None:
    for text in ("ollama/llama3.2:1b::atomic", "a ::error::", "http://[::1]:80", "## [link]", "x :: Int -> Int", "# a"):
        assert defused(text) == text
    assert defused(" ::error::a ##[b]") == " ⟨U+003A⟩:error::a ⟨U+0023⟩#[b]"


@given(value=st.recursive(st.text() | st.sampled_from(["##[a]", TEXT]), st.lists), plain=st.sampled_from([True, False]))
def test_harmless_json_has_the_same_value(value: object, plain: Any) -> None:
    text = defused_json(json.dumps(value, ensure_ascii=plain, indent=1))
    assert json.loads(text) == value
    assert harm_in(text) == []
