"""Expectations: the ways in which a case defines the right answer, each with its grader."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

from pytest_selfopt.bench.call_format import line, show, show_calls
from pytest_selfopt.bench.grading.argument_values import USUAL, Comparison
from pytest_selfopt.bench.grading.bounded import LIMIT_S, TooSlow, bounded, is_interruptible
from pytest_selfopt.bench.grading.combined import AllOf, AnyOf, Not
from pytest_selfopt.bench.grading.folding import comparable
from pytest_selfopt.bench.grading.goal import Goal
from pytest_selfopt.bench.grading.json_schema import Form, patterns_in, problem_by, problem_in, validator_of
from pytest_selfopt.bench.grading.judgement import (
    RIGHT,
    BrokenGrader,
    Judgement,
    SlowGrader,
    inapplicable,
    judged,
    wrong,
)
from pytest_selfopt.bench.grading.notation.last_number import WrittenNumber, last_number
from pytest_selfopt.bench.grading.numbers import near, number_in_words, show_number
from pytest_selfopt.bench.grading.patterns import found
from pytest_selfopt.bench.grading.tool_calls import (
    ExpectedCall,
    misplaced,
    schemas_by_name,
    unmatched,
)
from pytest_selfopt.import_string import imported
from pytest_selfopt.trial import Json, Reply

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

    from pytest_selfopt.bench.tools import Tool


_CHARACTER_S = 1e-5
"""Seconds that a check by a JSON Schema may take more for each character: ten times what valid JSON takes."""
_NO_REPETITIONS = "write it without repetitions that can match the same text in several ways"


@dataclass(frozen=True, slots=True)
class Calls:
    """The model makes exactly these calls, in any order or in this one."""

    calls: tuple[ExpectedCall, ...]
    in_order: bool = False
    comparison: Comparison = USUAL

    def judge(self, reply: Reply, tools: Sequence[Tool] = ()) -> Judgement:
        """Compare the calls of the reply; without calls, quote the text that came instead."""
        if reply.undecodable:
            return inapplicable(_undecodable(reply))
        if not reply.tool_calls:
            return wrong(f"expected {self._shown()}, got no call but {show(reply.text)}")
        schemas = schemas_by_name([(tool.name, tool.arguments) for tool in tools])
        reason = unmatched(self.calls, reply.tool_calls, schemas, self.comparison)
        if self.in_order and not reason:
            reason = misplaced(self.calls, reply.tool_calls, schemas, self.comparison)
        return judged(reason)

    def to_json(self) -> dict[str, Json]:
        """Return the form used in suite files."""
        value: dict[str, Json] = {"calls": [call.to_json() for call in self.calls]}
        if self.in_order:
            value["in_order"] = True
        return {**value, **self.comparison.to_json()}

    def _shown(self) -> str:
        return ", ".join(f"a call of {call.name}" for call in self.calls)


@dataclass(frozen=True, slots=True)
class NoCall:
    """The model calls no tool (restraint), whatever it says."""

    def judge(self, reply: Reply, _tools: Sequence[Tool] = ()) -> Judgement:
        """Reject calls, and text that tries to be a call."""
        if reply.tool_calls:
            return wrong(f"expected no tool call, got {show_calls(reply.tool_calls)}")
        if reply.undecodable:
            return inapplicable(f"expected no tool call; {_undecodable(reply)}")
        return RIGHT

    def to_json(self) -> dict[str, Json]:
        """Return the form used in suite files."""
        return {"no_call": True}


@dataclass(frozen=True, slots=True)
class AnyCall:
    """The model calls some tool (relevance), no matter which."""

    def judge(self, reply: Reply, _tools: Sequence[Tool] = ()) -> Judgement:
        """Reject replies of text alone, and calls that cannot be read."""
        if reply.undecodable:
            return inapplicable(f"expected a tool call; {_undecodable(reply)}")
        if not reply.tool_calls:
            return wrong(f"expected a tool call, got {show(reply.text)}")
        return RIGHT

    def to_json(self) -> dict[str, Json]:
        """Return the form used in suite files."""
        return {"any_call": True}


@dataclass(frozen=True, slots=True)
class Exact:
    """The text equals one of these, folded, apart from white space at both ends; as they are if `strict`."""

    texts: tuple[str, ...]
    ignore_case: bool = False
    strict: bool = False

    def judge(self, reply: Reply, _tools: Sequence[Tool] = ()) -> Judgement:
        """Compare the texts."""
        got = self._comparable(reply.text)
        return _text(reply, passed=got in map(self._comparable, self.texts), expected=f"exactly {_or(self.texts)}")

    def to_json(self) -> dict[str, Json]:
        """Return the form used in suite files."""
        value: dict[str, Json] = {"exact": list(self.texts)}
        if len(self.texts) == 1:
            value["exact"] = self.texts[0]
        return value | _set(ignore_case=self.ignore_case, strict=self.strict)

    def _comparable(self, text: str) -> str:
        text = comparable(text, ignore_case=self.ignore_case, strict=self.strict)
        if self.strict:
            return text
        return text.strip()


@dataclass(frozen=True, slots=True)
class Contains:
    """The text contains all of these parts, all of them folded; as they are if `strict`."""

    parts: tuple[str, ...]
    ignore_case: bool = False
    strict: bool = False

    def judge(self, reply: Reply, _tools: Sequence[Tool] = ()) -> Judgement:
        """Name the first part that is missing."""
        text = comparable(reply.text, ignore_case=self.ignore_case, strict=self.strict)
        for part in self.parts:
            if comparable(part, ignore_case=self.ignore_case, strict=self.strict) not in text:
                return _text(reply, passed=False, expected=f"{show(part)} in the text")
        return _text(reply, passed=True, expected="")

    def to_json(self) -> dict[str, Json]:
        """Return the form used in suite files."""
        parts: list[Json] = list(self.parts)
        return {"contains": parts, "ignore_case": self.ignore_case, **_set(strict=self.strict)}


@dataclass(frozen=True, slots=True)
class ContainsAny:
    """The text contains one of these parts at least, all of them folded; as they are if `strict`."""

    parts: tuple[str, ...]
    ignore_case: bool = False
    strict: bool = False

    def judge(self, reply: Reply, _tools: Sequence[Tool] = ()) -> Judgement:
        """Look for one part after the other."""
        text = comparable(reply.text, ignore_case=self.ignore_case, strict=self.strict)
        for part in self.parts:
            if comparable(part, ignore_case=self.ignore_case, strict=self.strict) in text:
                return _text(reply, passed=True, expected="")
        return _text(reply, passed=False, expected=f"{_or(self.parts)} in the text")

    def to_json(self) -> dict[str, Json]:
        """Return the form used in suite files."""
        parts: list[Json] = list(self.parts)
        return {"contains_any": parts, "ignore_case": self.ignore_case, **_set(strict=self.strict)}


@dataclass(frozen=True, slots=True)
class Regex:
    """The pattern is found somewhere in the text; it is one of Python, or of the `dialect` "javascript"."""

    pattern: str
    dialect: str = ""

    def judge(self, reply: Reply, _tools: Sequence[Tool] = ()) -> Judgement:
        """Search the text.

        Raises:
            SlowGrader: if the search takes longer than `LIMIT_S`.
        """
        try:
            matched = found(self.pattern, reply.text, self.dialect)
        except TooSlow:
            raise _slow(f"the regular expression {show(self.pattern)}", reply, LIMIT_S, _NO_REPETITIONS) from None
        return _text(reply, passed=matched, expected=f"a match of {show(self.pattern)}")

    def to_json(self) -> dict[str, Json]:
        """Return the form used in suite files."""
        if self.dialect:
            return {"regex": self.pattern, "dialect": self.dialect}
        return {"regex": self.pattern}


@dataclass(frozen=True, slots=True)
class Number:
    """The last number in the text equals this one, within an absolute tolerance.

    It is read as in the `locale`, a key of `LOCALES`; as in English if none is named.
    """

    value: float
    tolerance: float = 0.0
    locale: str = ""

    def judge(self, reply: Reply, _tools: Sequence[Tool] = ()) -> Judgement:
        """Compare the last number, because models reason first and answer last."""
        number = last_number(reply.text, self.locale)
        expected = number_in_words(self.value, self.tolerance)
        if number is None or reply.tool_calls:
            return _text(reply, passed=False, expected=expected)
        if number.value is None:
            # Nor does it show that the number is another one.
            return inapplicable(f"expected {expected}, but {show(number.text)} {number.problem}")
        passed = near(number.value, self.value, self.tolerance)
        if not passed and self._hidden_by_locale(number):
            value = show_number(self.value)
            reason = f"expected {expected}, but {show(number.text)} is {value} only in another locale; name it"
            return inapplicable(reason)
        return _text(reply, passed=passed, expected=expected)

    def to_json(self) -> dict[str, Json]:
        """Return the form used in suite files."""
        value: dict[str, Json] = {"number": self.value, "tolerance": self.tolerance}
        if self.locale:
            value["locale"] = self.locale
        return value

    def _hidden_by_locale(self, number: WrittenNumber) -> bool:
        """Whether the number would be right if the case named a locale."""
        if self.locale or number.other is None:
            return False
        return near(number.other, self.value, self.tolerance)


@dataclass(frozen=True)
class JsonSchema:
    """The text is JSON (also inside a code fence, unless `strict`) that satisfies this JSON Schema."""

    schema: dict[str, Json]
    strict: bool = False

    def judge(self, reply: Reply, _tools: Sequence[Tool] = ()) -> Judgement:
        """Name the first problem and its place.

        Raises:
            SlowGrader: if the check takes longer than `LIMIT_S`, and more for a long text.
        """
        if reply.tool_calls:
            return _text(reply, passed=False, expected="JSON")
        problem = self._problem(reply)
        if problem is None:
            return _text(reply, passed=False, expected="JSON")
        if problem:
            return _misfit(reply, f"the JSON does not satisfy the schema {problem}")
        return RIGHT

    def to_json(self) -> dict[str, Json]:
        """Return the form used in suite files."""
        return {"json_schema": self.schema, **_set(strict=self.strict)}

    def _problem(self, reply: Reply) -> str | None:
        form: Form = "fenced"
        if self.strict:
            form = "whole"
        seconds = LIMIT_S + _CHARACTER_S * len(reply.text)
        try:
            if is_interruptible():
                return bounded(problem_by, self._validator, reply.text, form, seconds=seconds)
            return bounded(problem_in, self.schema, reply.text, form, seconds=seconds)
        except TooSlow:
            what = f"the JSON Schema {show(self.schema)}"
            raise _slow(what, reply, seconds, self._remedy()) from None

    def _remedy(self) -> str:
        """Say what takes time for ever in a schema like this one."""
        if next(patterns_in(self.schema), None) is not None:
            return _NO_REPETITIONS
        return "write it with fewer alternatives (anyOf, oneOf) that hold themselves, or limit the model's max_tokens"

    @cached_property
    def _validator(self) -> Validator:
        return validator_of(self.schema)


@dataclass(frozen=True, slots=True)
class Graded:
    """The function at the import path "module:NAME" says what is wrong with the reply.

    It receives the reply and `wanted`, and returns a sentence, or an empty string if the reply is right.
    """

    grader: str
    wanted: Json = None

    def judge(self, reply: Reply, _tools: Sequence[Tool] = ()) -> Judgement:
        """Call the function.

        Raises:
            BrokenGrader: if the function cannot be imported, raises, or does not return a string.
        """
        grader = grader_named(self.grader)
        try:
            reason = grader(reply, copy.deepcopy(self.wanted))
        except Exception as problem:
            cause = f"{type(problem).__name__}: {problem}"
            raise BrokenGrader(f"grader {self.grader!r}: {cause}") from problem
        if not isinstance(reason, str):
            raise BrokenGrader(
                f"grader {self.grader!r} returned {reason!r}; "
                "it must return what is wrong, or an empty string if the reply is right"
            )
        return judged(reason)

    def to_json(self) -> dict[str, Json]:
        """Return the form used in suite files."""
        return {"grader": self.grader, "wanted": self.wanted}


def grader_named(name: str) -> Callable[[Reply, Json], object]:
    """Import a project's grader.

    Raises:
        BrokenGrader: if the grader cannot be imported or called.
    """
    try:
        grader = imported(name)
    except ValueError as problem:
        raise BrokenGrader(f"grader {problem}") from None
    if not callable(grader):
        raise BrokenGrader(f"grader {name!r} is not a function")
    return grader


_OfCalls: TypeAlias = Calls | NoCall | AnyCall
_OfText: TypeAlias = Exact | Contains | ContainsAny | Regex | Number | JsonSchema
Combination: TypeAlias = Not | AllOf | AnyOf
Expectation: TypeAlias = _OfCalls | _OfText | Graded | Combination | Goal


def _text(reply: Reply, *, passed: bool, expected: str) -> Judgement:
    """Judge a text; a tool call where text was expected is a miss, whatever the text."""
    if reply.tool_calls:
        return inapplicable(f"expected words, got {show_calls(reply.tool_calls)}")
    if passed:
        return RIGHT
    return _misfit(reply, f"expected {expected}, got {show(reply.text)}")


def _misfit(reply: Reply, reason: str) -> Judgement:
    """Judge against a text; one that sets out to be a call is not among the words that were expected."""
    if reply.undecodable:
        return inapplicable(reason)
    return wrong(reason)


def _set(**flags: bool) -> dict[str, Json]:
    """Return the flags that are set."""
    return {name: True for name, flag in flags.items() if flag}


def _or(texts: Sequence[str]) -> str:
    return " or ".join(map(show, texts))


def _slow(what: str, reply: Reply, seconds: float, remedy: str) -> SlowGrader:
    length = len(reply.text)
    return SlowGrader(
        f"{what} takes longer than {seconds:.3g} s on {show(reply.text)} ({length:,} characters); {remedy}"
    )


def _undecodable(reply: Reply) -> str:
    return f"the reply {line(reply.undecodable)}: {show(reply.text)}"
