"""Reading expectations from suite files."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

from pytest_selfopt.bench.call_format import mistaken, show
from pytest_selfopt.bench.grading.argument_values import Comparison
from pytest_selfopt.bench.grading.combined import AllOf, AnyOf, Not
from pytest_selfopt.bench.grading.expect import (
    AnyCall,
    Calls,
    Contains,
    ContainsAny,
    Exact,
    Expectation,
    Graded,
    JsonSchema,
    NoCall,
    Number,
    Regex,
    grader_named,
)
from pytest_selfopt.bench.grading.json_schema import check_schema
from pytest_selfopt.bench.grading.judgement import BrokenGrader
from pytest_selfopt.bench.grading.numbers import LOCALES
from pytest_selfopt.bench.grading.patterns import JAVASCRIPT, for_python
from pytest_selfopt.bench.grading.tool_calls import ExpectedCall
from pytest_selfopt.suggest import did_you_mean
from pytest_selfopt.trial import Json

COMBINATIONS = ("not", "all", "any")
"""The fields that hold other expectations."""
COMPARISONS = ("tolerance", "strict", "as_bfcl")
"""The fields next to calls that say how arguments are compared."""
DEEPEST = 5
"""Combinations that may be inside each other."""
_Part = TypeVar("_Part")

_MEANT = {
    "name": '; a call is written {"call": {"name": …, "arguments": {…}}}',
    "arguments": '; a call is written {"call": {"name": …, "arguments": {…}}}',
    "tool_calls": "; did you mean 'calls'?",
    "equals": "; did you mean 'exact'?",
}
"""The ends of sentences about names that people bring along."""

_MOST_EXACT = 2**53
"""The integer up to which every integer is a float."""


def expectation_from_json(value: Any) -> Expectation:
    """Read an expectation in the form used in suite files.

    Raises:
        ValueError: with "FIELD: what is wrong".
    """
    if _is_deep(value, DEEPEST):
        raise ValueError(f"expect: {', '.join(COMBINATIONS)} may be {DEEPEST} deep inside each other at most")
    return _expectation(value)


def _is_deep(value: Any, levels: int) -> bool:
    """Whether more combinations than `levels` are inside each other."""
    if levels < 0:
        return True
    return any(_is_deep(part, levels - 1) for part in _parts(value))


def _parts(value: Any) -> list[Any]:
    """Return the parts of a combination that may be wrong; none of anything else."""
    parts: list[Any] = []
    if isinstance(value, dict):
        for name in COMBINATIONS:
            if isinstance(value.get(name), list):
                parts.extend(value[name])
            elif name in value:
                parts.append(value[name])
    return parts


def _expectation(value: Any) -> Expectation:
    if not isinstance(value, dict):
        raise mistaken("expect", 'an object such as {"no_call": true}', value)
    known = _known_fields()
    for name in unknown_names(value, known):
        hint = _MEANT.get(str(name)) or did_you_mean(str(name), known)
        raise ValueError(f"expect: unknown field {show(name)}{hint}")
    kind = _kind(value)
    reader, options = _READERS[kind]
    for name in value:
        if name != kind and name not in options:
            raise ValueError(f"expect: unknown field {name!r} next to {kind!r}")
    return reader(value)


def unknown_names(names: Iterable[Any], known: Sequence[str]) -> list[Any]:
    """Return the names that are not known; files hold values of any type in their place."""
    return [name for name in names if name not in known]


def _known_fields() -> tuple[str, ...]:
    """Return the fields of expectations: the kinds first, then the options next to a kind."""
    known = dict.fromkeys(_READERS)
    for _, options in _READERS.values():
        known |= dict.fromkeys(options)
    return tuple(known)


def _kind(value: Mapping[str, Any]) -> str:
    kinds = [kind for kind in _READERS if kind in value]
    if len(kinds) == 1:
        return kinds[0]
    named = " and ".join(kinds) or "none"
    raise ValueError(f"expect: needs exactly one of {', '.join(_READERS)}, got {named}")


def _read_call(value: Mapping[str, Any]) -> Calls:
    call = expected_call(value["call"], "expect.call")
    return Calls((call,), comparison=comparison_from_json(value))


def _read_calls(value: Mapping[str, Any]) -> Calls:
    entries = value["calls"]
    if not isinstance(entries, list) or not entries:
        raise mistaken("expect.calls", "a non-empty list of calls", entries)
    return Calls(expected_calls(entries), _flag(value, "in_order"), comparison_from_json(value))


def comparison_from_json(value: Mapping[str, Any]) -> Comparison:
    """Read how arguments are compared, from the fields next to the calls of an expectation.

    Raises:
        ValueError: with "FIELD: what is wrong".
    """
    as_bfcl = _flag(value, "as_bfcl")
    for name in COMPARISONS:
        if as_bfcl and name != "as_bfcl" and name in value:
            raise ValueError(f"expect.as_bfcl: BFCL's checker has no {name!r}; leave out one of the two")
    return Comparison(tolerance=_tolerance(value), strict=_flag(value, "strict"), as_bfcl=as_bfcl)


def expected_calls(entries: Sequence[Any]) -> tuple[ExpectedCall, ...]:
    """Read the entries of the field `calls` of an expectation.

    Raises:
        ValueError: with "FIELD: what is wrong".
    """
    return read_each(expected_call, entries, "expect.calls")


def read_each(read: Callable[[Any, str], _Part], entries: Sequence[Any], place: str) -> tuple[_Part, ...]:
    """Read the entries of a list, each with its place, such as "expect.calls[0]"."""
    parts = []
    for index, entry in enumerate(entries):
        part = read(entry, f"{place}[{index}]")
        parts.append(part)
    return tuple(parts)


def expected_call(value: Any, place: str) -> ExpectedCall:
    """Read an expected call; `place` prefixes its errors.

    Raises:
        ValueError: with "FIELD: what is wrong".
    """
    wanted = '{"name": …, "arguments": {…}}'
    if not isinstance(value, dict):
        raise mistaken(place, wanted, value)
    name, arguments = value.get("name"), value.get("arguments", {})
    if not isinstance(name, str) or not name:
        raise mistaken(place, wanted, value)
    if not isinstance(arguments, dict):
        raise mistaken(f"{place}.arguments", "an object", arguments)
    unknown = set(value) - {"name", "arguments"}
    if unknown:
        name = min(unknown)
        hint = did_you_mean(name, ("name", "arguments"))
        raise ValueError(f"{place}: unknown field {show(name)}{hint}")
    alternatives = {}
    for argument, values in arguments.items():
        where = f"{place}.arguments.{argument}"
        alternatives[argument] = _alternatives(values, where)
    return ExpectedCall(name=name, arguments=alternatives)


def _alternatives(values: Any, place: str) -> tuple[Json, ...]:
    if not isinstance(values, list):
        return (values,)
    if not values:
        raise ValueError(f"{place}: a list of alternatives must not be empty")
    return tuple(values)


def _read_no_call(value: Mapping[str, Any]) -> NoCall:
    if value["no_call"] is not True:
        raise mistaken("expect.no_call", "true", value["no_call"])
    return NoCall()


def _read_any_call(value: Mapping[str, Any]) -> AnyCall:
    if value["any_call"] is not True:
        raise mistaken("expect.any_call", "true", value["any_call"])
    return AnyCall()


def _read_exact(value: Mapping[str, Any]) -> Exact:
    return Exact(_strings(value, "exact"), _flag(value, "ignore_case"), _flag(value, "strict"))


def _read_contains(value: Mapping[str, Any]) -> Contains:
    return Contains(_filled(value, "contains"), _flag(value, "ignore_case"), _flag(value, "strict"))


def _read_contains_any(value: Mapping[str, Any]) -> ContainsAny:
    return ContainsAny(_filled(value, "contains_any"), _flag(value, "ignore_case"), _flag(value, "strict"))


def _filled(value: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Read a field that holds a string or a list of strings, none of them empty: every text contains that."""
    texts = _strings(value, name)
    if "" in texts:
        raise mistaken(f"expect.{name}", "a string or a list of strings that are not empty", value[name])
    return texts


