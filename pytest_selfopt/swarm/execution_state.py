"""How a swarm answers one question: stage after stage, from what was said before to what is asked next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pytest_selfopt.runners.runner import Call
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.swarm.pattern import PatternStep
from pytest_selfopt.swarm.prompts import combining, refining
from pytest_selfopt.swarm.swarm import Swarm
from pytest_selfopt.swarm.voting import Vote, vote
from pytest_selfopt.trial import CallError, CallResult, Reply

MARK = "#"
"""Stands in the id of a stage's call between the id of the swarm's call and stage and place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberCall:
    """One answer in a stage: the call that was made for it, or the vote that it comes from."""

    stage: int
    place: int
    call: Call
    result: CallResult
    vote: Vote | None = None
    """How it was counted, when nobody had to be asked."""


@dataclass(slots=True)
class SwarmExecution:
    """The course of one call to a swarm. It asks nobody and reads no clock; calls and their results go out and in.

    A stage begins when the one before has ended. Answers that did not come are left out: who should have gone on from
    one answers the question itself, and a stage of which nothing came ends the course with what went wrong.
    """

    call: Call
    swarm: Swarm
    parts: list[MemberCall] = field(default_factory=list)
    """All that was said, stage after stage."""
    _stage: int = -1
    _under_way: dict[str, tuple[int, Call]] = field(default_factory=dict)
    _done: list[CallResult | None] = field(default_factory=list)

    def begin(self) -> list[Call]:
        """The calls of the first stage."""
        return self._next()

    def take(self, call_id: str, result: CallResult) -> list[Call] | CallResult | None:
        """What follows from a result: more calls, the answer of the swarm, or nothing yet."""
        place, call = self._under_way.pop(call_id)
        self._done[place] = result
        self.parts.append(MemberCall(stage=self._stage, place=place, call=call, result=result))
        if self._under_way:
            return None
        return self._go_on()

    @property
    def under_way(self) -> tuple[str, ...]:
        """The calls that have not ended, by id."""
        return tuple(self._under_way)

    def ended_by(self, error: CallError) -> CallResult:
        """The end of a course that nobody goes on with."""
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
        """The error of the first call of the stage that was cancelled."""
        for result in self._done:
            if result is not None and result.error and result.cancelled:
                return result.error
        return None

    def _replies(self) -> list[Reply | None]:
        """What came of each place of the stage."""
        return list(map(_reply, self._done))

    def _next(self) -> list[Call]:
        """Begin the next stage; what can be counted needs no call."""
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
        """Ask the member at a place what it makes of the first answer, or the question itself without one."""
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
        """Take the answer that has most voices as what the place says."""
        reply = sources[counted.winner]
        assert reply is not None
        now = max(part.result.ended for part in self.parts)
        # Nobody was asked: it costs nothing, and takes no time.
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
        """What the swarm says: what its last stage agrees on."""
        replies = self._replies()
        counted = vote(replies)
        assert counted is not None
        reply = replies[counted.winner]
        assert reply is not None
        return self._result(reply=reply, error=None)

    def _failed(self) -> CallResult:
        """Nothing came of a stage: what went wrong first stands for all."""
        errors: list[CallError] = []
        for part in self.parts:
            error = part.result.error
            if part.stage == self._stage and error:
                errors.append(error)
        first = errors[0]
        if len(errors) > 1:
            message = f"none of {len(errors)} answered; the first: {first.message}"
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
        """A reply as the swarm's own, which took as many tokens as all calls together."""
        tokens_in: list[int | None] = []
        tokens_out: list[int | None] = []
        for part in self.parts:
            answer = part.result.reply
            if answer is not None:
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
        )


def _reply(result: CallResult | None) -> Reply | None:
    if result is None:
        return None
    return result.reply


def _sum(counts: Sequence[int | None]) -> int | None:
    """A sum of which nothing is unknown; None when something is."""
    total = 0
    for count in counts:
        if count is None:
            return None
        total += count
    return total
