"""When a tool call counts as the expected one: the rules of BFCL's checker (Berkeley Function-Calling Leaderboard).

The function's name must match (dots read as underscores). Every required argument is there and none is unknown. A
value is one of the listed alternatives; "" among them means that the argument may be left out. An int is accepted
where a float is expected, a float where an int is expected is not. Texts are compared lower-cased, without spaces and
`,./-_*^`, and with one kind of quote. Lists are compared item by item. In an expected object a list is again a list of
alternatives, so that a list as such stands there as [[...]], just as among the arguments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_selfopt.bench.call_format import line, show, show_call, show_calls
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
    """A call to be made: for each argument the values that are right."""

    name: str
    arguments: Mapping[str, tuple[Json, ...]]

    def to_json(self) -> dict[str, Json]:
        """Name, and for each argument the list of alternatives."""
        return {
            "name": self.name,
            "arguments": {name: list(values) for name, values in self.arguments.items()},
        }


def mismatch(expected: ExpectedCall, call: ToolCall, parameters: Schema | None) -> str:
    """Why a call is not the expected one, in words; empty when it is.

    `parameters` is the tool's JSON Schema, where it is known: it says which arguments there are, which of them are
    required and of what type they are.
    """
    if _name(call.name) != _name(expected.name):
        return f"expected {show_expected(expected)}, got {show_call(call)}"
    schema = parameters or {}
    wrong = (_wrong(expected, name, value, schema) for name, value in call.arguments.items())
    return _missing(expected, call, schema) or _unknown(expected, call, schema) or next(filter(None, wrong), "")


def unmatched(expected: Sequence[ExpectedCall], calls: Sequence[ToolCall], schemas: Mapping[str, Schema]) -> str:
    """Why several calls, in any order, are not the expected ones; empty when they are."""
    if len(calls) != len(expected):
        wanted = ", ".join(map(show_expected, expected))
        got = show_calls(calls) or "none"
        return f"expected {_count(len(expected))}: {wanted}; got {_count(len(calls))}: {got}"
    reasons = [[mismatch(one, call, schemas.get(_name(one.name))) for call in calls] for one in expected]
    if len(expected) == 1:
        return reasons[0][0]
    if _assignable([[not reason for reason in row] for row in reasons]):
        return ""
    for one, row in zip(expected, reasons, strict=True):
        if all(row):
            named = [reason for reason, call in zip(row, calls, strict=True) if _name(call.name) == _name(one.name)]
            return named[0] if named else f"expected {show_expected(one)} among the calls, it is missing"
    return "two of the calls match the same expected one"


def schemas_by_name(tools: Sequence[tuple[str, Schema]]) -> dict[str, Schema]:
    """Parameter schemas under the names by which calls are matched."""
    return {_name(name): parameters for name, parameters in tools}


def required_of(schema: Schema) -> tuple[str, ...]:
    """The names of a tool's required arguments."""
    required = schema.get("required")
    return tuple(name for name in required if isinstance(name, str)) if isinstance(required, list) else ()


def properties_of(schema: Schema) -> dict[str, Json]:
    """The schemas of a tool's arguments, or of an object's members, by name."""
    properties = schema.get("properties")
    return properties if isinstance(properties, dict) else {}


def type_of(schema: Schema, argument: str) -> str | None:
    """The declared type of an argument, or None when nothing or a union is declared."""
    return _type(_part(properties_of(schema).get(argument)))


def has_type(value: Json, kind: str) -> bool:
    """Whether a value may stand where a JSON Schema type is declared; a bool is no number, 3.0 no integer."""
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])


def show_expected(expected: ExpectedCall) -> str:
    """An expected call with the first alternative of each argument that has to be given."""
    given = {name: values[0] for name, values in expected.arguments.items() if values and "" not in values}
    return show_call(ToolCall(name=expected.name, arguments=given))


