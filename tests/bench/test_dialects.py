"""A JSON Schema is judged by the dialect that it names, in whatever way; an unknown one is refused when it is read."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pytest_selfopt.bench.grading.json_schema import check_schema, first_problem
from pytest_selfopt.bench.lint import check_suites
from pytest_selfopt.bench.loading.suites import load_suite
from pytest_selfopt.bench.loading.tool_definitions import read_tool
from pytest_selfopt.errors import SuiteError

SEVENTH = "json-schema.org/draft-07/schema"
OLDER = [f"json-schema.org/draft-0{number}/schema" for number in (3, 4, 6)]
NEWER = [f"json-schema.org/draft/{name}/schema" for name in ("2019-09", "2020-12")]
DEPENDS: dict[str, Any] = {"type": "object", "dependencies": {"a": ["b"]}}
REQUIRES: dict[str, Any] = {"type": "object", "dependentRequired": {"a": ["b"]}}


@pytest.mark.parametrize("end", ["", "#"])
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("name", [SEVENTH, *OLDER, *NEWER])
def test_every_name_of_a_dialect_is_read(name: str, scheme: str, end: str) -> None:
    found = []
    for schema in (DEPENDS, REQUIRES):
        named = {"$schema": f"{scheme}://{name}{end}", **schema}
        check_schema(named)
        found.append(first_problem(named, {"a": 1}) != "")
        assert read_tool({"name": "do", "parameters": named}).parameters == named
    assert found == [name not in NEWER, name in NEWER]


@pytest.mark.parametrize(("name", "key"), [(SEVENTH, "$id"), (OLDER[1], "id")])
def test_parts_are_named_as_their_dialect_has_it(name: str, key: str) -> None:
    schema: dict[str, Any] = {
        "$schema": f"https://{name}",
        key: "https://example.org/whole",
        "definitions": {"one": {key: "#one", "type": "string"}},
        "items": {"$ref": "#one"},
    }
    check_schema(schema)
    assert first_problem(schema, ["a"]) == ""
    assert first_problem(schema, [1]).startswith("at $[0]: ")


INSIDE: Any = {"$schema": f"https://{SEVENTH}#", "multipleOf": 0.1}


def test_a_schema_inside_has_the_dialect_of_the_whole() -> None:
    whole = {"$schema": f"http://{SEVENTH}", "items": INSIDE, "properties": {"$schema": {"type": "string"}}}
    check_schema(whole)
    assert first_problem(whole, [0.3]) == ""
    assert first_problem(whole, [0.35]) != ""
    assert first_problem(whole, {"$schema": 1}) != ""
    with pytest.raises(ValueError, match=f"read as https://{re.escape(NEWER[1])}; write all"):
        check_schema({"items": INSIDE})
    read_tool({"name": "do", "parameters": {"type": "object", "properties": {"a": INSIDE}}})
    newer = {"type": "string", "$schema": f"https://{NEWER[1]}"}
    with pytest.raises(
        ValueError, match=rf"tool do: parameters: a schema inside .* is read as http://{SEVENTH}; write"
    ):
        read_tool({"name": "do", "parameters": {"type": "object", "properties": {"a": newer}}})


UNKNOWN: Any = {"$schema": "https://json-schema.org/draft-7/schema"}
TOOL: Any = {"name": "do", "parameters": {"type": "object", "properties": {"a": UNKNOWN}}}
SAID = "$schema 'https://json-schema.org/draft-7/schema' names a dialect that is not known"


@pytest.mark.parametrize(
    ("line", "place"),
    [
        ({"id": "x", "prompt": "?", "expect": {"json_schema": UNKNOWN}}, "expect.json_schema: its "),
        (
            {"id": "x", "prompt": "?", "expect": {"not": {"json_schema": {"items": UNKNOWN}}}},
            "expect.not.json_schema: its ",
        ),
        ({"tool": TOOL}, "tool do: parameters: its "),
        ({"id": "x", "prompt": "?", "tools": [TOOL], "expect": {"no_call": True}}, "tool do: parameters: its "),
        ({"tool": {"name": "do", "input_schema": {**UNKNOWN, "type": "object"}}}, "tool do: parameters: its "),
    ],
)
def test_an_unknown_dialect_is_refused_with_its_place(line: dict[str, Any], place: str, tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    path.write_text(f"\n{json.dumps(line)}\n")
    with pytest.raises(SuiteError) as problem:
        load_suite(path)
    said = str(problem.value)
    assert "items.jsonl:2" in said
    assert place + SAID in said
    assert f"did you mean 'http://{SEVENTH}'?" in said


def test_a_keyword_of_another_dialect_is_a_finding(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    named = {"$schema": f"https://{SEVENTH}", **DEPENDS}
    cases = [{"id": f"c{n}", "prompt": f"{n}?", "expect": {"json_schema": s}} for n, s in enumerate([DEPENDS, named])]
    path.write_text("".join(f"{json.dumps(case)}\n" for case in cases))
    found = [one.sentence for one in check_suites([load_suite(path)]) if "means nothing" in one.sentence]
    assert len(found) == 1
    assert "has dependencies, which means nothing in https://json-schema.org/draft/2020-12/schema; name its" in found[0]


def test_types_of_draft_3_may_be_schemas() -> None:
    schema: dict[str, Any] = {"$schema": f"http://{OLDER[0]}#", "type": ["array", {"type": "object"}]}
    check_schema(schema)
    assert first_problem(schema, {}) == ""
    assert first_problem(schema, 1).startswith("at $: ")


def test_a_tool_like_a_sound_one_is_checked_too() -> None:
    sound = {"type": "object", "properties": {"a": {"minLength": 1}}}
    for _ in range(2):
        assert read_tool({"name": "do", "parameters": sound}).parameters == sound
    for value in (True, "1", -1):
        with pytest.raises(ValueError, match=r"tool do: parameters: .*a\.minLength"):
            read_tool({"name": "do", "parameters": {"type": "object", "properties": {"a": {"minLength": value}}}})
