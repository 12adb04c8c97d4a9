"""Answers that came before: what one reply does not show, but several do.

A gateway that replays an answer whole gives its id twice; one that counts no tokens for it gives the same words at once
and for nothing. Neither is a sign by itself: servers exist whose ids are constant, short or drawn from a thousand
(Ollama's OpenAI endpoint), servers that never count tokens, and models that at temperature 0 say the same again, under
a new id and for as many tokens.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pytest_selfopt.ledger.records import Answered
from pytest_selfopt.runners.runner import Finished
from pytest_selfopt.swarm.execution_state import MARK
from pytest_selfopt.trial import CallResult, Reply, ToolCall

MIN_ID_LENGTH = 12
MIN_ID_CHARACTERS = 6
"""The least length of an id, and the least number of different characters in it, with which it comes once by chance."""
MIN_IDS = 2
"""The number of different ids of a model before its ids prove anything: some servers know only one."""
AT_ONCE = 0.25
"""The share of the time of an answer within which the same words, for no tokens, count as a copy of it."""

TWICE = "its id came before"
FOR_NOTHING = "the words of an earlier answer, at once and for no tokens"
OF_MEMBER = "an answer of a member is a copy"

Earlier = Callable[[Sequence[str]], Mapping[str, Sequence[Answered]]]
"""Returns the answers of earlier cycles by id, oldest first."""


@dataclass(slots=True)
class _Known:
    """What is known of one model's answers; contents are kept as hashes."""

    ids: dict[str, tuple[str, int]] = field(default_factory=dict)
    """The call and the content of the first answer with each id."""
    unique: bool = True
    """Whether no id came with two contents."""
    latencies: dict[int, float] = field(default_factory=dict)
    """The seconds that the first answer with each content took, of those whose tokens were counted."""


class CopyWatch:
    """Marks answers of a session that came before, in the order of their arrival: the first one is the original."""

    def __init__(self, earlier: Earlier, stored: Iterable[tuple[str, CallResult]] = ()) -> None:
        """Compare with `earlier` answers, and with the `stored` ones of a resumed cycle, by the id of the call."""
        self._earlier = earlier
        self._models: dict[str, _Known] = {}
        self._swarms: set[str] = set()
        """The calls to swarms of which a member's answer is a copy, by id."""
        for call_id, result in stored:
            self._sign(call_id, result, {})

    def mark(self, finished: Sequence[Finished]) -> list[Finished]:
        """Return finished calls, in the same order, with a sign on each answer that is found to be a copy."""
        ids = {name for end in finished for name, _ in _parts(end.result.reply) if is_telling(name)}
        earlier: Mapping[str, Sequence[Answered]] = {}
        if ids:
            earlier = self._earlier(sorted(ids))
        return [self._marked(end, earlier) for end in finished]

    def _marked(self, end: Finished, earlier: Mapping[str, Sequence[Answered]]) -> Finished:
        sign = self._sign(end.call.id, end.result, earlier)
        reply = end.result.reply
        if reply is None:
            return end
        swarm_call, _, _ = end.call.id.rpartition(MARK)
        copied = reply.copied or sign
        if end.call.id in self._swarms:
            copied = copied or OF_MEMBER
        if copied and swarm_call:
            self._swarms.add(swarm_call)
        if copied == reply.copied:
            return end
        return Finished(end.call, replace(end.result, reply=replace(reply, copied=copied)))

    def _sign(self, call_id: str, result: CallResult, earlier: Mapping[str, Sequence[Answered]]) -> str:
        """Take in an answer; return by what it shows that it is a copy, or an empty text."""
        # The answer that a vote has chosen was asked for by another call.
        if result.reply is None or not result.attempts:
            return ""
        known = self._models.setdefault(result.lane, _Known())
        signs: list[str] = []
        for name, content in _parts(result.reply):
            signs.append(_twice(known, call_id, name, content))
            signs.append(_before(known, name, content, earlier.get(name, ())))
            known.ids.setdefault(name, (call_id, content))
        signs.append(_for_nothing(known, result.reply))
        return next(filter(None, signs), "")


def _twice(known: _Known, call_id: str, name: str, content: int) -> str:
    """Say that an id came before in this session, if that proves anything."""
    first_call, first_content = known.ids.get(name, (call_id, content))
    if first_call == call_id:
        return ""
    known.unique = known.unique and first_content == content
    return _proof(known, name, TWICE)


def _before(known: _Known, name: str, content: int, answers: Sequence[Answered]) -> str:
    """Say that an id came in an earlier cycle, if that proves anything."""
    if not answers or name in known.ids:
        return ""
    same = all((name, content) in _parts(answered.reply) for answered in answers)
    known.unique = known.unique and same
    return _proof(known, name, f"{TWICE}, in cycle {answers[0].cycle}")


def _proof(known: _Known, name: str, sign: str) -> str:
    if not known.unique or not is_telling(name) or len(known.ids.keys() | {name}) < MIN_IDS:
        return ""
    return sign


def _for_nothing(known: _Known, reply: Reply) -> str:
    """Say that the same words came at once and for no tokens, although the model's tokens are counted."""
    content = _content(reply.text, reply.tool_calls)
    if reply.tokens_in or reply.tokens_out:
        known.latencies.setdefault(content, reply.latency_s)
        return ""
    first_s = known.latencies.get(content)
    if first_s is None or (reply.tokens_in, reply.tokens_out) != (0, 0) or reply.latency_s > AT_ONCE * first_s:
        return ""
    return FOR_NOTHING


_PREFIX = re.compile(r"[a-z]+[-_]", re.IGNORECASE)
_SIGNS = re.compile(r"[\W_]")


def is_telling(name: str) -> bool:
    """Whether an id is long and mixed enough to come only once: no counter, no word, no number up to a thousand."""
    drawn = _SIGNS.sub("", _PREFIX.sub("", name, count=1))
    return len(drawn) >= MIN_ID_LENGTH and len(set(drawn)) >= MIN_ID_CHARACTERS


def _parts(reply: Reply | None) -> Iterator[tuple[str, int]]:
    """Yield the id, if it has one, and the content of each answer in a reply: a conversation has several."""
    if reply is None:
        return
    parts = [(reply.provider_id, reply.text, reply.tool_calls)]
    if reply.conversation is not None:
        parts = [(step.id, step.text, step.calls) for step in reply.conversation.steps]
    for name, text, calls in parts:
        if name:
            yield name, _content(text, calls)


def _content(text: str, calls: Sequence[ToolCall]) -> int:
    return hash((text, repr(calls)))
