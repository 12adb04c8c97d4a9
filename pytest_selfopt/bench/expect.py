"""Expectations: the closed set of ways in which a case says what is right, each with its grader."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from pytest_selfopt.bench.calls import ExpectedCall, schemas_by_name, show, show_call, unmatched
from pytest_selfopt.trial import Json, Reply

if TYPE_CHECKING:
    from pytest_selfopt.bench.case import Tool

_NUMBER = re.compile(r"[-+−]?(?:\d{1,3}(?:[,\u202f\u00a0 ']\d{3})+|\d+)(?:\.\d+)?(?:[eE][-+]?\d+)?|[-+−]?\.\d+")
_FENCE = re.compile(r"```[a-zA-Z]*\s*\n(.*?)```", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Whether a reply is right; `reason` is one sentence for people when it is not."""

    passed: bool
    reason: str = ""


RIGHT = Judgement(passed=True)


def _wrong(reason: str) -> Judgement:
    return Judgement(passed=False, reason=reason)


@dataclass(frozen=True, slots=True)
class Calls:
    """Exactly these tools are called, in any order."""

    calls: tuple[ExpectedCall, ...]

    def judge(self, reply: Reply, tools: Sequence[Tool] = ()) -> Judgement:
        """Compare the calls of the reply; a reply without any says what came instead."""
        if reply.undecodable:
            return _wrong(f"the reply {reply.undecodable}: {show(reply.text)}")
        if not reply.tool_calls:
            return _wrong(f"expected {self._shown()}, got no call but {show(reply.text)}")
        schemas = schemas_by_name([(tool.name, tool.parameters) for tool in tools])
        reason = unmatched(self.calls, reply.tool_calls, schemas)
        return _wrong(reason) if reason else RIGHT

    def to_json(self) -> dict[str, Json]:
        """As it stands in a suite file."""
        return {"calls": [call.to_json() for call in self.calls]}

    def _shown(self) -> str:
        return ", ".join(f"a call of {call.name}" for call in self.calls)


@dataclass(frozen=True, slots=True)
class NoCall:
    """No tool is called (restraint), whatever is said."""

    def judge(self, reply: Reply, _tools: Sequence[Tool] = ()) -> Judgement:
        """A text that tries to be a call is no restraint either."""
        if reply.tool_calls:
            return _wrong(f"expected no tool call, got {', '.join(map(show_call, reply.tool_calls))}")
        if reply.undecodable:
            return _wrong(f"expected no tool call; the reply {reply.undecodable}: {show(reply.text)}")
        return RIGHT

    def to_json(self) -> dict[str, Json]:
        """As it stands in a suite file."""
        return {"no_call": True}


@dataclass(frozen=True, slots=True)
class Exact:
    """The text is this one, white space at both ends aside."""

    text: str

    def judge(self, reply: Reply, _tools: Sequence[Tool] = ()) -> Judgement:
        """Compare the texts."""
        same = reply.text.strip() == self.text.strip()
        return _text(reply, passed=same, expected=f"exactly {show(self.text)}")

    def to_json(self) -> dict[str, Json]:
        """As it stands in a suite file."""
        return {"exact": self.text}


@dataclass(frozen=True, slots=True)
class Contains:
    """The text holds all of these."""

    parts: tuple[str, ...]
    ignore_case: bool = False

    def judge(self, reply: Reply, _tools: Sequence[Tool] = ()) -> Judgement:
        """Name the first part that is missing."""

        def folded(text: str) -> str:
            return text.casefold() if self.ignore_case else text

        missing = [part for part in self.parts if folded(part) not in folded(reply.text)]
        return _text(reply, passed=not missing, expected=f"{show(missing[0])} in the text" if missing else "")

    def to_json(self) -> dict[str, Json]:
        """As it stands in a suite file."""
        return {"contains": list(self.parts), "ignore_case": self.ignore_case}


@dataclass(frozen=True, slots=True)
class Regex:
    """The pattern is found somewhere in the text."""

    pattern: str

    def judge(self, reply: Reply, _tools: Sequence[Tool] = ()) -> Judgement:
        """Search the text."""
        found = re.search(self.pattern, reply.text) is not None
        return _text(reply, passed=found, expected=f"a match of {show(self.pattern)}")

    def to_json(self) -> dict[str, Json]:
        """As it stands in a suite file."""
        return {"regex": self.pattern}