def _strings(value: Mapping[str, Any], name: str) -> tuple[str, ...]:
    """Read a field that holds a string or a list of strings."""
    texts = value[name]
    if not isinstance(texts, list):
        texts = [texts]
    if not texts or not all(isinstance(text, str) for text in texts):
        raise mistaken(f"expect.{name}", "a string or a list of strings", value[name])
    return tuple(texts)


def _flag(value: Mapping[str, Any], name: str) -> bool:
    flag = value.get(name, False)
    if not isinstance(flag, bool):
        raise mistaken(f"expect.{name}", "true or false", flag)
    return flag


def _read_not(value: Mapping[str, Any]) -> Not:
    return Not(_part(value["not"], "expect.not"))


def _read_all(value: Mapping[str, Any]) -> AllOf:
    return AllOf(_read_parts(value, "all"))


def _read_any(value: Mapping[str, Any]) -> AnyOf:
    return AnyOf(_read_parts(value, "any"))


def _read_parts(value: Mapping[str, Any], name: str) -> tuple[Expectation, ...]:
    entries = value[name]
    if not isinstance(entries, list) or not entries:
        raise mistaken(f"expect.{name}", "a non-empty list of expectations", entries)
    return read_each(_part, entries, f"expect.{name}")


def _part(value: Any, place: str) -> Expectation:
    """Read an expectation inside another one; its errors name its place."""
    try:
        return _expectation(value)
    except ValueError as problem:
        inside = str(problem).removeprefix("expect")
        raise ValueError(f"{place}{inside}") from None


