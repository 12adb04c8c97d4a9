"""Expectations made of others: the opposite of one, all of several, or any of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_selfopt.bench.call_format import show, show_calls
from pytest_selfopt.bench.grading.judgement import RIGHT, Judgement, inapplicable, wrong
from pytest_selfopt.trial import Json, Reply

if TYPE_CHECKING:
    from pytest_selfopt.bench.grading.expect import Expectation
    from pytest_selfopt.bench.tools import Tool


@dataclass(frozen=True, slots=True)
class Not:
    """The reply is not as the part says.

    A reply of another kind than the part is about is wrong for both: a tool call is no text without a word.
    """

    part: Expectation

    def judge(self, reply: Reply, tools: Sequence[Tool] = ()) -> Judgement:
        """Turn the judgement of the part, if the part applies to the reply."""
        from pytest_selfopt.bench.grading.phrases import in_words

        judgement = self.part.judge(reply, tools)
        if judgement.passed:
            return wrong(f"expected {in_words(self)}, got {_shown(reply)}")
        if not judgement.applicable:
            return inapplicable(f"expected {in_words(self)}, but that cannot be told: {judgement.reason}")
        return RIGHT

    def to_json(self) -> dict[str, Json]:
        """Return the form used in suite files."""
        return {"not": self.part.to_json()}


@dataclass(frozen=True, slots=True)
class AllOf:
    """The reply is as each of the parts says."""

    parts: tuple[Expectation, ...]

    def judge(self, reply: Reply, tools: Sequence[Tool] = ()) -> Judgement:
        """Give the reason of the first part that the reply misses; a part that applies decides for the opposite."""
        first = RIGHT
        for part in self.parts:
            judgement = part.judge(reply, tools)
            if judgement.passed:
                continue
            if judgement.applicable:
                return wrong(first.reason or judgement.reason)
            if first.passed:
                first = judgement
        return first

    def to_json(self) -> dict[str, Json]:
        """Return the form used in suite files."""
        return {"all": [part.to_json() for part in self.parts]}


@dataclass(frozen=True, slots=True)
class AnyOf:
    """The reply is as one of the parts says at least."""

    parts: tuple[Expectation, ...]

    def judge(self, reply: Reply, tools: Sequence[Tool] = ()) -> Judgement:
        """Give the reason of the part that is nearest to the reply, and the number of the others."""
        judgements = []
        for part in self.parts:
            judgement = part.judge(reply, tools)
            if judgement.passed:
                return RIGHT
            judgements.append(judgement)
        reason = self._nearest(judgements, reply).reason
        others = len(self.parts) - 1
        if others == 1:
            reason = f"{reason} (1 other alternative misses too)"
        elif others:
            reason = f"{reason} ({others} other alternatives miss too)"
        if all(judgement.applicable for judgement in judgements):
            return wrong(reason)
        return inapplicable(reason)

    def to_json(self) -> dict[str, Json]:
        """Return the form used in suite files."""
        return {"any": [part.to_json() for part in self.parts]}

    def _nearest(self, judgements: Sequence[Judgement], reply: Reply) -> Judgement:
        """Return the judgement of the first part about the called tools, or else of the first that applies."""
        from pytest_selfopt.bench.grading.meaning import calls_of

        called = sorted(call.name for call in reply.tool_calls)
        for part, judgement in zip(self.parts, judgements, strict=True):
            expected = sorted(call.name for call in calls_of(part))
            if called and called == expected:
                return judgement
        for judgement in judgements:
            if judgement.applicable:
                return judgement
        return judgements[0]


def _shown(reply: Reply) -> str:
    if reply.tool_calls:
        return show_calls(reply.tool_calls)
    return show(reply.text)
