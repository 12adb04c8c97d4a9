"""The input of workflows: calls as plain data, and how to carry them out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_selfopt import clock
from pytest_selfopt.runners.message import MessageContext
from pytest_selfopt.runners.runner import Call
from pytest_selfopt.runners.wire import call_to_bytes

WORKFLOW = "selfopt-calls-1"
"""The workflow that carries calls, with its format version."""

HERE = "selfopt-here-1"
"""The workflow that ends as soon as a worker takes it, which shows that the worker is present."""

ACTIVITY = "selfopt-call-1"
"""The activity that makes one call."""

BEGUN = "selfopt-begun-1"
"""The activity that reports which attempts at calls a worker has begun."""

MOST_CALLS = 64
"""The maximum of calls per workflow, which keeps its history far below the server's limits."""

MOST_BYTES = 2 * 1024 * 1024
"""Maximum length of one payload in bytes (the server's limit.blobSize.error, unless it says another one)."""

MOST_REPLY_BYTES = 512 * 1024
"""Maximum length of a result in bytes: 64 of them must stay below the 50 MB of one history."""

_FULL_BYTES = 1024 * 1024
AROUND_BYTES = 1024
"""What a payload may have around a call or a result."""

_MOST_ANSWERS = 64


@dataclass(slots=True)
class CallPayload:
    """One call: its id, its queue, its encoding (see `wire`), and the maximum seconds for making it."""

    id: str
    queue: str
    call: str
    seconds: float

    @property
    def size(self) -> int:
        """The approximate number of bytes when sent."""
        return len(json.dumps(self.call)) + AROUND_BYTES


@dataclass(slots=True)
class CallPayloads:
    """The calls of one workflow, begun in order, at most `window` of them in flight."""

    errands: list[CallPayload]
    window: int
    heartbeat_s: float


def errand_of(call: Call, queue: str, about: MessageContext) -> CallPayload:
    """Return the payload of a call."""
    answers = 1
    if call.dialogue is not None:
        answers = _MOST_ANSWERS
    seconds = call.options.max_total_s + answers * call.options.timeout_s
    text = call_to_bytes(call, about, clock.now()).decode("ascii")
    return CallPayload(id=call.id, queue=queue, call=text, seconds=seconds)


def take_some(waiting: Sequence[CallPayload], most_bytes: int = MOST_BYTES) -> Sequence[CallPayload]:
    """Return the first calls, as many as one workflow may carry, whose payload has at most `most_bytes` bytes."""
    size = 0
    for number, errand in enumerate(waiting[:MOST_CALLS]):
        size += errand.size
        if number and size > min(_FULL_BYTES, most_bytes):
            return waiting[:number]
    return waiting[:MOST_CALLS]
