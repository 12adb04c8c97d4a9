"""Votes among the answers of several models."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_selfopt.specs.variants import read_json_answer
from pytest_selfopt.strict_json import limited_int
from pytest_selfopt.trial import Json, Reply

MOST_WORDS = 8
"""Words of a text above which two models are not expected to give the same one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """The answer with most votes (counting from 0), its votes, and the number of voters."""

    winner: int
    voices: int
    voters: int
    free: bool
    """Whether the answers are free texts no two of which agree, so that counting decides nothing."""

    @property
    def sentence(self) -> str:
        """Return the vote for people."""
        return f"{self.voices} of {self.voters} agree"


def vote(replies: Sequence[Reply | None]) -> Vote | None:
    """Count equal answers; None if there are no answers.

    Tool calls are equal if names and arguments are; texts if they have the same words or JSON, ignoring case. Of
    answers with equally many votes, the first in the order of the members wins, so that the same answers always give
    the same result.
    """
    voices: dict[str, list[int]] = {}
    for place, reply in enumerate(replies):
        if reply is not None:
            voices.setdefault(key_of(reply), []).append(place)
    if not voices:
        return None
    most = max(voices.values(), key=len)
    winner = replies[most[0]]
    assert winner is not None
    voters = sum(map(len, voices.values()))
    none_agree = len(most) == 1 and voters > 1
    return Vote(
        winner=most[0],
        voices=len(most),
        voters=voters,
        free=none_agree and is_free_text(winner),
    )


def key_of(reply: Reply) -> str:
    """Return a key that equal answers share."""
    read = read_json_answer(reply)
    try:
        if read.tool_calls:
            calls = sorted(_dump([call.name, call.arguments]) for call in read.tool_calls)
            return f"calls {calls}"
        return f"value {_dump(json.loads(read.text, parse_int=limited_int))}"
    except (ValueError, RecursionError):
        return f"text {_plain(read.text)}"


def is_free_text(reply: Reply) -> bool:
    """Whether an answer is text that two models would not word alike."""
    read = read_json_answer(reply)
    return not read.tool_calls and len(read.text.split()) > MOST_WORDS


def _dump(value: Json) -> str:
    return json.dumps(_plain_value(value), sort_keys=True, ensure_ascii=True)


def _plain_value(value: Json) -> Json:
    if isinstance(value, str):
        return _plain(value)
    if isinstance(value, list):
        return list(map(_plain_value, value))
    if isinstance(value, dict):
        return {name: _plain_value(member) for name, member in value.items()}
    # 3.0 and 3 are equal; booleans are not numbers.
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


def _plain(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".!")
