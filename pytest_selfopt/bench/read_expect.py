"""Reads expectations as they stand in suite files."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from pytest_selfopt.bench.call_format import show
from pytest_selfopt.bench.expect import (
    AnyCall,
    BrokenGrader,
    Calls,
    Contains,
    Exact,
    Expectation,
    Graded,
    JsonSchema,
    NoCall,
    Number,
    Regex,
    grader_named,
)
from pytest_selfopt.bench.json_schema import check_schema
from pytest_selfopt.bench.tool_calls import ExpectedCall
from pytest_selfopt.suggest import did_you_mean


def expectation_from_json(value: Any) -> Expectation:
    """Read an expectation as it stands in a suite file.

    Raises:
        ValueError: with "FIELD: what is wrong".
    """
    if not isinstance(value, dict):
        raise ValueError(f'expect: expected an object such as {{"no_call": true}}, got {show(value)}')
    known = (*_READERS, *dict.fromkeys(name for _, beside in _READERS.values() for name in beside))
    strange = next((name for name in value if name not in known), None)
    if strange is not None:
        raise ValueError(f"expect: unknown field {show(strange)}{did_you_mean(str(strange), known)}")
    kinds = [kind for kind in _READERS if kind in value]
    if len(kinds) != 1:
        named = " and ".join(kinds) if kinds else "none"
        raise ValueError(f"expect: needs exactly one of {', '.join(_READERS)}; it has {named}")
    reader, beside = _READERS[kinds[0]]
    unknown = [name for name in value if name != kinds[0] and name not in beside]
    if unknown:
        raise ValueError(f"expect: unknown field {unknown[0]!r} beside {kinds[0]!r}")
    return reader(value)


def _read_call(value: Mapping[str, Any]) -> Calls:
    return Calls((expected_call(value["call"], "expect.call"),))


def _read_calls(value: Mapping[str, Any]) -> Calls:
    entries = value["calls"]
    if not isinstance(entries, list) or not entries:
        raise ValueError("expect.calls: expected a list of calls that is not empty")
    return Calls(tuple(expected_call(entry, f"expect.calls[{index}]") for index, entry in enumerate(entries)))


def expected_call(value: Any, place: str) -> ExpectedCall:
    """Read a call that is expected; `place` is where it stands.

    Raises:
        ValueError: with "FIELD: what is wrong".
    """
    if not isinstance(value, dict) or not isinstance(value.get("name"), str) or not value["name"]:
        raise ValueError(f'{place}: expected {{"name": …, "arguments": {{…}}}}, got {show(value)}')
    arguments = value.get("arguments", {})
    if not isinstance(arguments, dict):
        raise ValueError(f"{place}.arguments: expected an object, got {show(arguments)}")
    unknown = set(value) - {"name", "arguments"}
    if unknown:
        raise ValueError(f"{place}: unknown field {min(unknown)!r}")
    empty = [name for name, values in arguments.items() if values == []]
    if empty:
        raise ValueError(f"{place}.arguments.{empty[0]}: a list of alternatives must not be empty")
    return ExpectedCall(
        name=value["name"],
        arguments={
            name: tuple(values) if isinstance(values, list) else (values,) for name, values in arguments.items()
        },
    )


def _read_no_call(value: Mapping[str, Any]) -> NoCall:
    if value["no_call"] is not True:
        raise ValueError(f"expect.no_call: expected true, got {show(value['no_call'])}")
    return NoCall()


def _read_any_call(value: Mapping[str, Any]) -> AnyCall:
    if value["any_call"] is not True:
        raise ValueError(f"expect.any_call: expected true, got {show(value['any_call'])}")
    return AnyCall()


def _read_exact(value: Mapping[str, Any]) -> Exact:
    return Exact(_string(value, "exact"))


def _read_contains(value: Mapping[str, Any]) -> Contains:
    parts = value["contains"] if isinstance(value["contains"], list) else [value["contains"]]
    if not parts or not all(isinstance(part, str) and part for part in parts):
        raise ValueError(f"expect.contains: expected a text or a list of texts, got {show(value['contains'])}")
    folded = value.get("ignore_case", False)
    if not isinstance(folded, bool):
        raise ValueError(f"expect.ignore_case: expected true or false, got {show(folded)}")
    return Contains(tuple(parts), folded)


def _read_regex(value: Mapping[str, Any]) -> Regex:
    pattern = _string(value, "regex")
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as problem:
        raise ValueError(f"expect.regex: {show(pattern)} is no regular expression: {problem}") from None
    return Regex(pattern)


def _read_number(value: Mapping[str, Any]) -> Number:
    number, tolerance = value["number"], value.get("tolerance", 0)
    for name, one in (("number", number), ("tolerance", tolerance)):
        if not isinstance(one, int | float) or isinstance(one, bool):
            raise ValueError(f"expect.{name}: expected a number, got {show(one)}")
        if not _is_finite(one):
            raise ValueError(f"expect.{name}: {show(one)} is too large for a number")
    if tolerance < 0:
        raise ValueError(f"expect.tolerance: must not be negative, got {tolerance}")
    return Number(float(number), float(tolerance))


def _read_json_schema(value: Mapping[str, Any]) -> JsonSchema:
    schema = value["json_schema"]
    if not isinstance(schema, dict):
        raise ValueError(f"expect.json_schema: expected an object, got {show(schema)}")
    try:
        check_schema(schema)
    except ValueError as problem:
        raise ValueError(f"expect.json_schema: {problem}") from None
    return JsonSchema(schema)


def _is_finite(number: float) -> bool:
    try:
        return math.isfinite(number)
    except OverflowError:
        return False


def _read_grader(value: Mapping[str, Any]) -> Graded:
    name = _string(value, "grader")
    try:
        grader_named(name)
    except BrokenGrader as problem:
        raise ValueError(f"expect.{problem}") from None
    return Graded(grader=name, wanted=value.get("wanted"))


def _string(value: Mapping[str, Any], name: str) -> str:
    text = value[name]
    if not isinstance(text, str):
        raise ValueError(f"expect.{name}: expected a text, got {show(text)}")
    return text


_READERS: dict[str, tuple[Callable[[Mapping[str, Any]], Expectation], tuple[str, ...]]] = {
    "call": (_read_call, ()),
    "calls": (_read_calls, ()),
    "no_call": (_read_no_call, ()),
    "any_call": (_read_any_call, ()),
    "exact": (_read_exact, ()),
    "contains": (_read_contains, ("ignore_case",)),
    "regex": (_read_regex, ()),
    "number": (_read_number, ("tolerance",)),
    "json_schema": (_read_json_schema, ()),
    "grader": (_read_grader, ("wanted",)),
}
