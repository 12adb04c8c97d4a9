"""When a tool call counts as the expected one: the rules of BFCL's checker (Berkeley Function-Calling Leaderboard).

The function's name must match (dots read as underscores). Every required argument is there and none is unknown. A
value is one of the listed alternatives; "" among them means that the argument may be left out. An int is accepted
where a float is expected. Texts are compared lower-cased, without spaces and `,./-_*^`, and with one kind of quote;
lists and objects by the same rules inside.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_selfopt.trial import Json, ToolCall

_IGNORED = re.compile(r"[ ,./\-_*^]")
_SHOWN = 60

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


def mismatch(expected: ExpectedCall, call: ToolCall, parameters: Mapping[str, Json] | None) -> str:
    """Why a call is not the expected one, in words; empty when it is.

    `parameters` is the tool's JSON Schema, where it is known: it says which arguments are required and of what type.
    """
    if _name(call.name) != _name(expected.name):
        return f"expected {show_expected(expected)}, got {show_call(call)}"
    schema = parameters or {}
    return (
        _missing(expected, call, schema)
        or _unknown(expected, call)
        or next(
            filter(None, (_wrong(expected, name, value, schema) for name, value in call.arguments.items())),
            "",
        )
    )


def unmatched(
    expected: Sequence[ExpectedCall], calls: Sequence[ToolCall], schemas: Mapping[str, Mapping[str, Json]]
) -> str:
    """Why several calls, in any order, are not the expected ones; empty when they are."""
    if len(calls) != len(expected):
        wanted = ", ".join(map(show_expected, expected))
        got = ", ".join(map(show_call, calls)) or "none"
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


def schemas_by_name(tools: Sequence[tuple[str, Mapping[str, Json]]]) -> dict[str, Mapping[str, Json]]:
    """Parameter schemas under the names by which calls are matched."""
    return {_name(name): parameters for name, parameters in tools}


def required_of(schema: Mapping[str, Json]) -> tuple[str, ...]:
    """The names of a tool's required arguments."""
    required = schema.get("required")
    return tuple(name for name in required if isinstance(name, str)) if isinstance(required, list) else ()


def type_of(schema: Mapping[str, Json], argument: str) -> str | None:
    """The declared type of an argument, or None when nothing or a union is declared."""
    properties = schema.get("properties")
    declared = properties.get(argument) if isinstance(properties, dict) else None
    kind = declared.get("type") if isinstance(declared, dict) else None
    return kind if isinstance(kind, str) and kind in _TYPES else None


def has_type(value: Json, kind: str) -> bool:
    """Whether a value may stand where a JSON Schema type is declared; a bool is no number."""
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[kind])


def show_call(call: ToolCall) -> str:
    """A call in the notation of a program, shortened."""
    return f"{call.name}({', '.join(f'{name}={show(value)}' for name, value in call.arguments.items())})"


def show_expected(expected: ExpectedCall) -> str:
    """An expected call with the first alternative of each argument that has to be given."""
    given = {name: values[0] for name, values in expected.arguments.items() if values and "" not in values}
    return f"{expected.name}({', '.join(f'{name}={show(value)}' for name, value in given.items())})"


def show(value: Json) -> str:
    """A value for people: one line of ASCII-safe text, shortened."""
    text = repr(value) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text.encode("utf-8", "backslashreplace").decode("utf-8")
    return text if len(text) <= _SHOWN else f"{text[: _SHOWN - 1]}…"


def _missing(expected: ExpectedCall, call: ToolCall, schema: Mapping[str, Json]) -> str:
    required = set(required_of(schema))
    for name, values in expected.arguments.items():
        if name not in call.arguments and ("" not in values or name in required):
            return f"{call.name}: argument {name} is missing, expected {_alternatives(values)}"
    return ""


def _unknown(expected: ExpectedCall, call: ToolCall) -> str:
    for name, value in call.arguments.items():
        if name not in expected.arguments:
            return f"{call.name}: argument {name}={show(value)} was not expected"
    return ""


def _wrong(expected: ExpectedCall, name: str, value: Json, schema: Mapping[str, Json]) -> str:
    values = expected.arguments[name]
    kind = type_of(schema, name)
    if kind is not None and not has_type(value, kind) and not any(_same(value, one) for one in values if one != ""):
        return f"{expected.name}: argument {name} should be of type {kind}, got {show(value)}"
    if any(_same(value, one) for one in values):
        return ""
    return f"{expected.name}: argument {name}: expected {_alternatives(values)}, got {show(value)}"


def _same(got: Json, wanted: Json) -> bool:
    if isinstance(got, bool) or isinstance(wanted, bool):
        return got is wanted
    if isinstance(got, str) and isinstance(wanted, str):
        return _plain(got) == _plain(wanted)
    if isinstance(got, list) and isinstance(wanted, list):
        return len(got) == len(wanted) and all(map(_same, got, wanted))
    if isinstance(got, dict) and isinstance(wanted, dict):
        return got.keys() == wanted.keys() and all(_same(got[name], wanted[name]) for name in got)
    if isinstance(got, int | float) and isinstance(wanted, int | float):
        return got == wanted
    return got is None and wanted is None


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
