"""Suites in CSV as programs for tables write them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from pytest_selfopt.bench.grading.expect import ContainsAny, Exact
from pytest_selfopt.bench.loading.suites import Suite, load_suite
from pytest_selfopt.errors import SuiteError


def load(folder: Path, text: str, name: str = "s.csv") -> Suite:
    path = folder / name
    path.write_bytes(text.encode("utf-8-sig"))
    return load_suite(path)


def test_true_and_false_are_read_in_capitals(tmp_path: Path) -> None:
    suite = load(tmp_path, "id,prompt,no_call,exact\na,p,TRUE,\nb,p,True,\nc,p,FALSE,x\n")
    assert [case.expect.to_json() for case in suite.cases] == [{"no_call": True}, {"no_call": True}, {"exact": "x"}]


def test_columns_hold_all_fields_but_graders(tmp_path: Path) -> None:
    calls = '"[{""name"": ""f"", ""arguments"": {}}]"'
    rows = f'a,p,f,TRUE,{calls},TRUE,,\nb,p,,,,,"[""x"", ""y""]",\nc,p,,FALSE,,,,"[1, 2]"\n'
    (tmp_path / "s.tools.json").write_text('[{"name": "f", "parameters": {}}]')
    suite = load(tmp_path, f"id,prompt,tools,as_given,calls,in_order,contains_any,exact\n{rows}")
    calls_of_a, *others = [case.expect for case in suite.cases]
    assert calls_of_a.to_json()["in_order"] is True
    assert others == [ContainsAny(("x", "y"), ignore_case=False), Exact(("[1, 2]",), ignore_case=False)]
    with pytest.raises(SuiteError, match="could be one text or several"):
        load(tmp_path, 'id,prompt,exact\na,p,"[""x"", ""y""]"\n')


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


@pytest.mark.parametrize("name", ["s.csv", "s.tsv"])
def test_tabs_may_separate(tmp_path: Path, name: str) -> None:
    suite = load(tmp_path, 'id\tprompt\texact\na\t"Eins, zwei; drei"\tx\n', name)
    assert suite.cases[0].prompt == "Eins, zwei; drei"


@pytest.mark.parametrize("first", ["sep=|", '"SEP=|"', "sep=| "])
def test_the_first_line_may_name_the_separator(tmp_path: Path, first: str) -> None:
    suite = load(tmp_path, f"{first}\r\nid|prompt|exact\r\na|p, q;|x\r\n")
    assert suite.cases[0].prompt == "p, q;"
    assert suite.cases[0].source == "s.csv:3"


@pytest.mark.parametrize(
    ("cell", "weight"), [("50%", 0.5), (" 12.5 % ", 0.125), ("7%", 0.07), (".5", 0.5), ("+2", 2), ("1E+02", 100)]
)
def test_weights_are_read_as_tables_write_them(tmp_path: Path, cell: str, weight: float) -> None:
    assert load(tmp_path, f"id,prompt,exact,weight\na,p,x,{cell}\n").cases[0].weight == weight


def test_all_wrong_cells_are_told(tmp_path: Path) -> None:
    rows = "a b,p,1,WAHR,50%,0,f\nc, ,x,,1,many,\nd,p,{,,,1e999,\n"
    with pytest.raises(SuiteError) as refused:
        load(tmp_path, f"id,prompt,number,strict,tolerance,weight,tools\n{rows}")
    assert str(refused.value).splitlines() == [
        "s.csv:2: strict: expected TRUE or FALSE, got 'WAHR'",
        "s.csv:2: tolerance: '50%' could be 50 or a share of something; write the number itself",
        "s.csv:2: id: expected a text of 1 to 80 letters, digits or ._-, got 'a b'",
        "s.csv:2: weight: expected a number from 0.000001 to 1,000,000, got 0",
        "s.csv:2: tools: unknown tool 'f'; none is defined",
        "s.csv:3: number: expected a number such as 0.5, got 'x'",
        "s.csv:3: weight: expected a number such as 0.5, got 'many'",
        "s.csv:3: prompt: expected a non-empty string, got ' '",
        "s.csv:4: number: expected a number such as 0.5, got '{'",
        "s.csv:4: weight: the number 1e999 is too large",
    ]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("sep=x\nid,prompt,exact\n", "s.csv:1: sep=x names no sign between cells"),
        ("sep=;\nid;promt;exact\n", "s.csv:2: unknown column 'promt'; did you mean 'prompt'?"),
        ('sep=;\nid;prompt;exact\na;"p\n', "s.csv:3: invalid CSV"),
        ("id;prompt;number\na;p;1,000\n", "s.csv:2: number: expected a number without a comma"),
        ("id;prompt;number\na;p;5,5%\n", "s.csv:2: number: expected a decimal point, as in 0.5, got '5,5%'"),
        ("id,prompt,call\na,p,f(x)\n", "s.csv:2: call: invalid JSON at column 1: Expecting value; got 'f(x)'"),
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