@dataclass(frozen=True, slots=True)
class Number:
    """The last number of the text is this one, within an absolute tolerance."""

    value: float
    tolerance: float = 0.0

    def judge(self, reply: Reply, _tools: Sequence[Tool] = ()) -> Judgement:
        """Compare the last number, because models reason first and answer last."""
        got = last_number(reply.text)
        near = got is not None and abs(got - self.value) <= self.tolerance * (1 + 1e-12)
        within = f" within {self.tolerance:g}" if self.tolerance else ""
        return _text(reply, passed=near, expected=f"the number {self.value:g}{within}")

    def to_json(self) -> dict[str, Json]:
        """As it stands in a suite file."""
        return {"number": self.value, "tolerance": self.tolerance}


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """The text is JSON (also inside a code fence) that satisfies this JSON Schema."""

    schema: dict[str, Json]

    def judge(self, reply: Reply, _tools: Sequence[Tool] = ()) -> Judgement:
        """Say what is wrong where."""
        from jsonschema import exceptions, validators

        fenced = _FENCE.search(reply.text)
        try:
            value = json.loads(fenced[1] if fenced else reply.text)
        except (ValueError, RecursionError):
            return _text(reply, passed=False, expected="JSON")
        validator = validators.validator_for(self.schema)(self.schema)
        problem = exceptions.best_match(validator.iter_errors(value))
        if problem is None:
            return _text(reply, passed=True, expected="JSON")
        where = problem.json_path
        return _wrong(f"the JSON does not satisfy the schema at {where}: {show(problem.message)}")

    def to_json(self) -> dict[str, Json]:
        """As it stands in a suite file."""
        return {"json_schema": self.schema}


Expectation: TypeAlias = Calls | NoCall | Exact | Contains | Regex | Number | JsonSchema


def last_number(text: str) -> float | None:
    """The last number in a text: signs, decimals, exponents and thousands separators are understood."""
    found = _NUMBER.findall(text)
    if not found:
        return None
    return float(re.sub(r"[,\u202f\u00a0 ']", "", found[-1]).replace("−", "-"))


def expectation_from_json(value: Any) -> Expectation:
    """Read an expectation as it stands in a suite file.

    Raises:
        ValueError: with "FIELD: what is wrong".
    """
    if not isinstance(value, dict):
        raise ValueError(f'expect: expected an object such as {{"no_call": true}}, got {show(value)}')
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
    return Calls((_expected_call(value["call"], "expect.call"),))


def _read_calls(value: Mapping[str, Any]) -> Calls:
    entries = value["calls"]
    if not isinstance(entries, list) or not entries:
        raise ValueError("expect.calls: expected a list of calls that is not empty")
    return Calls(tuple(_expected_call(entry, f"expect.calls[{index}]") for index, entry in enumerate(entries)))


def _expected_call(value: Any, place: str) -> ExpectedCall:
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
    except re.error as problem:
        raise ValueError(f"expect.regex: {show(pattern)} is no regular expression: {problem}") from None
    return Regex(pattern)


def _read_number(value: Mapping[str, Any]) -> Number:
    number, tolerance = value["number"], value.get("tolerance", 0)
    for name, one in (("number", number), ("tolerance", tolerance)):
        if not isinstance(one, int | float) or isinstance(one, bool):
            raise ValueError(f"expect.{name}: expected a number, got {show(one)}")
    if tolerance < 0:
        raise ValueError(f"expect.tolerance: must not be negative, got {tolerance}")
    return Number(float(number), float(tolerance))


def _read_json_schema(value: Mapping[str, Any]) -> JsonSchema:
    from jsonschema import exceptions, validators

    schema = value["json_schema"]
    if not isinstance(schema, dict):
        raise ValueError(f"expect.json_schema: expected an object, got {show(schema)}")
    try:
        validators.validator_for(schema).check_schema(schema)
    except exceptions.SchemaError as problem:
        raise ValueError(f"expect.json_schema: is no JSON Schema: {problem.message}") from None
    return JsonSchema(schema)


def _string(value: Mapping[str, Any], name: str) -> str:
    text = value[name]
    if not isinstance(text, str):
        raise ValueError(f"expect.{name}: expected a text, got {show(text)}")
    return text


_READERS: dict[str, tuple[Callable[[Mapping[str, Any]], Expectation], tuple[str, ...]]] = {
    "call": (_read_call, ()),
    "calls": (_read_calls, ()),
    "no_call": (_read_no_call, ()),
    "exact": (_read_exact, ()),
    "contains": (_read_contains, ("ignore_case",)),
    "regex": (_read_regex, ()),
    "number": (_read_number, ("tolerance",)),
    "json_schema": (_read_json_schema, ()),
}


def _text(reply: Reply, *, passed: bool, expected: str) -> Judgement:
    """The judgement of a text; a tool call where words were expected is a miss whatever the words."""
    if reply.tool_calls:
        return _wrong(f"expected words, got {', '.join(map(show_call, reply.tool_calls))}")
    return RIGHT if passed else _wrong(f"expected {expected}, got {show(reply.text)}")
