"""When a tool call counts as the expected one: the rules of BFCL's checker (Berkeley Function-Calling Leaderboard).

The function's name must match (dots read as underscores). Every required argument must be present and none unknown. A
value must be one of the listed alternatives; "" among them means that the argument may be left out. An int is accepted
where a float is expected, but not the reverse. Strings are compared folded, lower-cased, without spaces and
`,./-_*^`, and with one kind of quote. Lists are compared item by item. In an expected object a list is again a list of
alternatives, so that a list value is written [[...]], just as among the arguments (see `read_lists`).

A `Comparison` widens this for numbers, narrows it for texts, or follows BFCL's checker to the letter.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_selfopt.bench.call_format import line, show, show_call, show_calls
from pytest_selfopt.bench.grading.alternatives import first_value, show_alternatives
from pytest_selfopt.bench.grading.argument_values import (
    USUAL,
    Comparison,
    Schema,
    difference,
    is_among,
    properties_of,
    schema_of,
)
from pytest_selfopt.trial import Json, ToolCall


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


def mismatch(
    expected: ExpectedCall,
    call: ToolCall,
    parameters: Schema | None,
    comparison: Comparison = USUAL,
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
    comparison: Comparison = USUAL,
) -> str:
    """Say why several calls, in any order, are not the expected ones; empty if they are."""
    if len(calls) != len(expected):
        wanted = ", ".join(map(show_expected, expected))
        got = show_calls(calls) or "none"
        return f"expected {_count(len(expected))}: {wanted}; got {_count(len(calls))}: {got}"
    reasons = [_mismatches(candidate, calls, schemas, comparison) for candidate in expected]
    if len(expected) == 1:
        return reasons[0][0]
    if _matched(reasons, comparison):
        return ""
    for candidate, row in zip(expected, reasons, strict=True):
        if all(row):
            return _nearest_reason(candidate, calls, row)
    return "two of the calls match the same expected one"


def misplaced(
    expected: Sequence[ExpectedCall],
    calls: Sequence[ToolCall],
    schemas: Mapping[str, Schema],
    comparison: Comparison = USUAL,
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
        part = schema_of(members.get(name))
        if not is_among(value, values, part, comparison):
            place = f"{expected.name}: argument {name}"
            return difference(value, values, part, comparison, place)
    return ""


def _name(name: str) -> str:
    return name.replace(".", "_")


def _count(number: int) -> str:
    if number == 1:
        return "1 call"
    return f"{number} calls"


def _matched(reasons: Sequence[Sequence[str]], comparison: Comparison) -> bool:
    """Whether each expected call has a call of its own; BFCL's checker takes for each the first that is left."""
    if not comparison.as_bfcl:
        return _assignable(reasons)
    left = list(range(len(reasons)))
    for row in reasons:
        fitting = [column for column in left if not row[column]]
        if not fitting:
            return False
        left.remove(fitting[0])
    return True


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
