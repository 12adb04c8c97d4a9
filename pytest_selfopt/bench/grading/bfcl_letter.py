"""BFCL's checker to the letter: what it does with values where our own rules are more even.

It compares as Python does, so that 1, 1.0 and true are equal wherever no type is asked for. Types are asked for in
arguments and in the items of a list, not in the members of an object, and not in a list that may be left out, which may
be empty as well. Only an argument itself may be an int where a float is declared. Texts are standardized in arguments,
items and members, not in lists inside these.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pytest_selfopt.bench.grading.alternatives import members_of
from pytest_selfopt.trial import Json

_IGNORED = re.compile(r"[ ,./\-_*^]")
_DECLARED: dict[Json, type] = {
    "integer": int,
    "number": float,
    "boolean": bool,
    "array": list,
    "object": dict,
}


def standardized(text: str) -> str:
    """Return a text in the form in which the checker compares texts."""
    return _IGNORED.sub("", text).lower().replace("'", '"')


def is_accepted(got: Json, values: Sequence[Json], schema: Mapping[str, Json]) -> bool:
    """Whether the checker accepts a value of an argument, of which `schema` tells the type."""
    declared = _declared(schema)
    if declared is float and type(got) is int:
        got = _as_float(got)
    kind, expected = type(got), _first_type(values)
    if kind is not declared or expected not in (None, declared):
        # What stands among the values decides, because it may be the name of a variable.
        return kind in (declared, expected) and got in values
    if isinstance(got, list):
        return _is_list_accepted(got, values, schema.get("items"))
    if isinstance(got, dict):
        return any(_is_object_accepted(got, value) for value in values)
    if isinstance(got, str):
        return standardized(got) in map(_standardized, values)
    return got in values


def _declared(schema: Mapping[str, Json]) -> type:
    """Return the type that a schema declares; none where BFCL has "any", which the checker takes as text."""
    return _DECLARED.get(str(schema.get("type")), str)


def _as_float(number: int) -> Json:
    try:
        return float(number)
    except OverflowError:
        return number


def _first_type(values: Sequence[Json]) -> type | None:
    for value in values:
        if value != "":
            return type(value)
    return None


def _is_list_accepted(got: list[Json], values: Sequence[Json], items: Json) -> bool:
    if not isinstance(items, dict):
        return _is_list_among(got, values)
    declared = _declared(items)
    if not _have_items_type(got, values, declared):
        return False
    if declared is dict:
        return any(_are_objects_accepted(got, value) for value in values)
    return _is_list_among(got, values)


def _have_items_type(got: list[Json], values: Sequence[Json], declared: type) -> bool:
    """Whether all items are of the declared type, or of that of one list's first item; anything else allows all."""
    for value in values:
        if not isinstance(value, list):
            return True
        kinds = (declared, _first_type(value))
        if all(type(item) in kinds for item in got):
            return True
    return False


def _is_list_among(got: list[Json], values: Sequence[Json]) -> bool:
    # Of "", for a list that may be left out, the empty list remains.
    lists = [list(map(_standardized, value)) for value in values if isinstance(value, list | str)]
    return list(map(_standardized, got)) in lists


def _are_objects_accepted(got: list[Json], value: Json) -> bool:
    if value == "":
        return not got
    return isinstance(value, list) and len(value) == len(got) and all(map(_is_object_accepted, got, value))


def _is_object_accepted(got: Json, value: Json) -> bool:
    if not isinstance(got, dict) or not isinstance(value, dict):
        return False
    alternatives = members_of(value)
    for name, values in alternatives.items():
        if name not in got and "" not in values:
            return False
    for name, member in got.items():
        if name not in alternatives:
            return False
        if _standardized(member) not in map(_standardized, alternatives[name]):
            return False
    return True


def _standardized(value: Json) -> Json:
    if isinstance(value, str):
        return standardized(value)
    return value
