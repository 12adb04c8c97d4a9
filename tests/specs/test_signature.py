"""Tools are told with the members of what they take."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_selfopt.bench.tools import Tool
from pytest_selfopt.specs.signature import signature
from tests.specs.schemas import BOOKING, JSON_VALUE, NODE

TEXT = {"type": "string"}


def told(schema: dict[str, Any]) -> str:
    """How the type of one argument is told."""
    tool = Tool(name="f", description="", parameters={"type": "object", "properties": {"a": schema}})
    return signature(tool).removeprefix("- f(a?: ").removesuffix("): ")


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({}, "any"),
        (TEXT, "string"),
        ({"type": "string", "format": "date", "description": "A day."}, "string"),
        ({"type": "string", "enum": ["C", "F"]}, '"C" | "F"'),
        ({"type": "object"}, "object"),
        ({"type": "array"}, "array"),
        ({"type": "array", "items": {}}, "array"),
        ({"type": "object", "additionalProperties": True}, "object"),
        ({"type": "float"}, "float"),
    ],
)
def test_flat_types_are_told_as_ever(schema: dict[str, Any], words: str) -> None:
    assert told(schema) == words


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "array", "items": TEXT}, "list of string"),
        ({"type": "array", "items": {"enum": [1, 2]}}, "list of (1 | 2)"),
        ({"type": "array", "prefixItems": [{"type": "integer"}, TEXT]}, "[integer, string]"),
        ({"type": "object", "properties": {"x": TEXT, "y": {}}, "required": ["x"]}, "{x: string, y?: any}"),
        ({"properties": {"x": TEXT}, "additionalProperties": {"type": "null"}}, "{x?: string, any name: null}"),
        ({"type": "object", "additionalProperties": {"type": "integer"}}, "{any name: integer}"),
        ({"anyOf": [TEXT, {"type": "null"}]}, "string | null"),
        ({"oneOf": [TEXT, {"type": ["string", "integer"]}]}, "string | integer"),
        ({"type": ["array", "null"], "items": TEXT}, "list of string | null"),
        (
            {"type": "object", "anyOf": [{"properties": {"x": TEXT}}, {"properties": {"y": TEXT}}]},
            "{x?: string} | {y?: string}",
        ),
        ({"allOf": [TEXT]}, "string"),
        ({"allOf": [{"properties": {"x": TEXT}}, {"enum": [1, 2]}]}, "{x?: string} & (1 | 2)"),
        ({"const": "cat", "type": "string"}, '"cat"'),
    ],
)
def test_members_are_told(schema: dict[str, Any], words: str) -> None:
    assert told(schema) == words


def test_models_of_pydantic_are_told() -> None:
    assert signature(Tool(name="book", description="Book it.", parameters=BOOKING)) == (
        "- book(name: string, home: Address {street: string, zip?: integer | null}, work?: Address | null, "
        'color: "red" | "blue", mode?: "a" | "b", one: "x", scores: {any name: integer}, '
        'pet: {kind: "cat", lives?: integer} | {kind: "dog", barks: boolean}, '
        "tree: Node {value: integer, children?: list of Node}, pairs: list of [integer, string]): Book it."
    )


def test_recursive_types_are_shown_once() -> None:
    assert signature(Tool(name="add", description="", parameters=NODE)) == (
        "- add(value: integer, children?: list of these arguments): "
    )
    assert signature(Tool(name="put", description="", parameters=JSON_VALUE)) == (
        "- put(it: JsonValue ({any name: JsonValue} | list of JsonValue | string)): "
    )


def test_definitions_of_one_name_differ() -> None:
    uses: Any = {name: {"$ref": f"#/$defs/{place}/properties/x"} for name, place in zip("abcd", "ABAB", strict=True)}
    first, second = ({"properties": {"x": {"properties": {"y": {"type": kind}}}}} for kind in ("string", "null"))
    definitions: Any = {"A": first, "B": second}
    tool = Tool(name="f", description="", parameters={"properties": uses, "$defs": definitions})
    assert signature(tool) == "- f(a?: x {y?: string}, b?: x_2 {y?: null}, c?: x, d?: x_2): "
