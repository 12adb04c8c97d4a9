"""The expectation of a case with several turns: the final state of the world, and the calls that lead to it."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_selfopt.bench.call_format import line, show, show_calls
from pytest_selfopt.bench.environment import FAILED
from pytest_selfopt.bench.grading.argument_values import USUAL, Comparison, Schema
from pytest_selfopt.bench.grading.judgement import Judgement, judged, wrong
from pytest_selfopt.bench.grading.tool_calls import (
    ExpectedCall,
    mismatch,
    schemas_by_name,
    show_expected,
)
from pytest_selfopt.bench.tools import Tool, call_to_json
from pytest_selfopt.trial import Conversation, Json, Reply, Step, ToolCall


@dataclass(frozen=True, slots=True, kw_only=True)
class TurnGoal:
    """Results and state of one turn's reference calls: the model must have seen and reached them by its end."""

    calls: tuple[ToolCall, ...]
    results: tuple[str, ...]
    state: dict[str, Json]

    def to_json(self) -> list[Json]:
        """Return the reference calls; results and state follow from them."""
        return list(map(call_to_json, self.calls))


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """The conditions that a finished conversation must meet; everything else is free.

    `state` is the end state; `calls` must be made (among others; in this order if `in_order`); `forbidden` tools must
    not be called, and no tool at all in the `quiet` turns (from 1), where the model must ask or refuse.
    `comparison` is how arguments are compared with those of `calls`.
    `by_turn` says the same of each turn, as BFCL does: a turn without reference calls is not judged.
    """

    state: dict[str, Json] | None = None
    by_turn: tuple[TurnGoal, ...] = ()
    calls: tuple[ExpectedCall, ...] = ()
    in_order: bool = False
    forbidden: tuple[str, ...] = ()
    quiet: tuple[int, ...] = ()
    comparison: Comparison = USUAL

    def judge(self, reply: Reply, tools: Sequence[Tool] = ()) -> Judgement:
        """Judge the calls first, then the end state: a wrong call says more than the state it leads to."""
        talk = reply.conversation
        if talk is None:
            return wrong(f"expected a conversation, got a single answer: {show(reply.text)}")
        reason = (
            self._overstepped(talk)
            or self._forbidden(talk)
            or _unfinished(talk, reply)
            or self._missing(talk, tools)
            or self._astray(talk)
            or self._elsewhere(talk)
        )
        return judged(reason)

    def oversteps(self, reply: Reply) -> bool:
        """Whether a tool was called in a turn that needs none."""
        talk = reply.conversation
        return talk is not None and bool(self._overstepped(talk))

    def to_json(self) -> dict[str, Json]:
        """Return the form used in suite files."""
        value: dict[str, Json] = {"state": self.state}
        if self.by_turn:
            value["by_turn"] = [goal.to_json() for goal in self.by_turn]
        if self.calls:
            value["calls"] = [call.to_json() for call in self.calls]
            value["in_order"] = self.in_order
            value.update(self.comparison.to_json())
        if self.forbidden:
            value["forbidden"] = list(self.forbidden)
        if self.quiet:
            value["no_call_in"] = list(self.quiet)
        return value

    def _overstepped(self, talk: Conversation) -> str:
        for step in talk.steps:
            if step.turn in self.quiet and step.calls:
                return f"expected no tool call in turn {step.turn}, got {show_calls(step.calls)}"
        return ""

    def _forbidden(self, talk: Conversation) -> str:
        for step in talk.steps:
            for call in step.calls:
                if call.name in self.forbidden:
                    return f"{call.name} must not be called, but was in turn {step.turn}"
        return ""

    def _missing(self, talk: Conversation, tools: Sequence[Tool]) -> str:
        """Name the first expected call that was not made; each call made matches one expected call."""
        schemas = schemas_by_name([(tool.name, tool.arguments) for tool in tools])
        made = list(itertools.chain.from_iterable(map(_carried_out, talk.steps)))
        for expected in self.calls:
            schema = schemas.get(expected.name.replace(".", "_"))
            place = _first_match(expected, made, schema, self.comparison)
            if place is None:
                return self._not_made(expected)
            if self.in_order:
                del made[: place + 1]
            else:
                del made[place]
        return ""

    def _not_made(self, expected: ExpectedCall) -> str:
        shown = show_expected(expected)
        if self.in_order:
            return f"expected {shown} at its place in the order, but it was not made"
        return f"expected {shown}, but it was not made"

    def _astray(self, talk: Conversation) -> str:
        """Describe the first turn that missed what its reference calls did."""
        for number, wanted in enumerate(self.by_turn, start=1):
            if not wanted.calls:
                continue
            reason = _turn_astray(number, wanted, talk)
            if reason:
                return reason
        return ""

    def _elsewhere(self, talk: Conversation) -> str:
        if self.state is None:
            return ""
        difference = next(_differences(self.state, talk.state, ""), "")
        if difference:
            return f"the world did not end as expected: {difference}"
        return ""


