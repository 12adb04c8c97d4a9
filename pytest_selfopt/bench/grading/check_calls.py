"""Expected calls beside the tools' schemas: whether they are possible, and what a list inside an object means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypeAlias

from pytest_selfopt.bench.call_format import line, show
from pytest_selfopt.bench.grading.argument_values import Schema, has_type, properties_of, type_of
from pytest_selfopt.bench.grading.tool_calls import ExpectedCall, required_of
from pytest_selfopt.suggest import did_you_mean
from pytest_selfopt.trial import Json

_Branches: TypeAlias = tuple[Schema, ...]
"""The schemas of which a value has to satisfy one."""
_ANYTHING: _Branches = ({},)
_ARRAYS = ("array", "tuple")
_OF_ARRAYS = ("items", "prefixItems")
_OF_OBJECTS = ("properties", "additionalProperties")


def check_possible(call: ExpectedCall, schema: Schema) -> None:
    """Reject an expected call that no model could make with a tool of these parameters.

    Raises:
        ValueError: "expect: …", naming the argument.
    """
    names = tuple(properties_of(schema))
    for name, values in call.arguments.items():
        if name not in names:
            hint = did_you_mean(name, names)
            raise ValueError(f"expect: {call.name} has no argument {name!r}{hint}")
        kind = type_of(schema, name)
        if kind is not None:
            _check_values(values, kind, f"{call.name}.{name}")
    for name in required_of(schema):
        if name not in call.arguments:
            raise ValueError(f"expect: {call.name} requires the argument {name!r}, which the expectation does not name")


def _check_values(values: Sequence[Json], kind: str, place: str) -> None:
    for value in values:
        if value != "" and not has_type(value, kind):
            reason = f"is of type {kind} and cannot be {show(value)}"
            raise ValueError(f"expect: {place} {reason}{_list_hint(values, kind)}")


def _list_hint(values: Sequence[Json], kind: str) -> str:
    """Say how a list is written that was meant as a value, not as alternatives."""
    if kind not in ("array", "tuple"):
        return ""
    written = list(values)
    return f"; a list here holds alternatives: write {show([written])} for the value {show(written)}"


def with_lists_read(call: ExpectedCall, parameters: Schema) -> ExpectedCall:
    """Return a call in which every list in an object is a list of alternatives: [["x", "y"]] for the value ["x", "y"].

    A list that fits the schema of its place only as a value is one; one of which only the items fit holds alternatives.
    `parameters` are those of the tool, without references.

    Raises:
        ValueError: "expect: …", naming the place of a list that fits as both, or as neither.
    """
    arguments: dict[str, tuple[Json, ...]] = {}
    try:
        for name, values in call.arguments.items():
            place = f"{call.name}.{name}"
            arguments[name] = _argument(name, values, parameters, place)
    except RecursionError:
        raise ValueError(f"expect: the arguments of {call.name} are nested too deeply") from None
    return ExpectedCall(name=call.name, arguments=arguments)


def _argument(name: str, values: tuple[Json, ...], parameters: Schema, place: str) -> tuple[Json, ...]:
    declared = _member_of((parameters,), name)
    return tuple(_value(value, declared, place) for value in values)


def _value(value: Json, declared: _Branches, place: str) -> Json:
    """Return a value with the lists in its objects read."""
    if isinstance(value, list):
        return _items(value, _items_of(declared), place)
    if not isinstance(value, dict):
        return value
    members: dict[str, Json] = {}
    for name, member in value.items():
        where = f"{place}.{line(name, 40)}"
        members[name] = _member(member, _member_of(declared, name), where)
    return members


def _items(values: list[Json], declared: _Branches, place: str) -> list[Json]:
    read = []
    for index, value in enumerate(values):
        item = _value(value, declared, f"{place}[{index}]")
        read.append(item)
    return read


def _member(member: Json, declared: _Branches, place: str) -> Json:
    if not isinstance(member, list):
        return _value(member, declared, place)
    as_value = _fits(member, declared)
    as_alternatives = _all_fit(member, declared)
    if as_value and as_alternatives:
        raise ValueError(_ambiguous(member, place))
    if as_value:
        return [_value(member, declared, place)]
    if as_alternatives:
        return _items(member, declared, place)
    reason = "neither as a value nor as a list of alternatives"
    raise ValueError(f"expect: {place} cannot be {show(member)}, {reason}")


def _all_fit(values: list[Json], declared: _Branches) -> bool:
    """Whether there are alternatives, each of them allowed or "", which stands for leaving the member out."""
    if not values:
        return False
    return all(value == "" or _fits(value, declared) for value in values)


def _fits(value: Json, declared: _Branches) -> bool:
    """Whether a value is a list exactly where one is allowed; other types but null are not looked at."""
    return any(_fits_branch(value, branch) for branch in declared)


def _fits_branch(value: Json, branch: Schema) -> bool:
    kind = _kind(branch)
    if kind is None:
        return True
    if kind == "null":
        return value is None
    if not isinstance(value, list):
        return kind == "other"
    if kind == "other":
        return False
    items = _items_of((branch,))
    return all(_fits(item, items) for item in value)


def _items_of(declared: _Branches) -> _Branches:
    found: list[Schema] = []
    for branch in declared:
        if _kind(branch) in ("array", None):
            found.extend(_branches(branch.get("items")))
    return tuple(found) or _ANYTHING


def _member_of(declared: _Branches, name: str) -> _Branches:
    found: list[Schema] = []
    for branch in declared:
        if _kind(branch) in ("array", "null"):
            continue
        schema = branch.get("additionalProperties")
        properties = branch.get("properties")
        if isinstance(properties, dict) and name in properties:
            schema = properties[name]
        found.extend(_branches(schema))
    return tuple(found) or _ANYTHING


def _branches(schema: Json) -> list[Schema]:
    """Return the plain schemas that a schema stands for, its unions resolved."""
    if not isinstance(schema, dict):
        return [{}]
    for union in ("anyOf", "oneOf"):
        options = schema.get(union)
        if isinstance(options, list):
            return _union(options)
    parts = schema.get("allOf")
    if isinstance(parts, list) and _kind(schema) is None:
        return _first_declared(parts)
    return _by_type(schema)


def _union(options: list[Json]) -> list[Schema]:
    found = []
    for option in options:
        found.extend(_branches(option))
    return found


def _first_declared(parts: list[Json]) -> list[Schema]:
    """Return the branches of the first part of an `allOf` that tells a type."""
    for part in parts:
        found = _branches(part)
        if None not in map(_kind, found):
            return found
    return [{}]


def _by_type(schema: Schema) -> list[Schema]:
    """Return a schema once for each of the types that it allows."""
    types = schema.get("type")
    if not isinstance(types, list):
        return [schema]
    return [{**schema, "type": kind} for kind in types]


def _kind(branch: Schema) -> Literal["array", "null", "other"] | None:
    """Say whether a plain schema is one of arrays; None if it does not tell."""
    declared = branch.get("type")
    if isinstance(declared, str):
        if declared in _ARRAYS:
            return "array"
        if declared == "null":
            return "null"
        return "other"
    values = branch.get("enum", [])
    if "const" in branch:
        values = [branch["const"]]
    if isinstance(values, list) and values:
        if any(isinstance(value, list) for value in values):
            return None
        return "other"
    if any(name in branch for name in _OF_ARRAYS):
        return "array"
    if any(name in branch for name in _OF_OBJECTS):
        return "other"
    return None


def _ambiguous(value: Json, place: str) -> str:
    told = "may be one value or a list of alternatives, and the tool's schema does not tell which"
    declare = "declare the type there (of items too)"
    write = f"write {show([value])} for the value, {show(value)} for alternatives"
    return f'expect: {place}: {show(value)} {told}; {declare}, or set "as_given": true and {write}'
