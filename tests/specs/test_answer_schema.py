"""An answer schema takes the calls that the tools' own schemas take, and no others."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from pytest_selfopt.bench.references import check_references
from pytest_selfopt.bench.tools import Tool
from pytest_selfopt.models.parameters import wrapped_schema
from pytest_selfopt.specs.answer_schema import answer_schema
from tests.specs.schemas import BOOKING, NODE

TEXT = {"type": "string"}
ADDRESS = {"street": "x", "zip": None}
TREE = {"value": 1, "children": [{"value": 2, "children": []}]}
BOOKED = {
    "name": "x",
    "home": ADDRESS,
    "work": None,
    "color": "red",
    "one": "x",
    "scores": {"a": 1},
    "pet": {"kind": "cat"},
    "tree": TREE,
    "pairs": [[1, "x"]],
}


def tool(parameters: dict[str, Any], name: str = "f") -> Tool:
    return Tool(name=name, description="", parameters=parameters)


def takes(schema: dict[str, Any], arguments: Any, name: str = "f") -> bool:
    """Whether a call is an answer under a schema."""
    return Draft202012Validator(schema).is_valid({"tool": name, "arguments": arguments})


def references(part: Any) -> Iterator[str]:
    if isinstance(part, dict):
        if isinstance(part.get("$ref"), str):
            yield part["$ref"]
        part = list(part.values())
    if isinstance(part, list):
        for member in part:
            yield from references(member)


@pytest.mark.parametrize("parameters", [{}, {"properties": {"x": TEXT}}, {"additionalProperties": TEXT}])
def test_arguments_are_an_object(parameters: dict[str, Any]) -> None:
    schema = answer_schema([tool(parameters)])
    assert takes(schema, {})
    assert not takes(schema, "x")


@pytest.mark.parametrize(
    "wrong",
    [
        {"color": "green"},
        {"home": {}},
        {"pet": {"kind": "cow"}},
        {"tree": {"value": 1, "children": [{"value": "x"}]}},
        {"scores": {"a": "x"}},
        {"further": 1},
    ],
)
def test_models_of_pydantic_keep_their_meaning(wrong: dict[str, Any]) -> None:
    schema = answer_schema([tool(BOOKING)])
    assert takes(schema, BOOKED)
    assert not takes(schema, {**BOOKED, **wrong})


def test_a_referred_root_is_closed_too() -> None:
    schema = answer_schema([tool(NODE)])
    assert takes(schema, TREE)
    assert not takes(schema, {**TREE, "further": 1})
    assert not takes(schema, {"value": 1, "children": [{"children": []}]})


def test_definitions_of_two_tools_stay_apart() -> None:
    def with_x(kind: str) -> dict[str, Any]:
        return {"properties": {"x": {"$ref": "#/$defs/X"}}, "$defs": {"X": {"type": kind}}}

    names = ("a.b", "a_b")
    schema = answer_schema([tool(with_x("string"), names[0]), tool(with_x("integer"), names[1])])
    assert [takes(schema, {"x": "y"}, name) for name in names] == [True, False]
    assert [takes(schema, {"x": 1}, name) for name in names] == [False, True]


def test_flat_tools_are_asked_as_ever() -> None:
    parameters = {"type": "object", "properties": {"x": {**TEXT, "default": "y"}}, "required": ["x"]}
    assert answer_schema([tool(parameters)])["anyOf"][1] == {  # type: ignore[index]
        "type": "object",
        "properties": {"tool": {"const": "f"}, "arguments": {**parameters, "additionalProperties": False}},
        "required": ["tool", "arguments"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize("further", [True, {"type": "integer"}])
def test_what_a_tool_says_of_further_arguments_survives(further: Any) -> None:
    schema = answer_schema([tool({"properties": {"x": TEXT}, "additionalProperties": further})])
    assert takes(schema, {"x": "y", "z": 1})
    assert takes(schema, {"z": "y"}) == (further is True)


def test_members_of_parts_are_not_closed_out() -> None:
    schema = answer_schema([tool({"allOf": [{"$ref": "#/$defs/X"}], "$defs": {"X": {"properties": {"x": TEXT}}}})])
    assert takes(schema, {"x": "y"})
    assert not takes(schema, {"x": 1})
    either = {"properties": {"x": TEXT}, "anyOf": [{"required": ["x"]}, {"required": ["y"]}]}
    assert not takes(answer_schema([tool(either)]), {"x": "y", "z": 1})


def test_wrapping_keeps_definitions_at_the_root() -> None:
    schema = Draft202012Validator(wrapped_schema(answer_schema([tool(BOOKING)])))
    assert schema.is_valid({"answer": {"tool": "f", "arguments": BOOKED}})


NAMES = ("a", "b")
REFERENCES = ("#", "#/properties/a", "#/$defs/A", "#/$defs/b~1%25", "#/definitions/A", "#there", "#/x-types/0")
LEAVES: list[Any] = [
    *(True, False, {}, TEXT, {"type": "integer"}, {"enum": ["x", 1]}, {"const": {"$ref": "#"}}),
    *({"type": ["string", "null"]}, {"type": "array"}, {"type": "object"}),
]


PARTS = st.sampled_from(LEAVES + [{"$ref": reference} for reference in REFERENCES])
OBJECTS = st.fixed_dictionaries(
    {"properties": st.dictionaries(st.sampled_from((*NAMES, "$ref")), PARTS, max_size=2)},
    optional={"required": st.just(["a"]), "additionalProperties": PARTS, "type": st.just("object")},
)
SOME = st.lists(PARTS, min_size=1, max_size=2)
# Shallow, for speed: the references make them deep.
SCHEMAS = (
    PARTS
    | OBJECTS
    | st.fixed_dictionaries({"items": PARTS}, optional={"prefixItems": SOME})
    | st.fixed_dictionaries({"anyOf": SOME})
    | st.fixed_dictionaries({"allOf": SOME})
)


@st.composite
def whole(draw: st.DrawFn) -> dict[str, Any]:
    """The parameters of a tool whose parts refer to each other in every way."""
    of_two_names = draw(SCHEMAS)
    return {
        **draw(OBJECTS),
        "$defs": {"A": draw(SCHEMAS), "b/%": of_two_names, "There": {**draw(OBJECTS), "$anchor": "there"}},
        "definitions": {"A": draw(SCHEMAS)},
        "x-types": [of_two_names],
    }


VALUES = st.dictionaries(
    st.sampled_from(NAMES),
    st.sampled_from(["x", 1, None, ["x"], [1, None], {}, {"a": "x"}, {"b": 1}, {"a": {"a": ["x"]}}]),
    max_size=2,
)


def is_sound(parameters: dict[str, Any]) -> bool:
    try:
        check_references(parameters)
    except ValueError:
        return False
    return True


PARAMETERS = whole().filter(is_sound)


OTHER = {"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": False}}


@given(PARAMETERS, st.lists(VALUES, min_size=5, max_size=9))
def test_answers_and_arguments_mean_the_same(parameters: dict[str, Any], values: list[Any]) -> None:
    schema = answer_schema([tool(OTHER, "a_b"), tool(parameters, "a.b")])
    for reference in references(schema):
        assert reference == "#" or re.fullmatch(r"#/\$defs/[A-Za-z0-9_-]+", reference)
    answers, own = Draft202012Validator(schema), Draft202012Validator(parameters)
    for value in values:
        listed = "additionalProperties" in parameters or parameters["properties"].keys() >= value.keys()
        wanted = own.is_valid(value) and listed
        assert answers.is_valid({"tool": "a.b", "arguments": value}) == wanted
