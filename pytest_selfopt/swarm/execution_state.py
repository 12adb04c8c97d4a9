"""State of one question to a swarm: stage by stage, from earlier answers to the next calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pytest_selfopt.runners.runner import Call
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.swarm.pattern import PatternStep
from pytest_selfopt.swarm.prompts import combining, refining
from pytest_selfopt.swarm.swarm import Swarm
from pytest_selfopt.swarm.voting import Vote, vote
from pytest_selfopt.trial import CallError, CallResult, ErrorKind, Reply

MARK = "#"
"""Separator in the id of a stage's call, between the swarm call's id and stage and place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberCall:
    """One answer in a stage: from a call, or from a vote."""

    stage: int
    place: int
    call: Call
    result: CallResult
    vote: Vote | None = None
    """The vote, if no call was needed."""


@dataclass(slots=True)
class SwarmExecution:
    """The state of one call to a swarm. It makes no calls and reads no clock: calls go out, results come in.

    A stage begins when the previous one has ended. Missing answers are left out: a member that should have refined one
    answers the question itself, and a stage without any answer ends the execution with its first error.
    """

    call: Call
    swarm: Swarm
    parts: list[MemberCall] = field(default_factory=list)
    """All answers, stage by stage."""
    _stage: int = -1
    _under_way: dict[str, tuple[int, Call]] = field(default_factory=dict)
    _done: list[CallResult | None] = field(default_factory=list)

    def begin(self) -> list[Call]:
        """Return the calls of the first stage."""
        return self._next()

    def take(self, call_id: str, result: CallResult) -> list[Call] | CallResult | None:
        """Take a result; return further calls, the swarm's answer, or None if the stage goes on."""
        place, call = self._under_way.pop(call_id)
        self._done[place] = result
        self.parts.append(MemberCall(stage=self._stage, place=place, call=call, result=result))
        if self._under_way:
            return None
        return self._go_on()

    @property
    def under_way(self) -> tuple[str, ...]:
        """Return the ids of the calls that have not ended."""
        return tuple(self._under_way)

    def ended_by(self, error: CallError) -> CallResult:
        """End an abandoned execution with an error."""
        return self._result(reply=None, error=error)

    def _go_on(self) -> list[Call] | CallResult:
        while True:
            cancelled = self._cancelled()
            if cancelled is not None:
                return self.ended_by(cancelled)
            if all(reply is None for reply in self._replies()):
                return self._failed()
            if self._stage == len(self.swarm.topology.stages) - 1:
                return self._answer()
            calls = self._next()
            if calls:
                return calls

    def _cancelled(self) -> CallError | None:
        """Return the error of a call of the stage that is to be made again, or None; a spent quota says why."""
        errors = [result.error for result in self._done if result is not None and result.error and result.cancelled]
        errors.sort(key=lambda error: error.kind is not ErrorKind.QUOTA)
        return next(iter(errors), None)

    def _replies(self) -> list[Reply | None]:
        """Return the reply at each place of the stage."""
        return list(map(_reply, self._done))

    def _next(self) -> list[Call]:
        """Begin the next stage; a place that a vote can decide needs no call."""
        before = self._replies()
        self._stage += 1
        topology = self.swarm.topology
        size = topology.stages[self._stage]
        step = topology.step(self._stage)
        self._done = [None] * size
        self._under_way = {}
        for place in range(size):
            indexes = topology.sources(self._stage, place)
            sources = [before[index] for index in indexes]
            if step is PatternStep.AGGREGATE:
                self._aggregate(place, sources)
            else:
                self._go_on_from(place, sources)
        return [call for _, call in self._under_way.values()]

    def _go_on_from(self, place: int, sources: Sequence[Reply | None]) -> None:
        """Ask the member at a place to refine the first answer, or to answer the question if there is none."""
        request = self.call.request
        answer = next(filter(None, sources), None)
        if answer is not None:
            request = refining(request, answer)
        self._ask(place, self.swarm.member(place), request)

    def _aggregate(self, place: int, sources: Sequence[Reply | None]) -> None:
        counted = vote(sources)
        if counted is None:
            return
        if counted.free:
            answers = list(filter(None, sources))
            request = combining(self.call.request, answers)
            self._ask(place, self.swarm.judge, request)
            return
        self._count(place, sources, counted)

    def _count(self, place: int, sources: Sequence[Reply | None], counted: Vote) -> None:
        """Take the answer with most votes as the answer of the place."""
        reply = sources[counted.winner]
        assert reply is not None
        now = max(part.result.ended for part in self.parts)
        # No call was made: it costs nothing and takes no time.
        result = CallResult(
            reply=replace(reply, tokens_in=0, tokens_out=0, latency_s=0.0),
            started=now,
            ended=now,
            answers=0,
            lane=self.call.lane,
            cost_usd=0.0,
        )
        self._done[place] = result
        call = replace(self.call, id=self._id(place))
        part = MemberCall(
            stage=self._stage,
            place=place,
            call=call,
            result=result,
            vote=counted,
        )
        self.parts.append(part)

    def _ask(self, place: int, model: str, request: ChatRequest) -> None:
        call = replace(
            self.call,
            id=self._id(place),
            model=model,
            lane=model,
            request=request,
        )
        self._under_way[call.id] = (place, call)

    def _id(self, place: int) -> str:
        return f"{self.call.id}{MARK}{self._stage}.{place}"

    def _answer(self) -> CallResult:
        """Return the swarm's answer: the majority of its last stage."""
        replies = self._replies()
        counted = vote(replies)
        assert counted is not None
        reply = replies[counted.winner]
        assert reply is not None
        return self._result(reply=reply, error=None)

    def _failed(self) -> CallResult:
        """Fail with the first error of a stage without answers."""
        errors: list[CallError] = []
        for part in self.parts:
            error = part.result.error
            if part.stage == self._stage and error:
                errors.append(error)
        first = errors[0]
        if len(errors) > 1:
            message = f"none of {len(errors)} models answered; first error: {first.message}"
            first = replace(first, message=message)
        return self.ended_by(first)

    def _result(self, *, reply: Reply | None, error: CallError | None) -> CallResult:
        starts: list[float] = []
        ends: list[float] = []
        waits: list[float] = []
        answers = 0
        for part in self.parts:
            starts.append(part.result.started)
            ends.append(part.result.ended)
            waits.append(part.result.waited_s)
            answers += part.result.attempts
        began, ended = min(starts), max(ends)
        if reply is not None:
            reply = self._as_own(reply, ended - began)
        return CallResult(
            reply=reply,
            error=error,
            started=began,
            ended=ended,
            answers=answers,
            waited_s=min(waits),
            lane=self.call.lane,
        )

    def _as_own(self, reply: Reply, latency_s: float) -> Reply:
        """Return a reply as the swarm's own, with the tokens of all calls together."""
        tokens_in: list[int | None] = []
        tokens_out: list[int | None] = []
        copied = ""
        for part in self.parts:
            answer = part.result.reply
            if answer is not None:
                copied = copied or answer.copied
                tokens_in.append(answer.tokens_in)
                tokens_out.append(answer.tokens_out)
        return replace(
            reply,
            tokens_in=_sum(tokens_in),
            tokens_out=_sum(tokens_out),
            latency_s=latency_s,
            load_s=None,
            served_model=self.swarm.served_as,
            provider_id="",
            copied=copied,
        )


def _reply(result: CallResult | None) -> Reply | None:
    if result is None:
        return None
    return result.reply


def _sum(counts: Sequence[int | None]) -> int | None:
    """Return the sum; None if any count is unknown."""
    total = 0
    for count in counts:
        if count is None:
            return None
        total += count
    return total
