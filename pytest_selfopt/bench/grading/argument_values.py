"""When the value of an argument counts as one of the expected ones."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_selfopt.bench.call_format import line, show
from pytest_selfopt.bench.grading import bfcl_letter
from pytest_selfopt.bench.grading.alternatives import members_of, show_alternatives, show_apart
from pytest_selfopt.bench.grading.folding import fold
from pytest_selfopt.bench.grading.numbers import within
from pytest_selfopt.trial import Json

Schema = Mapping[str, Json]

_TYPES: dict[str, tuple[type, ...]] = {
    "integer": (int,),
    "number": (int, float),
    "float": (int, float),
    "string": (str,),
    "boolean": (bool,),
    "array": (list, tuple),
    "tuple": (list, tuple),
    "object": (dict,),
    "dict": (dict,),
    "null": (type(None),),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How values of arguments are compared.

    A number may differ by `tolerance` from the expected one; `strict` texts are equal only character by character.
    `as_bfcl` follows BFCL's checker to the letter instead.
    """

    tolerance: float = 0
    strict: bool = False
    as_bfcl: bool = False

    def to_json(self) -> dict[str, Json]:
        """Return what differs from the usual rules, as it stands next to the calls in suite files."""
        value: dict[str, Json] = {}
        if self.tolerance:
            value["tolerance"] = self.tolerance
        if self.strict:
            value["strict"] = True
        if self.as_bfcl:
            value["as_bfcl"] = True
        return value


USUAL = Comparison()


def properties_of(schema: Schema) -> dict[str, Json]:
    """The schemas of a tool's arguments, or of an object's members, by name."""
    return schema_of(schema.get("properties"))


def type_of(schema: Schema, argument: str) -> str | None:
    """The declared type of an argument, or None when nothing or a union is declared."""
    return _type(schema_of(properties_of(schema).get(argument)))


def has_type(value: Json, kind: str) -> bool:
    """Whether a value has a JSON Schema type; a bool is not a number, 3.0 not an integer."""
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])


def difference(
    got: Json,
    values: Sequence[Json],
    schema: Schema,
    comparison: Comparison,
    place: str,
) -> str:
    """Say where and how a value differs that is none of the alternatives."""
    kind = _type(schema)
    if kind is not None and not has_type(got, kind):
        return f"{place} should be of type {kind}, got {show(got)}"
    given = [value for value in values if value != ""]
    if comparison.as_bfcl:
        wanted, shown = show_apart(given, got)
        return f"{place}: BFCL's checker expects {wanted}, got {shown}"
    if len(given) == 1 and isinstance(got, dict) and isinstance(given[0], dict):
        return _member_difference(got, given[0], schema, comparison, place)
    wanted, shown = show_apart(given, got)
    return f"{place}: expected {wanted}, got {shown}"


def _member_difference(
    got: Mapping[str, Json],
    wanted: Mapping[str, Json],
    schema: Schema,
    comparison: Comparison,
    place: str,
) -> str:
    """Say which member of an object is the first to differ."""
    alternatives = members_of(wanted)
    for name, values in alternatives.items():
        if name not in got and "" not in values:
            return f"{place}.{line(name, 60)} is missing, expected {show_alternatives(values)}"
    members = properties_of(schema)
    for name, value in got.items():
        where = f"{place}.{line(name, 60)}"
        if name not in alternatives:
            return f"{where}={show(value)} was not expected"
        member = schema_of(members.get(name))
        if not is_among(value, alternatives[name], member, comparison):
            return difference(value, alternatives[name], member, comparison, where)
    return ""


def is_among(got: Json, alternatives: Sequence[Json], schema: Schema, comparison: Comparison) -> bool:
    """Whether a value is one of the alternatives; "" is a value only where a string is allowed."""
    if comparison.as_bfcl:
        return bfcl_letter.is_accepted(got, alternatives, schema)
    blank_counts = _type(schema) in (None, "string")
    for alternative in alternatives:
        if alternative == "" and not blank_counts:
            continue
        if _same(got, alternative, schema, comparison):
            return True
    return False


def _same(got: Json, wanted: Json, schema: Schema, comparison: Comparison) -> bool:
    kind = _type(schema)
    # Like BFCL, accept the alternative's own type even if another is declared: suites contain variables.
    if kind is not None and not has_type(got, kind) and type(got) is not type(wanted):
        return False
    if isinstance(got, bool) or isinstance(wanted, bool):
        return got is wanted
    if isinstance(got, str) and isinstance(wanted, str):
        return _same_text(got, wanted, comparison)
    if isinstance(got, list) and isinstance(wanted, list):
        items = schema_of(schema.get("items"))
        return _same_items(got, wanted, items, comparison)
    if isinstance(got, dict) and isinstance(wanted, dict):
        return _sameschema_of(got, wanted, schema, comparison)
    if isinstance(got, int | float) and isinstance(wanted, int | float):
        return got == wanted or within(got, wanted, comparison.tolerance)
    return got is None and wanted is None


def _same_text(got: str, wanted: str, comparison: Comparison) -> bool:
    if comparison.strict:
        return got == wanted
    return bfcl_letter.standardized(fold(got)) == bfcl_letter.standardized(fold(wanted))


def _same_items(got: Sequence[Json], wanted: Sequence[Json], schema: Schema, comparison: Comparison) -> bool:
    if len(got) != len(wanted):
        return False
    schemas, comparisons = itertools.repeat(schema), itertools.repeat(comparison)
    return all(map(_same, got, wanted, schemas, comparisons))


def _sameschema_of(
    got: Mapping[str, Json],
    wanted: Mapping[str, Json],
    schema: Schema,
    comparison: Comparison,
) -> bool:
    alternatives = members_of(wanted)
    for name, values in alternatives.items():
        if name not in got and "" not in values:
            return False
    members = properties_of(schema)
    for name, value in got.items():
        if name not in alternatives:
            return False
        member = schema_of(members.get(name))
        if not is_among(value, alternatives[name], member, comparison):
            return False
    return True


def schema_of(value: Json) -> dict[str, Json]:
    """Return a value that is an object; else an empty object, which as a schema allows everything."""
    if isinstance(value, dict):
        return value
    return {}


def _type(schema: Schema) -> str | None:
    kind = schema.get("type")
    if isinstance(kind, str) and kind in _TYPES:
        return kind
    return None
