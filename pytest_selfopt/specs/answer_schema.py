"""The JSON Schema of an answer in text: a plain reply, or one call of one of the tools.

The parameters of each tool stand deep inside it, so that what they define moves to its root, under names that differ
between tools, and every reference is rewritten. Names are plain: llama.cpp reads pointers without their escapes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pytest_selfopt.bench.references import (
    DEFINITIONS,
    Place,
    followed,
    has_reference,
    is_of_schemas,
    label_of,
    open_schema,
    with_parts,
)
from pytest_selfopt.bench.tools import Tool
from pytest_selfopt.trial import Json

MAX_REPLY_CHARACTERS = 120
"""Length limit of a constrained plain reply, so that a sentence fits into the default token limit."""

DEFS = "$defs"

_LEFT_OUT = frozenset({*DEFINITIONS, "$id", "$anchor", "$dynamicAnchor", "$schema", "discriminator"})
"""What has no meaning away from its place; a discriminator, which constrains nothing, holds pointers."""
_KEPT = ("$ref", "const", "enum")
_BOOLEAN = frozenset({"additionalProperties", "unevaluatedProperties", "additionalItems", "unevaluatedItems"})
"""Keywords whose schema may be true or false everywhere; llama.cpp refuses that of others."""
_BESIDE = frozenset({"title", "description", "default", "examples", "deprecated", "readOnly", "writeOnly", "$comment"})
"""Keywords that constrain nothing."""
_OPEN = ("additionalProperties", "unevaluatedProperties")
_COMPOSING = ("$ref", "allOf", "anyOf", "oneOf", "if", "then", "else", "dependentSchemas", "dependencies")
_MEMBERS = ("properties", "patternProperties", "additionalProperties", "$ref")


def answer_schema(tools: Sequence[Tool]) -> dict[str, Json]:
    """Return the JSON Schema of one answer: a plain reply, or one call of one of `tools`.

    The arguments of a tool are closed, unless its own schema says which further ones it takes.

    Raises:
        ValueError: if a reference of a tool's schema leads nowhere; suites with such tools do not load.
    """
    text: Json = {"type": "string", "maxLength": MAX_REPLY_CHARACTERS}
    forms: list[Json] = [_closed({"reply": text})]
    definitions: dict[str, Json] = {}
    for tool in tools:
        arguments = _Moved(tool, definitions).arguments()
        forms.append(_closed({"tool": {"const": tool.name}, "arguments": arguments}))
    schema: dict[str, Json] = {"anyOf": forms}
    if definitions:
        schema[DEFS] = definitions
    return schema


def _closed(properties: dict[str, Json]) -> dict[str, Json]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


class _Moved:
    """The parameters of one tool, moved into an answer schema; what they refer to goes to `definitions`."""

    def __init__(self, tool: Tool, definitions: dict[str, Json]) -> None:
        self._tool = tool
        self._definitions = definitions
        self._names: dict[int, str] = {}
        """The names of definitions, by the identity of the schema that they were made of."""

    def arguments(self) -> dict[str, Json]:
        """Return the schema of the tool's arguments."""
        root = open_schema(self._tool.parameters)
        # A bare reference would leave nothing to close.
        while root.refers() and _BESIDE.issuperset(root.schema.keys() - _LEFT_OUT - {"$ref"}):
            root = root.target()
        moved = self._moved(root)
        if not isinstance(moved, dict):
            return {}
        if not _says_more(root):
            moved["additionalProperties"] = False
        if not any(keyword in moved for keyword in _COMPOSING):
            # Without it a text would do as well, because only objects have properties.
            moved.setdefault("type", "object")
        return moved

    def _moved(self, place: Place) -> Json:
        if place.schema is True:
            return {}
        if place.schema is False:
            return {"not": {}}
        kept = {name: part for name, part in place.schema.items() if _means(name, part)}
        moved = with_parts(kept, lambda part: self._moved(place.inside(part)))
        for keyword in _BOOLEAN:
            if isinstance(kept.get(keyword), bool):
                moved[keyword] = kept[keyword]
        if place.refers():
            moved["$ref"] = f"#/{DEFS}/{self._defined(place)}"
        return moved

    def _defined(self, place: Place) -> str:
        """Return the name of the definition that a reference leads to, a new one if there is none yet."""
        target = place.target()
        known = self._names.get(id(target.schema))
        if known is not None:
            return known
        name = self._free_name(label_of(place.schema["$ref"]))
        self._definitions[name] = {}
        if isinstance(target.schema, dict):
            # Booleans share their identity, and may come from anywhere.
            self._names[id(target.schema)] = name
        self._definitions[name] = self._moved(target)
        return name

    def _free_name(self, label: str) -> str:
        name = base = "_".join(filter(None, [self._tool.name.replace(".", "_"), label]))
        number = 1
        while name in self._definitions:
            number += 1
            name = f"{base}_{number}"
        return name


def _means(keyword: str, part: Json) -> bool:
    """Whether a keyword has a meaning in an answer schema; what else seems to hold a reference may confuse servers."""
    if keyword in _LEFT_OUT:
        return False
    if keyword in _KEPT or is_of_schemas(keyword):
        return True
    return not has_reference(part)


def _says_more(root: Place) -> bool:
    """Whether a schema says itself which arguments it takes beside its properties, or leaves that to its parts."""
    schema = root.schema
    if any(keyword in schema for keyword in _OPEN):
        return True
    composing = {keyword: schema[keyword] for keyword in _COMPOSING if keyword in schema}
    if "$ref" in composing:
        return True
    return any(map(_has_members, replace(root, schema=composing).parts()))


def _has_members(part: Place) -> bool:
    """Whether a schema, or one that applies to the same value, names members."""
    schema: Any = followed(part).schema
    if not isinstance(schema, dict):
        return False
    if any(keyword in schema for keyword in _MEMBERS):
        return True
    composing = {keyword: schema[keyword] for keyword in _COMPOSING if keyword in schema}
    return any(map(_has_members, replace(part, schema=composing).parts()))
