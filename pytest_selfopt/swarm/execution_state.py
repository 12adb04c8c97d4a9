"""How a swarm answers one question: stage after stage, from what was said before to what is asked next."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from pytest_selfopt.runners.runner import Call
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.swarm.pattern import Step
from pytest_selfopt.swarm.prompts import combining, refining
from pytest_selfopt.swarm.swarm import Swarm
from pytest_selfopt.swarm.voting import Vote, vote
from pytest_selfopt.trial import CallError, CallResult, Reply

MARK = "#"
"""Stands in the id of a stage's call between the id of the swarm's call and stage and place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
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
    parts: list[Part] = field(default_factory=list)
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
        self.parts.append(Part(stage=self._stage, place=place, call=call, result=result))
        return None if self._under_way else self._go_on()

    @property
    def under_way(self) -> tuple[str, ...]:
        """The calls that have not ended, by id."""
        return tuple(self._under_way)

    def ended_by(self, error: CallError) -> CallResult:
        """The end of a course that nobody goes on with."""
        return self._result(reply=None, error=error)

    def _go_on(self) -> list[Call] | CallResult:
        while True:
            cancelled = [one.error for one in self._done if one is not None and one.error and one.cancelled]
            if cancelled:
                return self.ended_by(cancelled[0])
            if all(one is None or one.reply is None for one in self._done):
                return self._failed()
            if self._stage == len(self.swarm.topology.stages) - 1:
                return self._answer()
            calls = self._next()
            if calls:
                return calls

    def _next(self) -> list[Call]:
        """Begin the next stage; what can be counted needs no call."""
        before = [one.reply if one is not None else None for one in self._done]
        self._stage += 1
        topology = self.swarm.topology
        size, step = topology.stages[self._stage], topology.step(self._stage)
        self._done = [None] * size
        self._under_way = {}
        for place in range(size):
            sources = [before[index] for index in topology.sources(self._stage, place)]
            if step is Step.AGGREGATE:
                self._aggregate(place, sources)
            else:
                said = next(filter(None, sources), None)
                self._ask(place, self.call.request if said is None else refining(self.call.request, said))
        return [call for _, call in self._under_way.values()]

    def _aggregate(self, place: int, sources: Sequence[Reply | None]) -> None:
        counted = vote(sources)
        if counted is None:
            return
        if counted.free:
            self._ask(place, combining(self.call.request, [one for one in sources if one is not None]), judge=True)
            return
        reply = sources[counted.winner]
        assert reply is not None
        at = max(part.result.ended for part in self.parts)
        # Nobody was asked: it costs nothing, and takes no time.
        said = replace(reply, tokens_in=0, tokens_out=0, latency_s=0.0)
        result = CallResult(reply=said, started=at, ended=at, answers=0, lane=self.call.lane, cost_usd=0.0)
        self._done[place] = result
        call = replace(self.call, id=self._id(place))
        self.parts.append(Part(stage=self._stage, place=place, call=call, result=result, vote=counted))

    def _ask(self, place: int, request: ChatRequest, *, judge: bool = False) -> None:
        model = self.swarm.judge if judge else self.swarm.member(place)
        call = replace(self.call, id=self._id(place), model=model, lane=model, request=request)
        self._under_way[call.id] = (place, call)

    def _id(self, place: int) -> str:
        return f"{self.call.id}{MARK}{self._stage}.{place}"

    def _answer(self) -> CallResult:
        """What the swarm says: what its last stage agrees on."""
        replies = [one.reply if one is not None else None for one in self._done]
        counted = vote(replies)
        assert counted is not None
        reply = replies[counted.winner]
        assert reply is not None
        return self._result(reply=reply, error=None)

    def _failed(self) -> CallResult:
        """Nothing came of a stage: what went wrong first stands for all."""
        errors = [part.result.error for part in self.parts if part.stage == self._stage and part.result.error]
        error = errors[0]
        if len(errors) > 1:
            error = replace(error, message=f"none of {len(errors)} answered; the first: {error.message}")
        return self.ended_by(error)

    def _result(self, *, reply: Reply | None, error: CallError | None) -> CallResult:
        results = [part.result for part in self.parts]
        began, ended = min(one.started for one in results), max(one.ended for one in results)
        if reply is not None:
            reply = replace(
                reply,
                tokens_in=_sum([one.reply.tokens_in for one in results if one.reply]),
                tokens_out=_sum([one.reply.tokens_out for one in results if one.reply]),
                latency_s=ended - began,
                load_s=None,
                served_model=self.swarm.served_as,
                provider_id="",
            )
        return CallResult(
            reply=reply,
            error=error,
            started=began,
            ended=ended,
            answers=sum(one.attempts for one in results),
            waited_s=min((one.waited_s for one in results), default=0.0),
            lane=self.call.lane,
        )


def _sum(counts: Sequence[int | None]) -> int | None:
    """A sum of which nothing is unknown; None when something is."""
    known = [one for one in counts if one is not None]
    return sum(known) if len(known) == len(counts) else None
