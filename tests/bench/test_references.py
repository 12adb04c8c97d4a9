"""References inside a tool's schema: those that lead nowhere are refused, the others known to graders."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_selfopt.bench.grading.check_calls import check_possible
from pytest_selfopt.bench.grading.tool_calls import ExpectedCall, mismatch
from pytest_selfopt.bench.loading.suites import load_suite
from pytest_selfopt.bench.references import check_references
from pytest_selfopt.bench.tools import Tool
from pytest_selfopt.trial import Json, ToolCall
from tests.specs.schemas import BOOKING, JSON_VALUE, NODE


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("#/$defs/X", "$ref '#/$defs/X' leads nowhere; defined: #/$defs/A"),
        ("#nowhere", "$ref '#nowhere' leads nowhere"),
        ("#/anyOf/a", "$ref '#/anyOf/a' leads nowhere"),
        ("#/title/0", "leads nowhere"),
        ("#/title", "$ref '#/title' does not lead to a schema"),
        ("https://json-schema.org/draft/2020-12/schema", "leads out of the schema"),
        ("other.json#/$defs/A", "leads out of the schema; copy what it means into $defs"),
        ("http://[bad", "leads out of the schema"),
    ],
)
def test_references_that_lead_nowhere_are_refused(reference: str, why: str) -> None:
    parameters: dict[str, Json] = {
        "title": "",
        "anyOf": [{}],
        "properties": {"a": {"items": {"$ref": reference}}},
        "$defs": {"A": {}},
    }
    with pytest.raises(ValueError, match="lead") as problem:
        check_references(parameters)
    assert why in str(problem.value)


@pytest.mark.parametrize(
    "definitions",
    [
        {"A": {"$ref": "#/$defs/A"}},
        {"A": {"anyOf": [{"$ref": "#/$defs/B"}, {"type": "null"}]}, "B": {"allOf": [{"$ref": "#/$defs/A"}]}},
    ],
)
def test_a_reference_to_itself_is_refused(definitions: dict[str, Json]) -> None:
    with pytest.raises(ValueError, match="leads back to itself without end"):
        check_references({"$defs": definitions})


@pytest.mark.parametrize(
    "parameters",
    [
        *(BOOKING, NODE, JSON_VALUE),
        {"properties": {"a": {"$ref": "#"}, "$ref": {"type": "string"}}, "default": {"$ref": "nowhere"}},
        {"properties": {"a": {"$ref": "#/properties/b%20c"}, "b c": {"$anchor": "here"}, "d": {"$ref": "#here"}}},
        {"$id": "https://e.org/t", "properties": {"a": {"$ref": "https://e.org/t#/$defs/A"}}, "$defs": {"A": {}}},
        {"properties": {"a": {"$id": "part", "$defs": {"A": {}}, "items": {"$ref": "#/$defs/A"}}}},
    ],
)
def test_references_inside_the_schema_are_accepted(parameters: dict[str, Json]) -> None:
    check_references(parameters)


def test_suites_name_file_line_tool_and_reference(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        """
        tools:
          - name: fine
          - name: look_up
            parameters: {properties: {a: {$ref: "#/$defs/X"}}}
        cases:
          - {id: a, prompt: Hello, tools: [fine], expect: {no_call: true}}
        """
    )
    with pytest.raises(Exception, match=r"a\.yaml:4: tool look_up: parameters: \$ref '#/\$defs/X' leads nowhere"):
        load_suite(path)


def test_a_bottomless_schema_is_refused(tmp_path: Path) -> None:
    deep = '{"items": ' * 900 + "{}" + "}" * 900
    path = tmp_path / "a.jsonl"
    path.write_text('{"tool": {"name": "f", "parameters": {"properties": {"a": ' + deep + "}}}}\n")
    with pytest.raises(Exception, match=r"a\.jsonl:1: (tool f: parameters: nested too deeply|.*nested)"):
        load_suite(path)


def why(parameters: dict[str, Json], wanted: Any, got: Any) -> str:
    """Why a call with one argument is not the expected one."""
    tool = Tool(name="f", description="", parameters=parameters)
    (name,) = wanted
    expected = ExpectedCall(name="f", arguments={name: (wanted[name],)})
    return mismatch(expected, ToolCall(name="f", arguments=got), tool.arguments)


def test_graders_know_the_types_behind_references() -> None:
    parameters: dict[str, Json] = {
        "properties": {"a": {"$ref": "#/$defs/Whole"}},
        "$defs": {"Whole": {"type": "integer"}},
    }
    assert why(parameters, {"a": 5}, {"a": 5}) == ""
    assert "should be of type integer, got 5.0" in why(parameters, {"a": 5}, {"a": 5.0})
    with pytest.raises(ValueError, match=r"f\.a is of type integer and cannot be '5'"):
        check_possible(
            ExpectedCall(name="f", arguments={"a": ("5",)}),
            Tool(name="f", description="", parameters=parameters).arguments,
        )


def test_graders_know_members_of_optional_references() -> None:
    parameters: dict[str, Json] = {
        "properties": {"a": {"anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}]}},
        "$defs": {"A": {"type": "object", "properties": {"n": {"type": "integer"}}}},
    }
    assert why(parameters, {"a": {"n": 1}}, {"a": {"n": 1}}) == ""
    assert why(parameters, {"a": None}, {"a": None}) == ""
    assert why(parameters, {"a": {"n": 1}}, {"a": {"n": 1.0}}) != ""


def test_graders_know_recursive_arguments() -> None:
    tool = Tool(name="f", description="", parameters=NODE)
    expected = ExpectedCall(name="f", arguments={"value": (1,), "children": ([{"value": 2}],)})
    call = ToolCall(name="f", arguments={"value": 1, "children": [{"value": 2}]})
    assert mismatch(expected, call, tool.arguments) == ""
    wrong = ToolCall(name="f", arguments={"value": 1, "children": [{"value": 2.0}]})
    assert "children" in mismatch(expected, wrong, tool.arguments)
    assert "value is missing" in mismatch(expected, ToolCall(name="f", arguments={}), tool.arguments)


def test_tools_without_references_are_graded_as_ever() -> None:
    parameters: dict[str, Json] = {"properties": {"a": {"anyOf": [{"type": "integer"}, {"type": "null"}]}}}
    assert Tool(name="f", description="", parameters=parameters).arguments is parameters
