"""What a workflow is given: calls as data only, and how they are carried out."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_selfopt.runners.runner import Call
from pytest_selfopt.runners.wire import call_to_bytes

WORKFLOW = "selfopt-calls-1"
"""The workflow that carries calls, with the number of its format."""

HERE = "selfopt-here-1"
"""The workflow that ends as soon as a worker has taken it: whoever does is there, and can be asked something."""

ACTIVITY = "selfopt-call-1"
"""The activity that makes one call."""

BEGUN = "selfopt-begun-1"
"""The activity that tells which attempts at calls a worker has begun."""

MOST_CALLS = 64
"""How many calls one workflow carries at most, so that its history stays far below the server's limits."""

MOST_BYTES = 2 * 1024 * 1024
"""How long one payload may be (the server's limit.blobSize.error)."""

MOST_REPLY_BYTES = 512 * 1024
"""How long a result may be: 64 of them have to stay below the 50 MB of one history."""

_FULL_BYTES = 1024 * 1024
_AROUND_BYTES = 1024

_MOST_ANSWERS = 64


@dataclass(slots=True)
class CallPayload:
    """One call: its id, the queue it waits in, itself (see `wire`), and the seconds that making it may take."""

    id: str
    queue: str
    call: str
    seconds: float

    @property
    def size(self) -> int:
        """About how many bytes it is long when it is sent."""
        return len(json.dumps(self.call)) + _AROUND_BYTES


@dataclass(slots=True)
class CallPayloads:
    """The calls of one workflow: begun in their order, at most `window` of them under way at a time."""

    errands: list[CallPayload]
    window: int
    heartbeat_s: float


def errand_of(call: Call, queue: str) -> CallPayload:
    """A call as it is sent."""
    answers = 1
    if call.dialogue is not None:
        answers = _MOST_ANSWERS
    seconds = call.options.max_total_s + answers * call.options.timeout_s
    text = call_to_bytes(call).decode("ascii")
    return CallPayload(id=call.id, queue=queue, call=text, seconds=seconds)


def take_some(waiting: Sequence[CallPayload]) -> Sequence[CallPayload]:
    """As many as one workflow carries, from the first on."""
    size = 0
    for number, errand in enumerate(waiting[:MOST_CALLS]):
        size += errand.size
        if number and size > _FULL_BYTES:
            return waiting[:number]
    return waiting[:MOST_CALLS]
