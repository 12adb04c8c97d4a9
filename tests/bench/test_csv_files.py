"""Suites in CSV as programs for tables write them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from pytest_selfopt.bench.loading.suites import Suite, load_suite
from pytest_selfopt.errors import SuiteError


def load(folder: Path, text: str) -> Suite:
    path = folder / "s.csv"
    path.write_bytes(text.encode("utf-8-sig"))
    return load_suite(path)


def test_true_and_false_are_read_in_capitals(tmp_path: Path) -> None:
    suite = load(tmp_path, "id,prompt,no_call,exact\na,p,TRUE,\nb,p,True,\nc,p,FALSE,x\n")
    assert [case.expect.to_json() for case in suite.cases] == [{"no_call": True}, {"no_call": True}, {"exact": "x"}]


def test_empty_columns_and_rows_do_not_count(tmp_path: Path) -> None:
    suite = load(tmp_path, "id,prompt,,exact,,\r\na,p,,x,,\r\n,,,,,\r\nb,q,,y,,\r\n")
    assert [case.id for case in suite.cases] == ["a", "b"]
    assert suite.cases[1].source == "s.csv:4"


def test_cells_may_be_long(tmp_path: Path) -> None:
    limit = csv.field_size_limit()
    suite = load(tmp_path, f"id,prompt,exact\na,{'p' * 200_000},x\n")
    assert len(suite.cases[0].prompt) == 200_000
    assert csv.field_size_limit() == limit


def test_semicolons_may_separate(tmp_path: Path) -> None:
    suite = load(tmp_path, "id;prompt;number\na;Eins, zwei;0.5\n")
    assert suite.cases[0].prompt == "Eins, zwei"
    assert suite.cases[0].expect.to_json()["number"] == 0.5


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("id,prompt,prompt,exact\n", "s.csv:1: the column 'prompt' is named twice"),
        ("id,prompt,exact,\na,p,x,y\n", "s.csv:2: the cell 'y' has no column"),
        ("id,prompt,no_call\na,p,WAHR\n", "s.csv:2: no_call: expected TRUE or FALSE, got 'WAHR'"),
        ("id,prompt,no_call\na,p,FALSE\n", "s.csv:2: expect: needs exactly one of"),
        ('id;prompt;number\na;p;0,5\nb;p;"-1,25"\n', "s.csv:3: number: expected a decimal point, as in 0.5"),
    ],
)
def test_what_is_no_table_is_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(SuiteError) as refused:
        load(tmp_path, text)
    assert sentence in str(refused.value)


def test_utf_16_is_named(tmp_path: Path) -> None:
    path = tmp_path / "s.csv"
    path.write_bytes("id,prompt,exact\n".encode("utf-16"))
    with pytest.raises(SuiteError, match=r"s\.csv: is in UTF-16; save it as UTF-8"):
        load_suite(path)


@pytest.mark.parametrize(
    ("tools", "sentence"),
    [
        ('[{"name": "f"}, {"name": 1}]', "s.tools.json: tool 2: tool name: expected letters"),
        ("{}", "s.tools.json: expected a list of tools, got {}"),
        ("[", "s.tools.json: invalid JSON"),
    ],
)
def test_tools_beside_are_named(tmp_path: Path, tools: str, sentence: str) -> None:
    (tmp_path / "s.tools.json").write_text(tools)
    with pytest.raises(SuiteError) as refused:
        load(tmp_path, "id,prompt,exact\na,p,x\n")
    assert sentence in str(refused.value)
