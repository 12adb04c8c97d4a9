"""Text laid out for a width."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.console.encoding import in_encoding, one_line, shown
from pytest_selfopt.console.layout import aligned, folded, table
from pytest_selfopt.console.width import cells, head_of, to_left, to_right
from pytest_selfopt.report.profiles import Section, as_text

words = st.lists(st.text("abcdefgh→,.", min_size=1, max_size=12), min_size=1, max_size=30)
lines_of_any = st.text(max_size=200).map(one_line)
SPEC = "embedded/smollm2-135m/atomic/native_api/t60/r1/i0"


@given(words=words, width=st.integers(20, 120), indent=st.integers(0, 4))
def test_folding_parts_no_word_that_fits(words: list[str], width: int, indent: int) -> None:
    lines = folded(" " * indent + " ".join(words), width)
    assert " ".join(lines).split() == words
    assert all(len(line) <= width for line in lines)
    assert lines[0].startswith(" " * indent)


@given(text=lines_of_any, width=st.integers(20, 120))
def test_no_line_is_too_wide_or_lossy(text: str, width: int) -> None:
    lines = folded(text, width)
    assert all(cells(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


def test_a_long_word_breaks_at_its_seams() -> None:
    assert folded(f"in force: {SPEC}", 30) == ["in force:", "  embedded/smollm2-135m/", "  atomic/native_api/t60/r1/i0"]
    assert folded("x" * 50, 20) == ["x" * 20, "  " + "x" * 18, "  " + "x" * 12]
    assert folded(SPEC, 60) == [SPEC]


def test_what_follows_is_set_in_deeper() -> None:
    assert folded("  why: a word and another one", 20) == ["  why: a word and", "    another one"]


def test_wide_characters_take_two_columns() -> None:
    assert (cells("漢字"), cells("e\u0301"), cells("abc"), cells("→")) == (4, 1, 3, 1)
    assert folded("漢字" * 8, 20) == ["漢字" * 5, "  " + "漢字" * 3]
    assert (to_left("漢", 4), to_right("漢", 4)) == ("漢  ", "  漢")
    assert head_of("漢字", 1) == "漢"
    assert head_of("e\u0301a", 1) == "e\u0301"


ROWS = [("", "accuracy", "errors", "passes"), ("baseline", "0.250", "0", "3"), ("warm-up off→on", "0.425", "12", "11")]
cell = st.text(st.characters(exclude_categories=["C", "Z", "M"]), min_size=1, max_size=30)


@given(width=st.integers(24, 80))
def test_a_wide_table_keeps_its_first_column(width: int) -> None:
    lines = table(ROWS, width, dispensable=("passes", "errors"))
    assert all(len(line) <= width for line in lines)
    assert "accuracy" in lines[0]
    assert "0.425" in lines[2]
    assert ("passes" in lines[0]) == (width >= 40)


def test_an_unbounded_table_takes_its_natural_width() -> None:
    assert aligned(ROWS)[2] == "warm-up off→on     0.425      12      11"


def test_rows_without_room_stack_their_cells() -> None:
    assert table(ROWS, 20, dispensable=("passes", "errors"))[-4:] == [
        "warm-up off→on",
        "  accuracy 0.425,",
        "    errors 12,",
        "    passes 11",
    ]


@given(rows=st.lists(st.tuples(cell, cell, cell), min_size=2, max_size=5), width=st.integers(20, 80))
def test_rows_fit_and_keep_required_cells(rows: list[tuple[str, ...]], width: int) -> None:
    lines = table(rows, width)
    assert all(cells(line) <= width for line in lines)
    left = "".join("".join(lines).split())
    assert all(one in left for row in rows[1:] for one in row)


@given(text=st.text())
def test_every_text_fits_every_encoding(text: str) -> None:
    for encoding in ("ascii", "latin-1", "cp1252", "utf-8"):
        in_encoding(text, encoding).encode(encoding)
    assert in_encoding(text, "utf-8") == text or "\\ud" in in_encoding(text, "utf-8")


def test_signs_have_a_spelling_in_ascii() -> None:
    assert in_encoding("retries 1→2 ≥ 0.8 · … ⟨x⟩", "ascii") == "retries 1->2 >= 0.8 - ... <x>"
    assert in_encoding("model/😀", "ascii") == "model/\\U0001f600"


@given(text=st.text(), encoding=st.sampled_from(["ascii", "cp1252", "utf-8"]))
def test_shown_text_stays_on_its_line(text: str, encoding: str) -> None:
    line = shown(text, encoding)
    assert len(line.splitlines()) <= 1
    assert not [one for one in line if ord(one) < 32 or 0x7F <= ord(one) < 0xA0 or 0x202A <= ord(one) <= 0x202E]


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("a\nPROMOTE", "a PROMOTE"),
        ("\x1b[31mred", "⟨U+001B⟩[31mred"),
        ("a\u202eb", "a⟨U+202E⟩b"),
        ("50%\r100%", "50% 100%"),
    ],
)
def test_no_text_moves_cursor_or_direction(text: str, seen: str) -> None:
    assert shown(text, "utf-8") == seen


def test_long_model_names_are_folded_too() -> None:
    long = "scripted/a-vendor-with-a-long-name/and-a-model-with-an-even-longer-one-70b-instruct"
    facts = Section(title="facts", rows=[("errors", "none"), ("diagnoses", f"{long} is slow; " * 3)])
    front = Section(title="front", names=("model", "front"), rows=[(long, "yes")], notes=[f"{long} beats {long}"])
    lines = as_text([facts, front], 80)
    assert all(cells(line) <= 80 for line in lines)
    assert "".join("".join(lines).split()).count(long) == 5
    assert [line for line in lines if line.startswith("  errors")] == ["  errors     none"]
