"""Suites in all formats, and what is said about files that are wrong."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
        ("s.csv", "id,prompt,number\na,p,three\n", "s.csv:2: number: invalid JSON at column 1"),
        ("s.jsonl", '{"id": "a", "id": "b"}\n', "s.jsonl:1: invalid JSON: duplicate key 'id'"),
        ("s.jsonl", '{"id": "a", "prompt": "p", "expect": {"number": NaN}}\n', "s.jsonl:1: invalid JSON: NaN"),
        ("s.jsonl", "[" * 100_000 + "\n", "s.jsonl:1: invalid JSON"),
        ("s.jsonl", '{"id": "a b", "prompt": "p", "expect": {"exact": "x"}}\n', "id: expected 1 to 80 letters"),
        ("s.jsonl", '{"tool": {"name": "f", "parameters": {"type": 3}}}\n', "tool f: parameters: not a valid"),
        ("s.txt", "", "s.txt: unknown kind of suite file; supported: .jsonl, .yaml, .yml, .csv"),
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


@given(st.binary(max_size=300), st.sampled_from([".jsonl", ".yaml", ".csv"]))
def test_any_file_is_a_suite_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes, suffix: str) -> None:
    path = tmp_path_factory.mktemp("suite") / f"s{suffix}"
    path.write_bytes(content)
    with contextlib.suppress(SuiteError):
        assert load_suite(path).cases
