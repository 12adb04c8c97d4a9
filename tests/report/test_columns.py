"""Text laid out for a width."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.report.columns import aligned, folded, in_encoding

words = st.lists(st.text("abcdefgh→,.", min_size=1, max_size=12), min_size=1, max_size=30)


@given(words=words, width=st.integers(20, 120), indent=st.integers(0, 4))
def test_folding_loses_no_word_and_keeps_the_width(words: list[str], width: int, indent: int) -> None:
    lines = folded(" " * indent + " ".join(words), width)
    assert " ".join(lines).split() == words
    assert all(len(line) <= width for line in lines)


def test_a_word_that_is_too_long_stays_whole() -> None:
    spec = "embedded/smollm2-135m/atomic/native_api/t60/r1/i0"
    assert folded(f"in force: {spec}", 30) == ["in force:", f"  {spec}"]


ROWS = [("", "accuracy", "errors", "passes"), ("baseline", "0.250", "0", "3"), ("warm-up off→on", "0.425", "12", "11")]


@given(width=st.integers(24, 80))
def test_a_table_that_is_too_wide_does_without_columns_but_never_without_the_first(width: int) -> None:
    lines = aligned(ROWS, width, dispensable=("passes", "errors"))
    assert all(len(line) <= width for line in lines)
    assert "accuracy" in lines[0]
    assert "0.425" in lines[2]
    assert ("passes" in lines[0]) == (width >= 40)


def test_a_table_without_a_width_is_as_wide_as_it_is() -> None:
    assert aligned(ROWS)[2] == "warm-up off→on     0.425      12      11"


def test_a_name_that_leaves_no_room_is_cut() -> None:
    assert aligned(ROWS, 20, dispensable=("passes", "errors"))[2] == "warm-up o…     0.425"


@given(text=st.text())
def test_every_text_can_be_written_in_every_encoding(text: str) -> None:
    for encoding in ("ascii", "latin-1", "cp1252", "utf-8"):
        in_encoding(text, encoding).encode(encoding)
    assert in_encoding(text, "utf-8") == text or "\\ud" in in_encoding(text, "utf-8")


def test_signs_have_a_spelling_in_ascii() -> None:
    assert in_encoding("retries 1→2 ≥ 0.8 …", "ascii") == "retries 1->2 >= 0.8 ..."
