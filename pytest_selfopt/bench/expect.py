"""Expectations: the ways in which a case says what is right, each with its grader."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from pytest_selfopt.bench.call_format import line, show, show_calls
from pytest_selfopt.bench.extract import NO_JSON, json_in, last_number
from pytest_selfopt.bench.goal import Goal
from pytest_selfopt.bench.json_schema import first_problem
from pytest_selfopt.bench.judgement import RIGHT, Judgement, judged, wrong
from pytest_selfopt.bench.tool_calls import ExpectedCall, schemas_by_name, unmatched
from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.import_string import imported
from pytest_selfopt.trial import Json, Reply

if TYPE_CHECKING:
    from pytest_selfopt.bench.tools import Tool


class BrokenGrader(SelfoptError):
    """A grader of a project's own cannot judge: a fault of the benchmark, and nothing about the model."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Exactly these tools are called, in any order."""

    calls: tuple[ExpectedCall, ...]

    def judge(self, reply: Reply, tools: Sequence[Tool] = ()) -> Judgement:
        """Compare the calls of the reply; a reply without any says what came instead."""
        if reply.undecodable:
            return wrong(_undecodable(reply))
        if not reply.tool_calls:
            return wrong(f"expected {self._shown()}, got no call but {show(reply.text)}")
        schemas = schemas_by_name([(tool.name, tool.parameters) for tool in tools])
        reason = unmatched(self.calls, reply.tool_calls, schemas)
        return judged(reason)

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
            return wrong(f"expected no tool call, got {show_calls(reply.tool_calls)}")
        if reply.undecodable:
            return wrong(f"expected no tool call; {_undecodable(reply)}")
        return RIGHT

    def to_json(self) -> dict[str, Json]:
        """As it stands in a suite file."""
        return {"no_call": True}


@dataclass(frozen=True, slots=True)
class AnyCall:
    """Some tool is called (relevance), whichever it is."""

    def judge(self, reply: Reply, _tools: Sequence[Tool] = ()) -> Judgement:
        """Words, or a call that cannot be read, are none."""
        if reply.undecodable:
            return wrong(f"expected a tool call; {_undecodable(reply)}")
        if not reply.tool_calls:
            return wrong(f"expected a tool call, got {show(reply.text)}")
        return RIGHT

    def to_json(self) -> dict[str, Json]:
        """As it stands in a suite file."""
        return {"any_call": True}


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
        text = self._folded(reply.text)
        for part in self.parts:
            if self._folded(part) not in text:
                return _text(reply, passed=False, expected=f"{show(part)} in the text")
        return _text(reply, passed=True, expected="")

    def to_json(self) -> dict[str, Json]:
        """As it stands in a suite file."""
        parts: list[Json] = list(self.parts)
        return {"contains": parts, "ignore_case": self.ignore_case}

    def _folded(self, text: str) -> str:
        if self.ignore_case:
            return text.casefold()
        return text


@dataclass(frozen=True, slots=True)
class Regex:
    """The pattern is found somewhere in the text."""

    pattern: str

    def judge(self, reply: Reply, _tools: Sequence[Tool] = ()) -> Judgement:
        """Search the text."""
        matched = re.search(self.pattern, reply.text) is not None
        return _text(reply, passed=matched, expected=f"a match of {show(self.pattern)}")

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
        # Slightly more than the tolerance: 0.4 counts as within 0.1 of 0.3, though 0.4 - 0.3 is rounded up.
        most = self.tolerance * (1 + 1e-12)
        near = got is not None and abs(got - self.value) <= most
        expected = f"the number {self.value:g}"
        if self.tolerance:
            expected = f"{expected} within {self.tolerance:g}"
        return _text(reply, passed=near, expected=expected)

    def to_json(self) -> dict[str, Json]:
        """As it stands in a suite file."""
        return {"number": self.value, "tolerance": self.tolerance}


@dataclass(frozen=True, slots=True)
class JsonSchema:
    """The text is JSON (also inside a code fence) that satisfies this JSON Schema."""

    schema: dict[str, Json]

    def judge(self, reply: Reply, _tools: Sequence[Tool] = ()) -> Judgement:
        """Say what is wrong where."""
        value = json_in(reply.text)
        if reply.tool_calls or value is NO_JSON:
            return _text(reply, passed=False, expected="JSON")
        problem = first_problem(self.schema, value)
        if problem:
            return wrong(f"the JSON does not satisfy the schema {problem}")
        return RIGHT

    def to_json(self) -> dict[str, Json]:
        """As it stands in a suite file."""
        return {"json_schema": self.schema}


@dataclass(frozen=True, slots=True)
class Graded:
    """A function says what is wrong with the reply; it is named by where it can be imported from, "module:NAME".

    It is given the reply and what is `wanted`, and answers with a sentence, or an empty text when nothing is wrong.
    """

    grader: str
    wanted: Json = None

    def judge(self, reply: Reply, _tools: Sequence[Tool] = ()) -> Judgement:
        """Ask the function.

        Raises:
            BrokenGrader: when it cannot be found, raises, or answers otherwise.
        """
        grader = grader_named(self.grader)
        try:
            reason = grader(reply, copy.deepcopy(self.wanted))
        except Exception as problem:
            cause = f"{type(problem).__name__}: {problem}"
            raise BrokenGrader(f"grader {self.grader!r}: {cause}") from problem
        if not isinstance(reason, str):
            raise BrokenGrader(
                f"grader {self.grader!r} answered {reason!r}; "
                "it has to answer with what is wrong, or with an empty text when nothing is"
            )
        return judged(reason)

    def to_json(self) -> dict[str, Json]:
        """As it stands in a suite file."""
        return {"grader": self.grader, "wanted": self.wanted}


def grader_named(name: str) -> Callable[[Reply, Json], object]:
    """A grader of a project's own.

    Raises:
        BrokenGrader: when it cannot be imported or is no function.
    """
    try:
        grader = imported(name)
    except ValueError as problem:
        raise BrokenGrader(f"grader {problem}") from None
    if not callable(grader):
        raise BrokenGrader(f"grader {name!r} is no function")
    return grader


_OfCalls: TypeAlias = Calls | NoCall | AnyCall
_OfText: TypeAlias = Exact | Contains | Regex | Number | JsonSchema
Expectation: TypeAlias = _OfCalls | _OfText | Graded | Goal


def _text(reply: Reply, *, passed: bool, expected: str) -> Judgement:
    """The judgement of a text; a tool call where words were expected is a miss whatever the words."""
    if reply.tool_calls:
        return wrong(f"expected words, got {show_calls(reply.tool_calls)}")
    if passed:
        return RIGHT
    return wrong(f"expected {expected}, got {show(reply.text)}")


def _undecodable(reply: Reply) -> str:
    return f"the reply {line(reply.undecodable)}: {show(reply.text)}"
