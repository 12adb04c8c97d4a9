r"""What llama.cpp's server makes of a JSON Schema: a grammar that leaves out much of it, and that some schemas break.

Measured with xllamacpp 2026.10.11549, on /v1/chat/completions (see docs/how-to/models.md and
tests/models/test_llama_grammar.py). What is left out binds no answer, so that only the grader judges it; what breaks
the grammar is refused with status 400, for every call.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_selfopt.bench.call_format import line, show
from pytest_selfopt.bench.references import BY_NAME, Place
from pytest_selfopt.bench.tools import Tool
from pytest_selfopt.specs.answer_schema import answer_schema
from pytest_selfopt.trial import Json

MOST_REPEATED = 2000
"""The most repetitions that a grammar may demand; more that it only allows are any number to it."""
_LARGEST = 2**63 - 1
_LEFT_OUT = (
    *("multipleOf", "uniqueItems", "contains", "minContains", "maxContains"),
    *("minProperties", "maxProperties", "patternProperties", "propertyNames"),
    *("dependentRequired", "dependentSchemas", "dependencies", "if", "not", "unevaluatedItems"),
)
_UNREAD = frozenset({*BY_NAME, *_LEFT_OUT, "then", "else"})
"""Keywords whose schemas come to nothing in the grammar, or are read by name."""
_FORMATS_LEFT_OUT = frozenset(
    {"duration", "email", "hostname", "ipv4", "ipv6", "uri", "uri-reference"}
    | {"json-pointer", "relative-json-pointer", "regex"}
)
_FORMATS = frozenset({"date", "time", "date-time", "uuid"})
_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_LENGTHS = ("minLength", "maxLength")
_COUNTS = (*_LENGTHS, "minItems", "maxItems")
_OF_OBJECTS = ("properties", "required", "additionalProperties")
_CONSTRAINING = frozenset({*_LEFT_OUT, *_BOUNDS, *_COUNTS, *_OF_OBJECTS, "pattern", "format", "enum", "const", "items"})

_CODE = r"\\x[0-9a-fA-F]{2}|\\u[0-9a-fA-F]{4}"
_ATOM = (
    rf"(?:{_CODE}|\\[nrt.^$|?*+(){{}}\[\]\\\"-]"
    rf"|\[\^?(?:[^\\\]]|{_CODE}|\\[nrt\[\]\\\"-])+\]"
    r"|\((?:\?:|(?!\?))|\)|\||[^\\\[\](){}|^$*+?])"
)
_REPEATED = r"(?:[*+?]|\{\d*(?:,\d*)?\})"
_ENFORCED = re.compile(rf"\^(?:{_ATOM}{_REPEATED}*)*\$")
"""The patterns of which the converter makes a rule; of others it makes any text."""
_BREAKING = re.compile(r"[^\x00-\x7f][*+?{]|[*+][*+]")
_DEMANDED = re.compile(r"\{(\d+)(,?)(\d*)\}")


@dataclass(frozen=True, slots=True)
class GrammarGap:
    """A part of a tool's parameters that the server leaves out, or for which it refuses every call."""

    place: str
    sentence: str
    refused: bool = False

    def __str__(self) -> str:
        return f"{self.place}: {self.sentence}"


def grammar_gaps(tool: Tool) -> tuple[GrammarGap, ...]:
    """Return what the server does not enforce of a tool's parameters, as an answer schema has them, in their order."""
    schema: Any = answer_schema((tool,))
    arguments = schema["anyOf"][1]["properties"]["arguments"]
    found = dict.fromkeys(_gaps(arguments, tool.name))
    for name, definition in schema.get("$defs", {}).items():
        found |= dict.fromkeys(_gaps(definition, f"{tool.name}, $defs.{name}"))
    return tuple(found)


def _gaps(schema: Json, place: str) -> Iterator[GrammarGap]:
    if not isinstance(schema, dict):
        return
    for sentence in _refusals(schema):
        yield GrammarGap(place, sentence, refused=True)
    left_out = list(dict.fromkeys(_left_out(schema)))
    if left_out:
        yield GrammarGap(place, ", ".join(left_out))
    for name, part in _parts(schema):
        yield from _gaps(part, f"{place}{name}")


def _parts(schema: Mapping[str, Any]) -> Iterator[tuple[str, Json]]:
    """Yield the schemas inside a schema that the grammar has, with the ends of their places."""
    for name, part in schema.get("properties", {}).items():
        yield f".{line(name, 40)}", part
    read = {keyword: value for keyword, value in schema.items() if keyword not in _UNREAD}
    for part in Place(read).parts():
        yield "", part.schema


