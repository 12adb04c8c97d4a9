"""Texts that look the same are the same."""

from __future__ import annotations

import unicodedata
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.bench.grading.folding import fold
from pytest_selfopt.bench.grading.read_expect import expectation_from_json
from pytest_selfopt.trial import Reply

SPACES = "\u00a0\u2002\u2009\u202f\u3000"


@pytest.mark.parametrize(
    ("expect", "text"),
    [
        ({"exact": "I can't"}, "I can\u2019t"),
        ({"exact": "I can\u2019t"}, "I can't"),
        ({"exact": 'He said "no".'}, "He said \u201cno\u201d."),
        ({"exact": "Sie sagte \u201enein\u201c."}, 'Sie sagte "nein".'),
        ({"exact": "10 km"}, "10\u00a0km\u202f"),
        ({"exact": "caf\u00e9"}, "cafe\u0301"),
        ({"contains": "10 km"}, "It is 10\u2009km."),
        ({"contains": "cafe\u0301"}, "the caf\u00e9"),
        ({"contains": "CAF\u00c9", "ignore_case": True}, "the cafe\u0301"),
    ],
)
def test_typesetting_makes_no_difference(expect: dict[str, Any], text: str) -> None:
    assert expectation_from_json(expect).judge(Reply(text=text)).passed


@pytest.mark.parametrize(
    ("expect", "text"),
    [
        ({"exact": "cafe"}, "caf\u00e9"),
        ({"contains": "cafe"}, "cafe\u0301"),
        ({"exact": "x2"}, "x\u00b2"),
        ({"exact": "a b"}, "ab"),
        ({"exact": "\u00abno\u00bb"}, '"no"'),
    ],
)
def test_other_characters_make_one(expect: dict[str, Any], text: str) -> None:
    assert not expectation_from_json(expect).judge(Reply(text=text)).passed


@given(st.text())
def test_folding_twice_is_folding_once(text: str) -> None:
    folded = fold(text)
    assert fold(folded) == folded
    assert unicodedata.is_normalized("NFC", folded)


@given(st.text(st.characters(codec="ascii")))
def test_ascii_stays_as_it_is(text: str) -> None:
    assert fold(text) == text


@given(st.text(st.sampled_from("a'\" é")), st.sampled_from(SPACES), st.sampled_from(["NFC", "NFD"]))
def test_any_typesetting_of_a_text_folds_alike(text: str, space: str, form: Any) -> None:
    typeset = text.replace(" ", space).replace("'", "\u2019").replace('"', "\u201d")
    assert fold(unicodedata.normalize(form, typeset)) == fold(text)
