"""The driver of conversations between a model, a simulated world and a scripted user."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from pytest_selfopt.bench.case import Case, Example
from pytest_selfopt.bench.environment import BrokenWorld, Environment, result_of, state_of
from pytest_selfopt.bench.tools import Message
from pytest_selfopt.errors import SpecError
from pytest_selfopt.models.cost import UNBILLED
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.specs.variants import Variant, build_request, read_reply
from pytest_selfopt.trial import CallError, Conversation, ErrorKind, Json, Reply, Step

Ask = Callable[[ChatRequest], Reply | CallError]
"""Asks the model once, including retries."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialogue:
    """A conversation as data: the case with its world and turns, and the variant."""

    case: Case
    examples: tuple[Example, ...]
    spec: Spec
    variant: Variant


class _Talk:
    """A running conversation."""

    def __init__(self, dialogue: Dialogue, world: Environment, ask: Ask) -> None:
        self._dialogue = dialogue
        self.world = world
        self._ask = ask
        self._messages: list[Message] = list(dialogue.case.messages)
        self.steps: list[Step] = []
        self.replies: list[Reply] = []

    def say(self, text: str) -> None:
        """Add a message of the user."""
        self._messages.append(Message(role="user", content=text))

    def turn(self, number: int) -> CallError | bool:
        """Ask the model until it answers without a call; return whether it did within its steps, or an error."""
        for _ in range(self._dialogue.case.steps):
            answer = self._ask(self._request())
            if isinstance(answer, CallError):
                return answer
            reply = read_reply(answer, self._dialogue.variant)
            self.replies.append(reply)
            results = [result_of(self.world, call) for call in reply.tool_calls]
            step = Step(
                turn=number,
                text=reply.text,
                calls=reply.tool_calls,
                results=tuple(results),
                id=reply.provider_id,
            )
            self.steps.append(step)
            message = Message(role="assistant", content=reply.text, calls=reply.tool_calls, echo=answer.echo)
            self._messages.append(message)
            if not reply.tool_calls:
                return True
            for call, result in zip(reply.tool_calls, results, strict=True):
                message = Message(role="tool", content=result, tool=call.name)
                self._messages.append(message)
        return False

    def _request(self) -> ChatRequest:
        case = replace(self._dialogue.case, messages=tuple(self._messages))
        return build_request(case, self._dialogue.examples, self._dialogue.spec, self._dialogue.variant)


def converse(dialogue: Dialogue, ask: Ask) -> Reply | CallError:
    """Run a conversation; a call without an answer ends it, and so does a turn of too many steps.

    Return one reply with all steps: tokens and latency are sums, `served_model` is the last. A world or a variant that
    breaks is a fault of the benchmark: an error of kind "test".
    """
    case = dialogue.case
    if case.world is None:
        return CallError(kind=ErrorKind.TEST, message=f"{case.key} has no environment to converse in")
    try:
        talk = _Talk(dialogue, case.world.build(), ask)
        unfinished = None
        states: list[dict[str, Json]] = []
        for number in range(1, len(case.turns) + 2):
            if number > 1:
                talk.say(case.turns[number - 2])
            ended = talk.turn(number)
            if isinstance(ended, CallError):
                return _with_earlier(ended, talk.replies)
            states.append(state_of(talk.world))
            if not ended:
                unfinished = number
                break
        return _together(talk.replies, talk.steps, states, unfinished)
    except (BrokenWorld, SpecError) as problem:
        return CallError(kind=ErrorKind.TEST, message=str(problem))


def _together(
    replies: Sequence[Reply], steps: Sequence[Step], states: Sequence[dict[str, Json]], unfinished: int | None
) -> Reply:
    return replace(
        _summed(replies),
        tool_calls=tuple(itertools.chain.from_iterable(step.calls for step in steps)),
        undecodable=_first_filled(reply.undecodable for reply in replies),
        refusal=_first_filled(reply.refusal for reply in replies),
        conversation=Conversation(steps=tuple(steps), states=tuple(states), unfinished=unfinished),
    )


def _with_earlier(error: CallError, replies: Sequence[Reply]) -> CallError:
    """Return the error with what came before it, which is billed, unless the cost of the error itself is unknown."""
    came = list(replies)
    if error.reply is not None:
        came.append(error.reply)
    elif error.kind not in UNBILLED:
        return error
    if not came:
        return error
    return replace(error, reply=_summed(came))


def _summed(replies: Sequence[Reply]) -> Reply:
    """Return the last reply, with the tokens and the cost of all that are new, and the latency of all."""
    first, last = replies[0], replies[-1]
    copied = _first_filled(reply.copied for reply in replies)
    new = [reply for reply in replies if not reply.copied]
    return replace(
        last,
        tokens_in=_sum([reply.tokens_in for reply in new]),
        tokens_out=_sum([reply.tokens_out for reply in new]),
        tokens_cached=_sum([reply.tokens_cached for reply in new]),
        tokens_cache_write=_sum([reply.tokens_cache_write for reply in new]),
        tokens_reasoning=_sum([reply.tokens_reasoning for reply in new]),
        cost_usd=_sum([reply.cost_usd for reply in new]),
        latency_s=sum(reply.latency_s for reply in replies),
        load_s=first.load_s,
        first_token_s=first.first_token_s,
        copied=copied,
    )


def _first_filled(texts: Iterable[str]) -> str:
    """Return the first non-empty text, or an empty one."""
    return next(filter(None, texts), "")


_Number = TypeVar("_Number", int, float)


def _sum(values: Sequence[_Number | None]) -> _Number | None:
    """Return the sum; None (unknown) if any value is."""
    total: _Number = 0
    for value in values:
        if value is None:
            return None
        total += value
    return total
