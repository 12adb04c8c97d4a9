"""Expectations: the ways in which a case defines the right answer, each with its grader."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pytest_selfopt.bench.call_format import line, show, show_calls
from pytest_selfopt.bench.grading.extract import NO_JSON, json_in
from pytest_selfopt.bench.grading.folding import fold
from pytest_selfopt.bench.grading.goal import Goal
from pytest_selfopt.bench.grading.json_schema import first_problem
from pytest_selfopt.bench.grading.judgement import RIGHT, Judgement, judged, wrong
from pytest_selfopt.bench.grading.number_notation import WrittenNumber, last_number
from pytest_selfopt.bench.grading.numbers import near, number_in_words, show_number
from pytest_selfopt.bench.grading.tool_calls import (
    AS_BFCL,
    Comparison,
    ExpectedCall,
    schemas_by_name,
    unmatched,
)
from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.import_string import imported
from pytest_selfopt.trial import Json, Reply

if TYPE_CHECKING:
    from pytest_selfopt.bench.tools import Tool


class BrokenGrader(SelfoptError):
    """A project's grader cannot judge: a fault of the benchmark, not of the model."""


@dataclass(frozen=True, slots=True)
class Calls:
    """The model makes exactly these calls, in any order."""

    calls: tuple[ExpectedCall, ...]
    comparison: Comparison = AS_BFCL

    def judge(self, reply: Reply, tools: Sequence[Tool] = ()) -> Judgement:
        """Compare the calls of the reply; without calls, quote the text that came instead."""
        if reply.undecodable:
            return wrong(_undecodable(reply))
        if not reply.tool_calls:
            return wrong(f"expected {self._shown()}, got no call but {show(reply.text)}")
        schemas = schemas_by_name([(tool.name, tool.parameters) for tool in tools])
        reason = unmatched(self.calls, reply.tool_calls, schemas, self.comparison)
        return judged(reason)

    def to_json(self) -> dict[str, Json]:
        """Return the form used in suite files."""
        calls: list[Json] = [call.to_json() for call in self.calls]
        return {"calls": calls, **self.comparison.to_json()}

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
            return wrong(f"expected no tool call; {_undecodable(reply)}")
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
            return wrong(f"expected a tool call; {_undecodable(reply)}")
        if not reply.tool_calls:
            return wrong(f"expected a tool call, got {show(reply.text)}")
        return RIGHT

    def to_json(self) -> dict[str, Json]:
        """Return the form used in suite files."""
        return {"any_call": True}


@dataclass(frozen=True, slots=True)
class Exact:
    """The text equals this one, folded, apart from white space at both ends."""

    text: str

    def judge(self, reply: Reply, _tools: Sequence[Tool] = ()) -> Judgement:
        """Compare the texts."""
        same = fold(reply.text).strip() == fold(self.text).strip()
        return _text(reply, passed=same, expected=f"exactly {show(self.text)}")

    def to_json(self) -> dict[str, Json]:
        """Return the form used in suite files."""
        return {"exact": self.text}


@dataclass(frozen=True, slots=True)
class Contains:
    """The text contains all of these parts, all of them folded."""

    parts: tuple[str, ...]
    ignore_case: bool = False

    def judge(self, reply: Reply, _tools: Sequence[Tool] = ()) -> Judgement:
        """Name the first part that is missing."""
        text = self._folded(reply.text)
        for part in self.parts:
            if self._folded(part) not in text:
                return _text(reply, passed=False, expected=f"{show(part)} in the text")
        return _text(reply, passed=True, expected="")

    def to_json(self) -> dict[str, Json]:
        """Return the form used in suite files."""
        parts: list[Json] = list(self.parts)
        return {"contains": parts, "ignore_case": self.ignore_case}

    def _folded(self, text: str) -> str:
        folded = fold(text)
        if self.ignore_case:
            return folded.casefold()
        return folded


@dataclass(frozen=True, slots=True)
class Regex:
    """The pattern is found somewhere in the text."""

    pattern: str

    def judge(self, reply: Reply, _tools: Sequence[Tool] = ()) -> Judgement:
        """Search the text."""
        matched = re.search(self.pattern, reply.text) is not None
        return _text(reply, passed=matched, expected=f"a match of {show(self.pattern)}")

    def to_json(self) -> dict[str, Json]:
        """Return the form used in suite files."""
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
            return wrong(f"expected {expected}, but {show(number.text)} {number.problem}")
        passed = near(number.value, self.value, self.tolerance)
        if not passed and self._hidden_by_locale(number):
            value = show_number(self.value)
            return wrong(f"expected {expected}, but {show(number.text)} is {value} only in another locale; name it")
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


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """The text is JSON (also inside a code fence) that satisfies this JSON Schema."""

    schema: dict[str, Json]

    def judge(self, reply: Reply, _tools: Sequence[Tool] = ()) -> Judgement:
        """Name the first problem and its place."""
        value = json_in(reply.text)
        if reply.tool_calls or value is NO_JSON:
            return _text(reply, passed=False, expected="JSON")
        problem = first_problem(self.schema, value)
        if problem:
            return wrong(f"the JSON does not satisfy the schema {problem}")
        return RIGHT

    def to_json(self) -> dict[str, Json]:
        """Return the form used in suite files."""
        return {"json_schema": self.schema}


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
_OfText: TypeAlias = Exact | Contains | Regex | Number | JsonSchema
Expectation: TypeAlias = _OfCalls | _OfText | Graded | Goal


def _text(reply: Reply, *, passed: bool, expected: str) -> Judgement:
    """Judge a text; a tool call where text was expected is a miss, whatever the text."""
    if reply.tool_calls:
        return wrong(f"expected words, got {show_calls(reply.tool_calls)}")
    if passed:
        return RIGHT
    return wrong(f"expected {expected}, got {show(reply.text)}")


def _undecodable(reply: Reply) -> str:
    return f"the reply {line(reply.undecodable)}: {show(reply.text)}"
