"""How a tool is told to a model in words: its name, its arguments with their types, and its description."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence

from pytest_selfopt.bench.grading.argument_values import properties_of
from pytest_selfopt.bench.grading.tool_calls import required_of
from pytest_selfopt.bench.references import Place, followed, label_of, open_schema, reachable
from pytest_selfopt.bench.tools import Tool
from pytest_selfopt.trial import Json

_ANY = "any"
_WHOLE = "these arguments"
"""The name of a tool's arguments, where one of them has their form again."""


def signature(tool: Tool) -> str:
    """Describe a tool on one line, as in `- get_weather(city: string, unit?: "celsius" | "fahrenheit"): …`.

    Objects show their members, `at: {lat: number, lon: number}`, lists their items, `tags: list of string`. A
    definition that is used again, such as a recursive one, is shown once and then named.
    """
    root = followed(open_schema(tool.parameters))
    arguments = _Types(root).fields(root)
    return f"- {tool.name}({', '.join(arguments)}): {tool.description}"


class _Types:
    """The types in one tool's parameters, in words; remembers what it has shown already."""

    def __init__(self, root: Place) -> None:
        self._uses: Counter[int] = Counter()
        for place in reachable(root):
            if place.refers():
                self._uses[id(place.target().schema)] += 1
        self._names: dict[int, str] = {id(root.schema): _WHOLE}
        """The names of the definitions that were shown, by identity."""

    def fields(self, place: Place) -> list[str]:
        """Return each member of an object with its type; optional ones have a question mark."""
        schema = place.schema
        if not isinstance(schema, dict):
            return []
        required = required_of(schema)
        fields: list[str] = []
        for name, part in properties_of(schema).items():
            shown = name
            if name not in required:
                shown = f"{name}?"
            fields.append(f"{shown}: {self._type(place.inside(part))}")
        further = schema.get("additionalProperties")
        if isinstance(further, dict) and further:
            fields.append(f"any name: {self._type(place.inside(further))}")
        return fields

    def _type(self, place: Place) -> str:
        return " | ".join(self._choices(place))

    def _grouped(self, place: Place) -> str:
        choices = self._choices(place)
        if len(choices) == 1:
            return choices[0]
        return f"({' | '.join(choices)})"

    def _choices(self, place: Place) -> Sequence[str]:
        """Return the alternatives of a type."""
        schema = place.schema
        if not isinstance(schema, dict):
            return [_ANY]
        if isinstance(schema.get("enum"), list):
            return list(map(_literal, schema["enum"]))
        if "const" in schema:
            return [_literal(schema["const"])]
        if place.refers():
            return self._referred(place)
        kinds = schema.get("type")
        if isinstance(kinds, list):
            return _distinct([self._kind(place, str(kind)) for kind in kinds])
        if kinds is None:
            return self._untyped(place)
        return self._kind(place, str(kinds))

    def _kind(self, place: Place, kind: str) -> Sequence[str]:
        shape: Sequence[str] = []
        if kind == "object":
            shape = self._object(place) or self._composed(place)
        elif kind == "array":
            shape = self._list(place)
        return shape or [kind]

    def _untyped(self, place: Place) -> Sequence[str]:
        return self._object(place) or self._list(place) or self._composed(place) or [_ANY]

    def _object(self, place: Place) -> Sequence[str]:
        fields = self.fields(place)
        if not fields:
            return []
        return [f"{{{', '.join(fields)}}}"]

    def _list(self, place: Place) -> Sequence[str]:
        items = place.schema.get("items")
        places = place.schema.get("prefixItems", items)
        if isinstance(places, list):
            kinds = [self._type(place.inside(part)) for part in places]
            return [f"[{', '.join(kinds)}]"]
        if not isinstance(items, dict) or not items:
            return []
        return [f"list of {self._grouped(place.inside(items))}"]

    def _composed(self, place: Place) -> Sequence[str]:
        for keyword in ("anyOf", "oneOf"):
            parts = place.schema.get(keyword)
            if isinstance(parts, list):
                return _distinct([self._choices(place.inside(part)) for part in parts])
        parts = place.schema.get("allOf")
        if not isinstance(parts, list) or not parts:
            return []
        if len(parts) == 1:
            return self._choices(place.inside(parts[0]))
        return [" & ".join(self._grouped(place.inside(part)) for part in parts)]

    def _referred(self, place: Place) -> Sequence[str]:
        """Return what a reference leads to, under a name if something else leads there, too."""
        target = place.target()
        known = self._names.get(id(target.schema))
        if known is not None:
            return [known]
        if self._uses[id(target.schema)] < 2 or not target.parts():
            return self._choices(target)
        name = self._free_name(label_of(place.schema["$ref"]))
        self._names[id(target.schema)] = name
        return [f"{name} {self._grouped(target)}"]

    def _free_name(self, label: str) -> str:
        taken = self._names.values()
        name, number = label, 1
        while name in taken:
            number += 1
            name = f"{label}_{number}"
        return name


def _literal(value: Json) -> str:
    return json.dumps(value, ensure_ascii=False)


def _distinct(choices: Iterable[Sequence[str]]) -> Sequence[str]:
    """Return all alternatives, each once."""
    found: dict[str, None] = {}
    for alternatives in choices:
        found.update(dict.fromkeys(alternatives))
    return list(found)
