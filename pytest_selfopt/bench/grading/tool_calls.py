"""When a tool call counts as the expected one: the rules of BFCL's checker (Berkeley Function-Calling Leaderboard).

The function's name must match (dots read as underscores). Every required argument must be present and none unknown. A
value must be one of the listed alternatives; "" among them means that the argument may be left out. An int is accepted
where a float is expected, but not the reverse. Strings are compared folded, lower-cased, without spaces and
`,./-_*^`, and with one kind of quote. Lists are compared item by item. In an expected object a list is again a list of
alternatives, so that a list value is written [[...]], just as among the arguments (see `read_lists`).

A `Comparison` widens this for numbers, and narrows it for texts.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_selfopt.bench.call_format import line, show, show_call, show_calls
from pytest_selfopt.bench.grading.alternatives import (
    first_value,
    members_of,
    show_alternatives,
    show_apart,
)
from pytest_selfopt.bench.grading.folding import fold
from pytest_selfopt.bench.grading.numbers import within
from pytest_selfopt.trial import Json, ToolCall

Schema = Mapping[str, Json]

_IGNORED = re.compile(r"[ ,./\-_*^]")

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
class ExpectedCall:
    """A call the model must make, with the accepted values of each argument."""

    name: str
    arguments: Mapping[str, tuple[Json, ...]]

    def to_json(self) -> dict[str, Json]:
        """Return the name, and for each argument the list of alternatives."""
        arguments: dict[str, Json] = {}
        for name, values in self.arguments.items():
            arguments[name] = list(values)
        return {"name": self.name, "arguments": arguments}


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """How values of arguments are compared.

    A number may differ by `tolerance` from the expected one; `strict` texts are equal only character by character.
    """

    tolerance: float = 0
    strict: bool = False

    def to_json(self) -> dict[str, Json]:
        """Return what differs from BFCL's rules, as it stands next to the calls in suite files."""
        value: dict[str, Json] = {}
        if self.tolerance:
            value["tolerance"] = self.tolerance
        if self.strict:
            value["strict"] = True
        return value


AS_BFCL = Comparison()


def mismatch(
    expected: ExpectedCall,
    call: ToolCall,
    parameters: Schema | None,
    comparison: Comparison = AS_BFCL,
) -> str:
    """Say why a call is not the expected one; empty if it is.

    `parameters` is the tool's JSON Schema, if known; it lists the arguments, their types, and which are required.
    """
    if _name(call.name) != _name(expected.name):
        return f"expected {show_expected(expected)}, got {show_call(call)}"
    schema = parameters or {}
    return (
        _missing(expected, call, schema)
        or _unknown(expected, call, schema)
        or _first_wrong(expected, call, schema, comparison)
    )


def unmatched(
    expected: Sequence[ExpectedCall],
    calls: Sequence[ToolCall],
    schemas: Mapping[str, Schema],
    comparison: Comparison = AS_BFCL,
) -> str:
    """Say why several calls, in any order, are not the expected ones; empty if they are."""
    if len(calls) != len(expected):
        wanted = ", ".join(map(show_expected, expected))
        got = show_calls(calls) or "none"
        return f"expected {_count(len(expected))}: {wanted}; got {_count(len(calls))}: {got}"
    reasons = [_mismatches(candidate, calls, schemas, comparison) for candidate in expected]
    if len(expected) == 1:
        return reasons[0][0]
    if _assignable(reasons):
        return ""
    for candidate, row in zip(expected, reasons, strict=True):
        if all(row):
            return _nearest_reason(candidate, calls, row)
    return "two of the calls match the same expected one"


def misplaced(
    expected: Sequence[ExpectedCall],
    calls: Sequence[ToolCall],
    schemas: Mapping[str, Schema],
    comparison: Comparison = AS_BFCL,
) -> str:
    """Say which of as many calls as expected is not the expected one at its place; empty if all are."""
    for place, (wanted, call) in enumerate(zip(expected, calls, strict=True), start=1):
        reason = mismatch(wanted, call, schemas.get(_name(wanted.name)), comparison)
        if reason:
            return f"call {place} of {len(calls)} is out of order: {reason}"
    return ""


def _mismatches(
    expected: ExpectedCall,
    calls: Sequence[ToolCall],
    schemas: Mapping[str, Schema],
    comparison: Comparison,
) -> list[str]:
    """Return for each call the reason why it is not the expected one; empty if it is."""
    schema = schemas.get(_name(expected.name))
    return [mismatch(expected, call, schema, comparison) for call in calls]


def _nearest_reason(expected: ExpectedCall, calls: Sequence[ToolCall], reasons: Sequence[str]) -> str:
    """Return the reason of the first call of the expected tool, or say that no call is of it."""
    name = _name(expected.name)
    for reason, call in zip(reasons, calls, strict=True):
        if _name(call.name) == name:
            return reason
    return f"expected {show_expected(expected)} among the calls, but it is missing"


def schemas_by_name(tools: Sequence[tuple[str, Schema]]) -> dict[str, Schema]:
    """Map the names by which calls are matched to parameter schemas."""
    return {_name(name): parameters for name, parameters in tools}


