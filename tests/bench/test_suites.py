"""Suites in all formats, and what is said about files that are wrong."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.bench.lint import LintFinding, check_suites
from pytest_selfopt.bench.loading.suites import Suite, load_suite
from pytest_selfopt.errors import SuiteError

TOOL = {"name": "f", "description": "d", "parameters": {"type": "object", "properties": {"x": {"type": "integer"}}}}
CASES: list[dict[str, Any]] = [
    {
        "id": "one",
        "prompt": "Call f.",
        "tools": ["f"],
        "expect": {"call": {"name": "f", "arguments": {"x": [1]}}},
        "tags": ["a"],
    },
    {"id": "two", "prompt": "Say yes,\nplease.", "expect": {"exact": "yes"}},
    {"id": "three", "prompt": "Count.", "expect": {"number": 3, "tolerance": 0.5}},
]


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def jsonl(folder: Path, *lines: dict[str, Any]) -> Path:
    return write(folder / "s.jsonl", "".join(json.dumps(line) + "\n" for line in lines))


def asked(suite: Suite) -> list[tuple[Any, ...]]:
    return [(case.id, case.messages, case.tools, case.expect, case.tags) for case in suite.cases]


def test_the_three_formats_say_the_same(tmp_path: Path) -> None:
    import yaml

    from_jsonl = load_suite(jsonl(tmp_path, {"tool": TOOL}, *CASES))
    from_yaml = load_suite(write(tmp_path / "s.yaml", yaml.safe_dump({"tools": [TOOL], "cases": CASES})))
    write(tmp_path / "s.tools.json", json.dumps([TOOL]))
    rows = [
        "id,prompt,tools,tags,call,exact,number,tolerance",
        'one,Call f.,f,a,"{""name"": ""f"", ""arguments"": {""x"": [1]}}",,,',
        'two,"Say yes,\nplease.",,,,yes,,',
        "three,Count.,,,,,3,0.5",
    ]
    from_csv = load_suite(write(tmp_path / "s.csv", "\n".join(rows)))
    assert asked(from_jsonl) == asked(from_yaml) == asked(from_csv)
    assert from_jsonl.content_hash == from_yaml.content_hash == from_csv.content_hash


def test_the_shipped_suite_is_as_promised() -> None:
    suite = load_suite(Path(__file__).parents[2] / "benchmarks" / "atomic.jsonl")
    assert len(suite.cases) >= 40
    assert sum(case.restraint for case in suite.cases) * 4 == len(suite.cases)
    assert len({tool.name for case in suite.cases for tool in case.tools}) >= 6
    assert {"easy", "medium", "hard"} <= {tag for case in suite.cases for tag in case.tags}
    asked_prompts = {case.prompt for case in suite.cases}
    assert not asked_prompts & {example.messages[-1].content for example in suite.examples}


@pytest.mark.parametrize(
    ("name", "text", "sentence"),
    [
        ("s.yaml", "cases:\n  - id: a\n    prompt: p\n   expect: x\n", "s.yaml:4: invalid YAML"),
        ("s.yaml", "cases:\n  - id: a\n    prompt: p\n", "s.yaml:2: case 'a': field 'expect' is missing"),
        ("s.yaml", "casses: []\n", "s.yaml:1: unknown section 'casses'"),
        ("s.csv", "id,promt,exact\na,b,c\n", "s.csv:1: unknown column 'promt'"),
        ("s.csv", 'id,prompt,exact\na,"x\ny",c\nb,p\n', "s.csv:4: this row and the header have different numbers"),
        ("s.csv", '"', "s.csv:1: invalid CSV: unexpected end of data"),
        ("s.csv", "id,prompt,number\na,p,three\n", "s.csv:2: number: expected a number such as 0.5, got 'three'"),
        ("s.jsonl", '{"id": "a", "id": "b"}\n', "s.jsonl:1: invalid JSON: duplicate key 'id'"),
        ("s.jsonl", '{"id": "a", "prompt": "p", "expect": {"number": NaN}}\n', "s.jsonl:1: invalid JSON: NaN"),
        ("s.jsonl", "[" * 100_000 + "\n", "s.jsonl:1: invalid JSON"),
        (
            "s.jsonl",
            '{"id": "a b", "prompt": "p", "expect": {"exact": "x"}}\n',
            "id: expected a text of 1 to 80 letters",
        ),
        (
            "s.jsonl",
            '{"tool": {"name": "f", "parameters": {"type": 3}}}\n',
            "tool f: parameters: is not a valid",
        ),
        ("s.jsonl", '{"case": {}, "odd": 1}\n', "s.jsonl:1: unknown field 'odd' beside 'case'"),
        ("s.jsonl", '{"tool": {"name": "f", "parameters": {"$schema": []}}}\n', "its $schema is []"),
        (
            "s.jsonl",
            '{"example": {"prompt": "p", "answer": {"call": {}, "calls": []}}}\n',
            "s.jsonl:1: answer: expected",
        ),
        ("s.yaml", "- id: a\n  id: b\n", "s.yaml:2: duplicate key 'id'"),
        (
            "s.yaml",
            "- {id: a, prompt: p, expect: {grader: 'm:f', wanted: {1: x}}}\n",
            "s.yaml:1: the key 1 is not a text",
        ),
        ("s.txt", "", "s.txt: unknown kind of suite file; supported: .jsonl, .yaml, .yml, .csv, .tsv"),
    ],
)
def test_an_error_is_named_with_its_position(tmp_path: Path, name: str, text: str, sentence: str) -> None:
    with pytest.raises(SuiteError) as refused:
        load_suite(write(tmp_path / name, text))
    assert sentence in str(refused.value)


@pytest.mark.parametrize(
    ("expect", "sentence"),
    [
        ({"call": {"name": "g"}}, "'g' is not one of the case's tools; available: f"),
        ({"call": {"name": "f", "arguments": {"xx": 1}}}, "f has no argument 'xx'; did you mean 'x'?"),
        ({"call": {"name": "f", "arguments": {"x": ["one"]}}}, "f.x is of type integer and cannot be 'one'"),
    ],
)
def test_an_unsatisfiable_expectation_is_refused(tmp_path: Path, expect: dict[str, Any], sentence: str) -> None:
    case = {"id": "a", "prompt": "p", "tools": ["f"], "expect": expect}
    with pytest.raises(SuiteError) as refused:
        load_suite(jsonl(tmp_path, {"tool": TOOL}, case))
    assert f"s.jsonl:2: expect: {sentence}" in str(refused.value)


def test_ten_problems_are_named_the_rest_counted(tmp_path: Path) -> None:
    with pytest.raises(SuiteError) as refused:
        load_suite(jsonl(tmp_path, *[{"id": f"c{number}", "prompt": "p"} for number in range(25)]))
    assert len(str(refused.value).splitlines()) == 11
    assert "and 15 more problems" in str(refused.value)


def test_a_file_not_in_utf_8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(b'{"id": "\xff"}')
    with pytest.raises(SuiteError, match=r"not valid UTF-8 \(byte 8\)"):
        load_suite(path)


@pytest.mark.parametrize("tools", [[["q"]], [{}], [None], ["list_notes", "list_notes"]])
def test_odd_names_of_offered_tools_are_refused(tmp_path: Path, tools: list[Any]) -> None:
    talk = {"environment": "pytest_selfopt.bench.worlds.notes:Notes", "turns": ["x"], "tools": tools}
    with pytest.raises(SuiteError, match=r"s\.jsonl:1: tools: "):
        load_suite(jsonl(tmp_path, {"id": "a", "expect": {"state": {}}, **talk}))


def test_yaml_words_are_texts_and_told_once(tmp_path: Path) -> None:
    tool = "{name: f, parameters: {type: object, properties: {x: {enum: [yes, no]}}}}"
    call = "{name: f, arguments: {x: yes, on: 2024-01-01}}"
    case = f"{{id: a, prompt: no, tools: [f], expect: {{call: {call}}}, as_given: true}}"
    suite = load_suite(write(tmp_path / "s.yaml", f"tools:\n- {tool}\ncases:\n- {case}\n"))
    arguments = {"x": ["yes"], "on": ["2024-01-01"]}
    assert suite.cases[0].prompt == "no"
    assert suite.cases[0].expect.to_json() == {"calls": [{"name": "f", "arguments": arguments}]}
    (note,) = suite.notes
    assert note.startswith("is read as YAML 1.2, no longer as 1.1: line 2: yes is a text, was true; line 2: no is")
    assert LintFinding(place="s.yaml", sentence=note) in check_suites([suite])


@pytest.mark.parametrize(
    "tool",
    [
        {"type": "function", "function": TOOL},
        {"type": "function", **TOOL},
        {"name": "f", "description": "d", "input_schema": TOOL["parameters"]},
        {"type": "custom", "name": "f", "description": "d", "input_schema": TOOL["parameters"]},
        {"name": "f", "description": "d", "inputSchema": TOOL["parameters"]},
    ],
)
def test_tools_are_read_as_apis_write_them(tmp_path: Path, tool: dict[str, Any]) -> None:
    (named,) = load_suite(jsonl(tmp_path, {"tool": tool}, CASES[0])).tools
    (inline,) = load_suite(jsonl(tmp_path, {**CASES[0], "tools": [tool]})).cases[0].tools
    (plain,) = load_suite(jsonl(tmp_path, {"tool": TOOL}, CASES[0])).tools
    assert named == inline == plain


def test_a_wrong_tool_is_told_once(tmp_path: Path) -> None:
    with pytest.raises(SuiteError) as refused:
        load_suite(jsonl(tmp_path, {"tool": {**TOOL, "parameters": "{}"}}, CASES[0], {**CASES[1], "weight": 0}))
    assert str(refused.value).splitlines() == [
        "s.jsonl:1: tool f: parameters: expected a JSON Schema of an object, not a text, got '{}'",
        "s.jsonl:3: weight: expected a number from 0.000001 to 1,000,000, got 0",
    ]


def test_all_wrong_fields_of_a_case_are_told(tmp_path: Path) -> None:
    case = {"id": "a b", "promt": "p", "expect": {"exact": 1}, "tags": "x", "turns": [], "tools": {}}
    with pytest.raises(SuiteError) as refused:
        load_suite(jsonl(tmp_path, case))
    assert len(str(refused.value).splitlines()) == 6


ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "a", "f", "$ref", "#", "(", ":", "\ud800", 1e308]),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.sampled_from(["name", "type", "$ref", "$schema", "x", ""]), inner, max_size=2)
    ),
    max_leaves=5,
)
TALK = {"id": "talk", "environment": "n", "turns": ["x"], "tools": ["list_notes"], "start": {}, "expect": {"state": {}}}
ENTRIES: list[tuple[str, dict[str, Any]]] = [
    ("tool", TOOL),
    ("environment", {"id": "n", "class": "pytest_selfopt.bench.worlds.notes:Notes", "start": {}}),
    ("example", {"messages": [{"role": "user", "content": "p"}], "answer": {"call": {"name": "f", "arguments": {}}}}),
    *(("case", case) for case in (*CASES, TALK)),
]


@given(
    st.sampled_from(ENTRIES), st.lists(st.integers(0, 3), max_size=4), ODD, st.sampled_from(["jsonl", "yaml", "csv"])
)
def test_odd_values_are_refused_with_their_place(
    tmp_path_factory: pytest.TempPathFactory, entry: tuple[str, Any], place: list[int], odd: Any, suffix: str
) -> None:
    kind, value = entry
    path = tmp_path_factory.getbasetemp() / f"odd.{suffix}"
    path.write_text(written(suffix, kind, replaced(value, place, odd)), encoding="utf-8")
    try:
        load_suite(path)
    except SuiteError as problem:
        sentences = str(problem).splitlines()
        assert all(re.match(rf"odd\.{suffix}(:\d+)?: .", sentence) for sentence in sentences)


def replaced(value: Any, place: list[int], odd: Any) -> Any:
    """The value with another one at the place that the numbers lead to."""
    if not place or not value or not isinstance(value, dict | list):
        return odd
    if isinstance(value, list):
        index = place[0] % len(value)
        return [*value[:index], replaced(value[index], place[1:], odd), *value[index + 1 :]]
    name = list(value)[place[0] % len(value)]
    return {**value, name: replaced(value[name], place[1:], odd)}


def written(suffix: str, kind: str, entry: Any) -> str:
    """A file with one entry; in CSV it fills some columns."""
    text = json.dumps(entry)
    if suffix == "jsonl":
        return f'{{"{kind}": {text}}}'
    if suffix == "yaml":
        return f'{{"{kind}s": [{text}]}}'
    rows = io.StringIO()
    writer = csv.writer(rows)
    writer.writerow(["id", "prompt", "tools", "call", "no_call", "number", "json_schema", "exact"])
    writer.writerow(["a", text, "", *[text] * 5])
    return rows.getvalue()


@given(st.binary(max_size=300), st.sampled_from([".jsonl", ".yaml", ".csv"]))
def test_any_file_is_a_suite_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes, suffix: str) -> None:
    path = tmp_path_factory.mktemp("suite") / f"s{suffix}"
    path.write_bytes(content)
    with contextlib.suppress(SuiteError):
        assert load_suite(path).cases


def test_an_anchor_gives_every_case_its_switches(tmp_path: Path) -> None:
    case = "prompt: Hi, tools: [{name: f}], expect: "
    call = "call: {name: f, arguments: {}}"
    first = f"- {{id: a, {case}{{<<: &usual {{strict: true, tolerance: 0.1}}, {call}}}}}"
    second = f"- {{id: b, {case}{{<<: *usual, {call}}}}}"
    suite = load_suite(write(tmp_path / "s.yaml", f"{first}\n{second}\n"))
    switches = [(read["strict"], read["tolerance"]) for read in (case.expect.to_json() for case in suite.cases)]
    assert switches == [(True, 0.1)] * 2