def _read_regex(value: Mapping[str, Any]) -> Regex:
    pattern = _string(value, "regex")
    dialect = value.get("dialect", "")
    if "dialect" in value and dialect != JAVASCRIPT:
        raise mistaken("expect.dialect", f"{JAVASCRIPT!r}, or nothing for Python's", dialect)
    try:
        for_python(pattern, dialect)
    except ValueError as problem:
        reason = f"{show(pattern)} is not a valid regular expression: {problem}"
        raise ValueError(f"expect.regex: {reason}") from None
    return Regex(pattern, dialect)


def _read_number(value: Mapping[str, Any]) -> Number:
    number = _finite(value["number"], "expect.number")
    return Number(number, _tolerance(value), _locale(value))


def _tolerance(value: Mapping[str, Any]) -> float:
    tolerance = _finite(value.get("tolerance", 0), "expect.tolerance")
    if tolerance < 0:
        raise ValueError(f"expect.tolerance: must not be negative, got {tolerance}")
    return tolerance


def _locale(value: Mapping[str, Any]) -> str:
    locale = value.get("locale", "")
    if "locale" in value and locale not in tuple(LOCALES):
        raise mistaken("expect.locale", f"one of {', '.join(LOCALES)}", locale)
    return str(locale)


def _finite(number: Any, place: str) -> int | float:
    """Return a number as a float, or as an integer if its neighbours would be the same float."""
    if not isinstance(number, int | float) or isinstance(number, bool):
        raise mistaken(place, "a number", number)
    if not _is_finite(number):
        raise ValueError(f"{place}: {show(number)} is too large for a number")
    if isinstance(number, int) and abs(number) > _MOST_EXACT:
        return number
    return float(number)


def _read_json_schema(value: Mapping[str, Any]) -> JsonSchema:
    schema = value["json_schema"]
    if not isinstance(schema, dict):
        raise mistaken("expect.json_schema", "an object", schema)
    try:
        check_schema(schema)
    except ValueError as problem:
        raise ValueError(f"expect.json_schema: {problem}") from None
    return JsonSchema(schema, _flag(value, "strict"))


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
        raise mistaken(f"expect.{name}", "a string", text)
    return text


_Reader: TypeAlias = Callable[[Mapping[str, Any]], Expectation]

_READERS: dict[str, tuple[_Reader, tuple[str, ...]]] = {
    "call": (_read_call, COMPARISONS),
    "calls": (_read_calls, ("in_order", *COMPARISONS)),
    "no_call": (_read_no_call, ()),
    "any_call": (_read_any_call, ()),
    "exact": (_read_exact, ("ignore_case", "strict")),
    "contains": (_read_contains, ("ignore_case", "strict")),
    "contains_any": (_read_contains_any, ("ignore_case", "strict")),
    "regex": (_read_regex, ("dialect",)),
    "number": (_read_number, ("tolerance", "locale")),
    "json_schema": (_read_json_schema, ("strict",)),
    "grader": (_read_grader, ("wanted",)),
    "not": (_read_not, ()),
    "all": (_read_all, ()),
    "any": (_read_any, ()),
}
