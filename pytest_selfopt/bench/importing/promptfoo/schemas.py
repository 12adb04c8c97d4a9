"""JSON Schemas of promptfoo's assertions, which Ajv 8 reads as draft 7 and in its strict mode."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

from pytest_selfopt.bench.call_format import show
from pytest_selfopt.bench.grading.json_schema import subschemas
from pytest_selfopt.bench.importing.javascript import javascript_json
from pytest_selfopt.bench.javascript_patterns import python_pattern

_DRAFT_7 = "http://json-schema.org/draft-07/schema#"
_KEYWORDS = (
    *("$schema", "$id", "$ref", "$defs", "$comment", "definitions", "title", "description", "default", "examples"),
    *("deprecated", "readOnly", "writeOnly", "contentMediaType", "contentEncoding", "type", "enum", "const"),
    *("multipleOf", "maximum", "exclusiveMaximum", "minimum", "exclusiveMinimum", "maxLength", "minLength", "pattern"),
    *("maxItems", "minItems", "uniqueItems", "maxProperties", "minProperties", "required", "items", "additionalItems"),
    *("contains", "properties", "patternProperties", "additionalProperties", "dependencies", "propertyNames"),
    *("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "format", "nullable"),
)
_BESIDE_A_REFERENCE = (
    "$ref",
    "$comment",
    "title",
    "description",
    "default",
    "examples",
    "definitions",
    "$defs",
    "$schema",
)
_FORMATS = ("date", "ipv4", "ipv6", "json-pointer", "relative-json-pointer")
"""Those that Ajv and our grader judge alike (but for dates of the year 0000)."""
_HEX = "[0-9A-Fa-f]"
_UUID = f"^([Uu][Rr][Nn]:[Uu][Uu][Ii][Dd]:)?{_HEX}{{8}}-({_HEX}{{4}}-){{3}}{_HEX}{{12}}$"
"""What Ajv takes for a UUID."""


def checked_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """Return a schema that means to our grader what it means to promptfoo.

    Raises:
        ValueError: with the reason, if there is none.
    """
    for part in subschemas(schema):
        for problem in _problems(part):
            raise ValueError(f"its JSON Schema {problem}")
    named = str(schema.get("$schema", _DRAFT_7)).removesuffix("#")
    if named != _DRAFT_7.removesuffix("#"):
        raise ValueError(
            f"its JSON Schema names {show(schema['$schema'])}, at which promptfoo ends in an error: it knows draft 7 "
            f"only, and only by the name {_DRAFT_7}"
        )
    translated = copy.deepcopy(schema)
    for part in list(subschemas(translated)):
        if part.pop("nullable", False):
            part["type"] = _with_null(part["type"])
        if part.get("format") == "uuid":
            del part["format"]
            others = part.get("allOf")
            if not isinstance(others, list):
                others = []
            part["allOf"] = [*others, {"pattern": _UUID}]
    return {"$schema": _DRAFT_7, **translated}


def _with_null(types: Any) -> Any:
    if isinstance(types, str):
        types = [types]
    if "null" in types:
        return types
    return [*types, "null"]


def _problems(part: dict[str, Any]) -> Iterator[str]:
    for keyword in part:
        if keyword not in _KEYWORDS:
            yield f"has the keyword {show(keyword)}, at which promptfoo ends in an error"
    if "$ref" in part and not set(part) <= set(_BESIDE_A_REFERENCE):
        yield "has more beside a $ref, which draft 7 ignores and promptfoo does not"
    if "if" in part and "then" not in part and "else" not in part:
        yield "has 'if' without 'then' and 'else', at which promptfoo ends in an error"
    if "if" not in part and ("then" in part or "else" in part):
        yield "has 'then' or 'else' without 'if', at which promptfoo ends in an error"
    if "additionalItems" in part and not isinstance(part.get("items"), list):
        yield "has 'additionalItems' without a list of 'items', at which promptfoo ends in an error"
    yield from _wrong_values(part)
    yield from _wrong_patterns(part)


def _wrong_values(part: dict[str, Any]) -> Iterator[str]:
    if "nullable" in part and ("type" not in part or not isinstance(part["nullable"], bool)):
        yield "has 'nullable' without 'type', at which promptfoo ends in an error"
    members = part.get("enum")
    if isinstance(members, list) and len(set(map(javascript_json, members))) < len(members):
        yield "has an 'enum' that lists a value twice, at which promptfoo ends in an error"
    step = part.get("multipleOf", 1)
    if not isinstance(step, int) and not float(step).is_integer():
        yield f"has the multipleOf {step}, which JavaScript divides by with an error of rounding"
    if part.get("format") is not None and part["format"] not in (*_FORMATS, "uuid"):
        yield f"has the format {show(part['format'])}, which promptfoo judges by another rule"


def _wrong_patterns(part: dict[str, Any]) -> Iterator[str]:
    patterns = [part.get("pattern")]
    members = part.get("patternProperties")
    if isinstance(members, dict):
        patterns.extend(members)
    for pattern in patterns:
        if isinstance(pattern, str):
            try:
                python_pattern(pattern, unicode=True)
            except ValueError as problem:
                yield f"is not for Python: {problem}"
