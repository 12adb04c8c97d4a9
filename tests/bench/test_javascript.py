"""What JavaScript makes of values and patterns; the expected values were taken from Node.js 20."""

from __future__ import annotations

import contextlib
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.bench.grading.patterns import JAVASCRIPT, search
from pytest_selfopt.bench.importing.javascript import javascript_text
from pytest_selfopt.bench.javascript_patterns import python_pattern


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1.0, "1"),
        (1e3, "1000"),
        (-0.0, "0"),
        (1e20, "100000000000000000000"),
        (1e21, "1e+21"),
        (123456789012345678901234567890, "1.2345678901234568e+29"),
        (2**53 + 1, "9007199254740992"),
        (0.000001, "0.000001"),
        (-1.5e-7, "-1.5e-7"),
        (123.456, "123.456"),
        (True, "true"),
        (None, ""),
        ([1, "a", None, [2.0]], "1,a,,2"),
    ],
)
def test_values_are_written_as_there(value: Any, text: str) -> None:
    assert javascript_text(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_keep_their_value(value: float) -> None:
    assert float(javascript_text(value)) == value


@pytest.mark.parametrize(
    ("pattern", "found", "missed"),
    [
        ("^conf", ["confiture"], ["a confiture"]),
        (r"^\d+$", ["12"], ["12\n", "١"]),
        (r"\bcaf\b", ["café"], ["cafe"]),
        ("a.b", ["a b"], ["a\nb", "a\rb"]),
        (r"(?<year>\d{4})-\k<year>", ["2024-2024"], ["2024-2025"]),
        ("/foo/i", ["/foo/i"], ["foo", "FOO"]),
        (r"^\s$", ["\u00a0", "\ufeff"], ["\x1c"]),
        (r"^[^\S]$", ["\u00a0"], ["x"]),
        ("[^]", ["\n"], [""]),
        ("[[]", ["["], ["]"]),
        (r"^[\w-z]$", ["-", "z"], ["."]),
        ("a{,2}", ["a{,2}"], ["aa"]),
        (r"\Z\e", ["Ze"], [""]),
        (r"\ud83d\ude00", ["😀"], [""]),
        (r"^[\s\S]+$", ["a\n"], [""]),
        ("^.$", ["é"], ["😀"]),
        ("^[😀]{2}$", ["😀"], ["😀😀"]),
        (r"^\u{2}\p{2}$", ["uupp"], ["\x02"]),
        (r"^(a)?b\1$", ["b", "aba"], ["ba"]),
        (r"^\cJ\x$", ["\nx"], ["Jx"]),
        (r"\B", [""], ["a"]),
    ],
)
def test_patterns_find_the_same(pattern: str, found: list[str], missed: list[str]) -> None:
    for text in found:
        assert search(pattern, text, JAVASCRIPT)
    for text in missed:
        assert not search(pattern, text, JAVASCRIPT)


@pytest.mark.parametrize(
    "pattern",
    [
        *("(?i)a", "(?P<n>a)", "a++", "(?>a)", r"\c1", "[a", "(?<=a+)b", r"\012", "(", "\\"),
        *("(?:(a)|b)*\\1", "(a\\1)", "(?<=a)*", r"\B+"),
    ],
)
def test_other_patterns_are_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="the pattern"):
        python_pattern(pattern)


@given(st.text(r"\dwsSbBkuxp{}[]()<>?:=!*+^$.|-&~09aé,", max_size=12))
def test_any_pattern_is_translated_or_refused(pattern: str) -> None:
    with contextlib.suppress(ValueError):
        re.compile(python_pattern(pattern))
