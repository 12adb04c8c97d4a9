"""What commands print, for a terminal, a pipe and programs."""

from __future__ import annotations

import io

import pytest

from pytest_selfopt.console.output import USUAL, Markdown, Printed, TextTable, Verbatim, columns_of, laid_out

SENTENCE = "  a sentence that is longer than a narrow terminal, and goes on"
ROWS = TextTable([("model", "accuracy", "cost"), ("a/b", "0.5", "$1")], dispensable=("cost",), indent="  ")


def test_terminals_get_folded_lines_pipes_do_not() -> None:
    assert list(laid_out([SENTENCE], None, "utf-8")) == [SENTENCE]
    folded = list(laid_out([SENTENCE], 30, "utf-8"))
    assert len(folded) == 3
    assert all(len(line) <= 30 for line in folded)


def test_only_terminal_tables_lose_columns() -> None:
    assert list(laid_out([ROWS], None, "utf-8")) == ["  model  accuracy  cost", "  a/b         0.5    $1"]
    assert list(laid_out([ROWS], 20, "utf-8")) == ["  model  accuracy", "  a/b         0.5"]


@pytest.mark.parametrize(
    ("printed", "line"),
    [
        (Verbatim('{"a": "→",\n "b": 1}'), '{"a": "\\u2192",\n "b": 1}'),
        (Markdown("a → b\nc"), "a -> b\nc"),
        ("a → b\n\x1b[2Jc", "a -> b <U+001B>[2Jc"),
    ],
)
def test_an_unencodable_character_is_spelled_out(printed: Printed, line: str) -> None:
    assert list(laid_out([printed], 20, "ascii")) == [line]


@pytest.mark.parametrize(("given", "columns"), [("50", 50), ("", USUAL), ("0", USUAL), ("wide", USUAL)])
def test_the_environment_sets_the_columns(monkeypatch: pytest.MonkeyPatch, given: str, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", given)
    assert columns_of(io.StringIO()) == columns