def _refusals(schema: Mapping[str, Any]) -> Iterator[str]:
    yield from _refused_counts(schema)
    for least, most in (("minLength", "maxLength"), ("minItems", "maxItems")):
        if least in schema and most in schema and schema[least] > schema[most]:
            yield f"{least} {schema[least]:,} is more than {most} {schema[most]:,}"
    for keyword in _BOUNDS:
        if schema.get("type") == "integer" and abs(schema.get(keyword, 0)) > _LARGEST:
            yield f"{keyword} {show(schema[keyword])} is no integer of 64 bits"
    if _breaks(schema.get("pattern", "")):
        yield f"pattern {show(schema['pattern'])} makes a grammar that it cannot read"


def _refused_counts(schema: Mapping[str, Any]) -> Iterator[str]:
    for keyword in _COUNTS:
        value = schema.get(keyword)
        if isinstance(value, float):
            yield f"{keyword} {value} has to be written as an integer"
    for keyword, bound in (("minLength", MOST_REPEATED), ("minItems", MOST_REPEATED + 1)):
        if schema.get(keyword, 0) > bound:
            yield f"{keyword} {schema[keyword]:,} is more than {bound:,}"
    # The items of a list that may be empty are a group of a grammar, whose rules are counted with those before them.
    if not schema.get("minItems") and MOST_REPEATED - 1 <= schema.get("maxItems", 0) <= MOST_REPEATED + 1:
        yield f"maxItems {schema['maxItems']:,} is too much for its grammar; up to {MOST_REPEATED - 2:,} are not"


def _breaks(pattern: str) -> bool:
    if not pattern.startswith("^") or not pattern.endswith("$"):
        return False
    if re.search(r"(?<!\\)(?:\\\\)*\\\$\Z", pattern):
        return True
    if _ENFORCED.fullmatch(pattern) is None:
        return False
    demanded = [int(least) for least, _, _ in _DEMANDED.findall(pattern)]
    return max(demanded, default=0) > MOST_REPEATED or _BREAKING.search(pattern) is not None


def _left_out(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the keywords of a schema that bind no answer."""
    for chosen in ("$ref", "anyOf", "oneOf"):
        if chosen in schema:
            yield from (f"{keyword} beside {chosen}" for keyword in schema if keyword in _CONSTRAINING)
            return
    yield from (keyword for keyword in _LEFT_OUT if keyword in schema)
    if schema.get("unevaluatedProperties", True) is not True and "additionalProperties" not in schema:
        yield "unevaluatedProperties"
    yield from _left_out_of_all(schema)
    yield from _left_out_of_numbers(schema)
    yield from _left_out_of_texts(schema)
    if "prefixItems" in schema and "items" in schema:
        yield "prefixItems beside items"
    if schema.get("maxItems", 0) > MOST_REPEATED + 1:
        yield f"maxItems {schema['maxItems']:,}"


def _left_out_of_all(schema: Mapping[str, Any]) -> Iterator[str]:
    if "allOf" not in schema:
        return
    if "properties" in schema:
        yield "allOf beside properties"
    elif not any(_is_read(part) for part in schema["allOf"]):
        yield "allOf of what are no objects, in whose place it takes only {}"


def _is_read(part: Json) -> bool:
    """Whether the grammar has a part of an `allOf`: members of objects, lists of values, and what it refers to."""
    return isinstance(part, dict) and any(name in part for name in ("properties", "enum", "const", "$ref", "anyOf"))


def _left_out_of_numbers(schema: Mapping[str, Any]) -> Iterator[str]:
    kinds = schema.get("type", "number")
    if kinds == "integer" or (isinstance(kinds, list) and "number" not in kinds):
        return
    yield from (f"{keyword} of a number" for keyword in _BOUNDS if keyword in schema)


def _left_out_of_texts(schema: Mapping[str, Any]) -> Iterator[str]:
    written = schema.get("format")
    if written in _FORMATS_LEFT_OUT:
        yield f"format {written}"
    pattern = schema.get("pattern")
    decided = ""
    if pattern is not None:
        decided = "pattern"
        if not _ENFORCED.fullmatch(pattern) or _allows_more(pattern):
            yield f"pattern {show(pattern)}"
    elif written in _FORMATS:
        decided = "format"
    if decided:
        yield from (f"{keyword} beside {decided}" for keyword in _LENGTHS if keyword in schema)
    elif schema.get("maxLength", 0) > MOST_REPEATED:
        yield f"maxLength {schema['maxLength']:,}"


def _allows_more(pattern: str) -> bool:
    """Whether a pattern bounds repetitions by more than a grammar counts."""
    return any(int(most or 0) > MOST_REPEATED for _, _, most in _DEMANDED.findall(pattern))