def _missing(expected: ExpectedCall, call: ToolCall, schema: Schema) -> str:
    required = dict.fromkeys(required_of(schema))
    named = [name for name, values in expected.arguments.items() if name in required or "" not in values]
    for name in dict.fromkeys([*named, *required]):
        if name not in call.arguments:
            wanted = _alternatives(expected.arguments[name]) if name in expected.arguments else "a value"
            return f"{expected.name}: argument {name} is missing, expected {wanted}"
    return ""


def _unknown(expected: ExpectedCall, call: ToolCall, schema: Schema) -> str:
    known = properties_of(schema) or expected.arguments
    for name, value in call.arguments.items():
        if name not in expected.arguments or name not in known:
            return f"{expected.name}: argument {line(name, 60)}={show(value)} was not expected"
    return ""


def _wrong(expected: ExpectedCall, name: str, value: Json, schema: Schema) -> str:
    values, part = expected.arguments[name], _part(properties_of(schema).get(name))
    if _among(value, values, part):
        return ""
    kind = _type(part)
    if kind is not None and not has_type(value, kind):
        return f"{expected.name}: argument {name} should be of type {kind}, got {show(value)}"
    return f"{expected.name}: argument {name}: expected {_alternatives(values)}, got {show(value)}"


def _among(got: Json, alternatives: Sequence[Json], schema: Schema) -> bool:
    """Whether a value is one of the alternatives; "" is a value only where a text may stand."""
    blank_counts = _type(schema) in (None, "string")
    return any(_same(got, one, schema) for one in alternatives if one != "" or blank_counts)


def _same(got: Json, wanted: Json, schema: Schema) -> bool:
    kind = _type(schema)
    # Like BFCL, take a value of the alternative's own type although another one is declared: suites contain variables.
    if kind is not None and not has_type(got, kind) and type(got) is not type(wanted):
        return False
    if isinstance(got, bool) or isinstance(wanted, bool):
        return got is wanted
    if isinstance(got, str) and isinstance(wanted, str):
        return _plain(got) == _plain(wanted)
    if isinstance(got, list) and isinstance(wanted, list):
        items = _part(schema.get("items"))
        return len(got) == len(wanted) and all(_same(one, other, items) for one, other in zip(got, wanted, strict=True))
    if isinstance(got, dict) and isinstance(wanted, dict):
        return _same_object(got, wanted, schema)
    if isinstance(got, int | float) and isinstance(wanted, int | float):
        return got == wanted
    return got is None and wanted is None


def _same_object(got: Mapping[str, Json], wanted: Mapping[str, Json], schema: Schema) -> bool:
    alternatives = {name: value if isinstance(value, list) else [value] for name, value in wanted.items()}
    members = properties_of(schema)
    return all(name in got or "" in values for name, values in alternatives.items()) and all(
        name in alternatives and _among(value, alternatives[name], _part(members.get(name)))
        for name, value in got.items()
    )


def _part(schema: Json) -> Schema:
    """A schema inside another one; an empty one when there is none, which allows everything."""
    return schema if isinstance(schema, dict) else {}


def _type(schema: Schema) -> str | None:
    kind = schema.get("type")
    return kind if isinstance(kind, str) and kind in _TYPES else None


def _plain(text: str) -> str:
    return _IGNORED.sub("", text).lower().replace("'", '"')


def _name(name: str) -> str:
    return name.replace(".", "_")


def _alternatives(values: Sequence[Json]) -> str:
    return " or ".join(show(value) for value in values if value != "") or "nothing"


def _count(number: int) -> str:
    return "1 call" if number == 1 else f"{number} calls"


def _assignable(fits: Sequence[Sequence[bool]]) -> bool:
    """Whether every expected call can be given a call of its own (augmenting paths, as in bipartite matching)."""
    taken: dict[int, int] = {}

    def place(row: int, seen: set[int]) -> bool:
        for column, fit in enumerate(fits[row]):
            if fit and column not in seen:
                seen.add(column)
                if column not in taken or place(taken[column], seen):
                    taken[column] = row
                    return True
        return False

    return all(place(row, set()) for row in range(len(fits)))