def _first_match(
    expected: ExpectedCall,
    made: Sequence[ToolCall],
    schema: Schema | None,
    comparison: Comparison,
) -> int | None:
    """Return the index of the first call that matches the expected one."""
    for place, call in enumerate(made):
        if not mismatch(expected, call, schema, comparison):
            return place
    return None


def _turn_astray(number: int, wanted: TurnGoal, talk: Conversation) -> str:
    """Describe what a turn, counted from 1, missed; empty if nothing."""
    if not any(step.calls for step in talk.steps if step.turn == number):
        return f"expected a tool call in turn {number}, but none was made"
    state = talk.states[number - 1]
    difference = next(_differences(wanted.state, state, ""), "")
    if difference:
        return f"the world was not as expected after turn {number}: {difference}"
    return _unseen(number, wanted, talk)


def _unseen(number: int, wanted: TurnGoal, talk: Conversation) -> str:
    """Name the first wanted result not seen by the end of a turn; each result seen matches one wanted."""
    seen = Counter[str]()
    for step in talk.steps:
        if step.turn <= number:
            seen.update(step.results)
    for call, result in zip(wanted.calls, wanted.results, strict=True):
        if not seen[result]:
            return f"turn {number} did not obtain the result of {show_calls([call])}: {line(result)}"
        seen[result] -= 1
    return ""


def _unfinished(talk: Conversation, reply: Reply) -> str:
    if talk.unfinished is not None:
        return f"turn {talk.unfinished} did not finish within its steps"
    if reply.undecodable:
        return f"the reply {line(reply.undecodable)}: {show(reply.text)}"
    return ""


def _carried_out(step: Step) -> Iterator[ToolCall]:
    """Yield the calls that the world carried out."""
    for call, result in zip(step.calls, step.results, strict=True):
        if not result.startswith(FAILED):
            yield call


def _differences(wanted: Json, got: Json, path: str) -> Iterator[str]:
    """Yield the differences between two states, in order of place."""
    if isinstance(wanted, dict) and isinstance(got, dict):
        yield from _member_differences(wanted, got, path)
    elif isinstance(wanted, list) and isinstance(got, list) and len(wanted) == len(got):
        for index, (item, other) in enumerate(zip(wanted, got, strict=True)):
            yield from _differences(item, other, f"{path}[{index}]")
    elif not _same(wanted, got):
        place = path.lstrip(".") or "the state"
        yield f"{place} is {show(got)}, expected {show(wanted)}"


def _member_differences(wanted: dict[str, Json], got: dict[str, Json], path: str) -> Iterator[str]:
    for name in sorted({*wanted, *got}):
        member = f"{path}.{line(name, 40)}"
        place = member.lstrip(".")
        if name not in got:
            yield f"{place} is missing, expected {show(wanted[name])}"
        elif name not in wanted:
            yield f"{place} is {show(got[name])}, but was not expected"
        else:
            yield from _differences(wanted[name], got[name], member)


def _same(wanted: Json, got: Json) -> bool:
    if isinstance(wanted, bool) or isinstance(got, bool):
        return wanted is got
    if isinstance(wanted, int | float) and isinstance(got, int | float):
        return wanted == got
    return type(wanted) is type(got) and wanted == got