def required_of(schema: Schema) -> tuple[str, ...]:
    """The names of a tool's required arguments."""
    required = schema.get("required")
    if not isinstance(required, list):
        return ()
    return tuple(name for name in required if isinstance(name, str))


def properties_of(schema: Schema) -> dict[str, Json]:
    """The schemas of a tool's arguments, or of an object's members, by name."""
    return _object(schema.get("properties"))


def type_of(schema: Schema, argument: str) -> str | None:
    """The declared type of an argument, or None when nothing or a union is declared."""
    return _type(_object(properties_of(schema).get(argument)))


def has_type(value: Json, kind: str) -> bool:
    """Whether a value has a JSON Schema type; a bool is not a number, 3.0 not an integer."""
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])


def right_call(expected: ExpectedCall) -> ToolCall:
    """Return a call that is as expected: the first alternative of each mandatory argument."""
    given: dict[str, Json] = {}
    for name, values in expected.arguments.items():
        if values and "" not in values:
            given[name] = first_value(values[0])
    return ToolCall(name=expected.name, arguments=given)


def show_expected(expected: ExpectedCall) -> str:
    """Format an expected call with the first alternative of each mandatory argument."""
    return show_call(right_call(expected))


def _missing(expected: ExpectedCall, call: ToolCall, schema: Schema) -> str:
    for name in _needed(expected, schema):
        if name in call.arguments:
            continue
        wanted = "a value"
        if name in expected.arguments:
            wanted = show_alternatives(expected.arguments[name])
        return f"{expected.name}: argument {name} is missing, expected {wanted}"
    return ""


def _needed(expected: ExpectedCall, schema: Schema) -> list[str]:
    """Return the mandatory arguments: in the order of the expectation, then in that of the schema."""
    required = dict.fromkeys(required_of(schema))
    needed: dict[str, None] = {}
    for name, values in expected.arguments.items():
        if name in required or "" not in values:
            needed[name] = None
    return list(needed | required)


def _unknown(expected: ExpectedCall, call: ToolCall, schema: Schema) -> str:
    known = properties_of(schema) or expected.arguments
    for name, value in call.arguments.items():
        if name not in expected.arguments or name not in known:
            return f"{expected.name}: argument {line(name, 60)}={show(value)} was not expected"
    return ""


def _first_wrong(expected: ExpectedCall, call: ToolCall, schema: Schema, comparison: Comparison) -> str:
    members = properties_of(schema)
    for name, value in call.arguments.items():
        values = expected.arguments[name]
        part = _object(members.get(name))
        if not _among(value, values, part, comparison):
            place = f"{expected.name}: argument {name}"
            return _difference(value, values, part, comparison, place)
    return ""


def _difference(
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
        member = _object(members.get(name))
        if not _among(value, alternatives[name], member, comparison):
            return _difference(value, alternatives[name], member, comparison, where)
    return ""


def _among(got: Json, alternatives: Sequence[Json], schema: Schema, comparison: Comparison) -> bool:
    """Whether a value is one of the alternatives; "" is a value only where a string is allowed."""
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
        items = _object(schema.get("items"))
        return _same_items(got, wanted, items, comparison)
    if isinstance(got, dict) and isinstance(wanted, dict):
        return _same_object(got, wanted, schema, comparison)
    if isinstance(got, int | float) and isinstance(wanted, int | float):
        return got == wanted or within(got, wanted, comparison.tolerance)
    return got is None and wanted is None


def _same_text(got: str, wanted: str, comparison: Comparison) -> bool:
    if comparison.strict:
        return got == wanted
    return _plain(got) == _plain(wanted)


def _same_items(got: Sequence[Json], wanted: Sequence[Json], schema: Schema, comparison: Comparison) -> bool:
    if len(got) != len(wanted):
        return False
    schemas, comparisons = itertools.repeat(schema), itertools.repeat(comparison)
    return all(map(_same, got, wanted, schemas, comparisons))


def _same_object(
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
        member = _object(members.get(name))
        if not _among(value, alternatives[name], member, comparison):
            return False
    return True


def _object(value: Json) -> dict[str, Json]:
    """Return a value that is an object; else an empty object, which as a schema allows everything."""
    if isinstance(value, dict):
        return value
    return {}


def _type(schema: Schema) -> str | None:
    kind = schema.get("type")
    if isinstance(kind, str) and kind in _TYPES:
        return kind
    return None


def _plain(text: str) -> str:
    return _IGNORED.sub("", fold(text)).lower().replace("'", '"')


def _name(name: str) -> str:
    return name.replace(".", "_")


def _count(number: int) -> str:
    if number == 1:
        return "1 call"
    return f"{number} calls"


def _assignable(reasons: Sequence[Sequence[str]]) -> bool:
    """Whether each expected call can be matched to a different call (bipartite matching by augmenting paths).

    `reasons` has a row for each expected call: why each call does not match it, empty where it does.
    """
    taken: dict[int, int] = {}

    def place(row: int, seen: set[int]) -> bool:
        for column, reason in enumerate(reasons[row]):
            if reason or column in seen:
                continue
            seen.add(column)
            if column not in taken or place(taken[column], seen):
                taken[column] = row
                return True
        return False

    return all(place(row, set()) for row in range(len(reasons)))
