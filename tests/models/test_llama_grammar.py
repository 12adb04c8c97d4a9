r"""What we say of llama.cpp's grammars is what its server, as xllamacpp carries it, makes of the same schemas."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests

from pytest_selfopt.bench.tools import Tool
from pytest_selfopt.models.config import EMBEDDED_MODELS
from pytest_selfopt.models.embedded import EmbeddedServer
from pytest_selfopt.specs.answer_schema import answer_schema
from pytest_selfopt.specs.llama_grammar import grammar_gaps

TEXT, INTEGER, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
LIST: dict[str, Any] = {"type": "array", "items": INTEGER}
MEMBERS = {"a": INTEGER, "b": TEXT}
OBJECT: dict[str, Any] = {"type": "object", "properties": MEMBERS, "required": ["a"]}

Verdict = str
"""enforced, ignored or refused"""
ROWS: list[tuple[dict[str, Any], dict[str, Any], Verdict]] = [
    (TEXT, {"pattern": "^[0-9]{5}$"}, "enforced"),
    (TEXT, {"pattern": "^(?:a|b)+\\.[^\\]]$"}, "enforced"),
    (TEXT, {"pattern": "^[a-zA-Z0-9._%+-]+@[a-z.-]+$"}, "enforced"),
    (TEXT, {"pattern": "^aé$"}, "enforced"),
    (TEXT, {"pattern": "^a{2000}$"}, "enforced"),
    (TEXT, {"pattern": "[0-9]{5}"}, "ignored"),
    (TEXT, {"pattern": "^ab"}, "ignored"),
    (TEXT, {"pattern": "^\\d{5}$"}, "ignored"),
    (TEXT, {"pattern": "^[\\w.]+$"}, "ignored"),
    (TEXT, {"pattern": "^a\\/b$"}, "ignored"),
    (TEXT, {"pattern": "^(?!a)b$"}, "ignored"),
    (TEXT, {"pattern": "^ab$|^cd$"}, "ignored"),
    (TEXT, {"pattern": "^a{2001}$"}, "refused"),
    (TEXT, {"pattern": "^é+$"}, "refused"),
    (TEXT, {"pattern": "^a\\$"}, "refused"),
    (TEXT, {"minLength": 2000}, "enforced"),
    (TEXT, {"minLength": 2001}, "refused"),
    (TEXT, {"maxLength": 2000}, "enforced"),
    (TEXT, {"minLength": 3.0}, "refused"),
    (TEXT, {"format": "date"}, "enforced"),
    (TEXT, {"format": "email"}, "ignored"),
    ({**TEXT, "pattern": "^a+$"}, {"minLength": 3}, "ignored"),
    (INTEGER, {"minimum": 3, "maximum": 12}, "enforced"),
    (INTEGER, {"exclusiveMinimum": 3}, "enforced"),
    (INTEGER, {"maximum": 2**63}, "refused"),
    (INTEGER, {"multipleOf": 5}, "ignored"),
    (NUMBER, {"minimum": 0}, "ignored"),
    (NUMBER, {"exclusiveMaximum": 1}, "ignored"),
    ({"type": ["integer", "null"]}, {"minimum": 3}, "enforced"),
    (LIST, {"minItems": 2001}, "enforced"),
    (LIST, {"minItems": 2002}, "refused"),
    (LIST, {"maxItems": 1998}, "enforced"),
    (LIST, {"maxItems": 2000}, "refused"),
    (LIST, {"maxItems": 2001}, "refused"),
    (LIST, {"minItems": 1, "maxItems": 2000}, "enforced"),
    (LIST, {"uniqueItems": True}, "ignored"),
    (LIST, {"contains": {"const": 3}}, "ignored"),
    (LIST, {"prefixItems": [TEXT]}, "ignored"),
    (OBJECT, {"minProperties": 2}, "ignored"),
    (OBJECT, {"patternProperties": {"^x": INTEGER}}, "ignored"),
    (OBJECT, {"propertyNames": {"maxLength": 1}}, "ignored"),
    (OBJECT, {"dependentRequired": {"a": ["b"]}}, "ignored"),
    (OBJECT, {"if": {"required": ["b"]}, "then": {"required": ["a"]}}, "ignored"),
    (OBJECT, {"not": {"required": ["b"]}}, "ignored"),
    (OBJECT, {"allOf": [{"required": ["b"]}]}, "ignored"),
    (OBJECT, {"additionalProperties": {"type": "integer"}}, "enforced"),
    ({"anyOf": [TEXT]}, {"maxLength": 3}, "ignored"),
    ({"enum": [f"value {number}" for number in range(3000)]}, {}, "enforced"),
]


Schemas = dict[str, dict[str, Any]]


def tool_of(properties: Schemas) -> Tool:
    parameters: dict[str, Any] = {"type": "object", "properties": properties, "required": [*properties]}
    return Tool(name="t", description="", parameters=parameters)


def our_verdict(schema: dict[str, Any]) -> Verdict:
    gaps = grammar_gaps(tool_of({"x": schema}))
    if any(gap.refused for gap in gaps):
        return "refused"
    return "ignored" if gaps else "enforced"


RulesOf = Callable[[Schemas], dict[str, list[str]] | None]


@pytest.fixture(scope="module")
def rules_of() -> Iterator[RulesOf]:
    """Ask the server for the rules that it makes of each of some schemas; None if it refuses the call."""
    pytest.importorskip("xllamacpp", reason="the embedded model is an extra: uv sync installs it")
    model = replace(EMBEDDED_MODELS["embedded/smollm2-135m"], max_concurrency=1)
    with EmbeddedServer(model) as server, requests.Session() as session:
        session.trust_env = False
        session.headers["Authorization"] = f"Bearer {server.api_key}"

        def ask(schemas: Schemas) -> dict[str, list[str]] | None:
            form = {"name": "answer", "schema": answer_schema((tool_of(schemas),))}
            body = {
                "messages": [{"role": "user", "content": "Hello."}],
                "response_format": {"type": "json_schema", "json_schema": form},
                "max_tokens": 1,
                "verbose": True,
            }
            answer = session.post(f"{server.base_url}/chat/completions", json=body, timeout=250)
            if answer.status_code == 400:
                return None
            lines = answer.json()["__verbose"]["generation_settings"]["grammar"].splitlines()
            return {name: rules_in(lines, name) for name in schemas}

        yield ask


def rules_in(lines: list[str], name: str) -> list[str]:
    """The rules of a property; whether a type is written where it is used, or has a rule of its own, is the same."""
    own = f"response-format-schema-1-arguments-{name}"
    plain = [line.replace(own, "OWN").replace(f'"{name}', '"NAME') for line in lines if line.startswith(own)]
    return [line for line in plain if line != "OWN ::= string"]


def test_the_server_does_what_we_say(rules_of: RulesOf) -> None:
    read = {f"x{number:02}": row for number, row in enumerate(ROWS) if row[2] != "refused"}
    whole = rules_of({name: {**schema, **keywords} for name, (schema, keywords, _) in read.items()})
    bare = rules_of({name: schema for name, (schema, _, _) in read.items()})
    assert whole is not None
    assert bare is not None
    for name, (_, keywords, expected) in read.items():
        if expected == "ignored":
            assert ordinary(whole[name]) == ordinary(bare[name]), keywords
        else:
            assert not keywords or ordinary(whole[name]) != ordinary(bare[name]), keywords
    for schema, keywords, expected in ROWS:
        if expected == "refused":
            assert rules_of({"x": {**schema, **keywords}}) is None, keywords


def ordinary(rules: list[str]) -> list[str]:
    """The rules without what tells only that a property is followed by another one."""
    return [rule.replace("space OWN", "space string") for rule in rules if "-rest" not in rule]


@pytest.mark.parametrize(("schema", "keywords", "expected"), ROWS, ids=lambda value: str(value)[:40])
def test_we_say_what_the_server_does(schema: dict[str, Any], keywords: dict[str, Any], expected: Verdict) -> None:
    assert our_verdict({**schema, **keywords}) == expected


@pytest.mark.parametrize(
    ("schema", "sentence"),
    [
        ({**TEXT, "minLength": 3000}, "t.x: minLength 3,000 is more than 2,000"),
        ({**TEXT, "minLength": 5, "maxLength": 3}, "t.x: minLength 5 is more than maxLength 3"),
        ({**LIST, "items": {**TEXT, "pattern": "a"}}, "t.x: pattern 'a'"),
        ({**TEXT, "maxLength": 5000}, "t.x: maxLength 5,000"),
        ({"allOf": [{**TEXT, "maxLength": 3}]}, "t.x: allOf of what are no objects, in whose place it takes only {}"),
        ({"$ref": "#/$defs/S", "minLength": 2}, "t.x: minLength beside $ref"),
        ({"anyOf": [NUMBER, {"type": "object", "properties": {"y": {**NUMBER, "minimum": 1}}}]}, "t.x.y: minimum"),
    ],
)
def test_gaps_are_named_at_their_place(schema: dict[str, Any], sentence: str) -> None:
    tool = Tool(
        name="t", description="", parameters={**tool_of({"x": schema}).parameters, "$defs": {"S": {"type": "string"}}}
    )
    assert str(grammar_gaps(tool)[0]).startswith(sentence)


def test_recursive_tools_end() -> None:
    node: dict[str, Any] = {
        "type": "object",
        "properties": {"next": {"$ref": "#/$defs/node"}, "value": {**NUMBER, "minimum": 1}},
    }
    parameters: dict[str, Any] = {"$ref": "#/$defs/node", "$defs": {"node": node}}
    tool = Tool(name="t", description="", parameters=parameters)
    assert "minimum of a number" in " ".join(map(str, grammar_gaps(tool)))
