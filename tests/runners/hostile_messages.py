"""Messages that nobody should send: what a stranger, another version or a broken sender may write into a queue.

`NOISE` are some by name; `hostile_texts` are as many as hypothesis likes. `CALL_FIELDS` and `RESULT_FIELDS` are
messages as they should be, to be spoilt.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from pytest_selfopt.bench.tools import Message
from pytest_selfopt.runners.message import MessageContext, MessageKind
from pytest_selfopt.runners.runner import Call
from pytest_selfopt.runners.wire import FORMAT, call_to_bytes, question_of, result_to_bytes
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.trial import CallError, CallResult, ErrorKind, FailedAttempt, Reply, ToolCall

DEPTH = 100_000
SENT = 4e9
"""A time at which no call is too old."""

HELLO = Call(
    id="call-1",
    model="own/model",
    lane="lane",
    request=ChatRequest(messages=(Message(role="user", content="Hello"),)),
)
ANSWERED = CallResult(
    reply=Reply(text="hello", tool_calls=(ToolCall(name="tool", arguments={"a": 1}),), tokens_in=3, cost_usd=0.1),
    started=1.0,
    ended=2.0,
    failed_attempts=(FailedAttempt(error=CallError(kind=ErrorKind.TIMEOUT, message="late"), started=0.0, ended=1.0),),
)


def about(kind: MessageKind, call: str = HELLO.id, cycle: str = "cycle") -> MessageContext:
    """What messages about a call belong to here."""
    return MessageContext(kind, "selfopt", cycle, call)


CALL_FIELDS: dict[str, Any] = json.loads(call_to_bytes(HELLO, about(MessageKind.CALL), SENT))
RESULT_FIELDS: dict[str, Any] = json.loads(result_to_bytes(ANSWERED, about(MessageKind.RESULT), question_of(HELLO)))

WRONG_VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    10**30,
    1e308,
    float("nan"),
    float("-inf"),
    "text",
    "\udc80\x00",
    [],
    [[]],
    [None],
    {},
    {"": None},
)
"""What stands where something else should."""


def nested(depth: int) -> bytes:
    """A message whose one field is nested."""
    return b'{"format": %d, "reply": %s%s}' % (FORMAT, b"[" * depth, b"]" * depth)


NOISE: Mapping[str, bytes] = {
    "empty": b"",
    "format-only": b'{"format":1}',
    "newer": json.dumps({**RESULT_FIELDS, "format": FORMAT + 1}).encode(),
    "no-version": json.dumps({**RESULT_FIELDS, "format": "2"}).encode(),
    "huge-version": b'{"format": %s}' % (b"9" * 4000),
    "bytes": bytes(range(256)),
    "list": b"[1, 2]",
    "number": b"1e999",
    "deep": nested(DEPTH),
    "deep-but-readable": nested(900),
    "long": json.dumps({"format": FORMAT, "reply": "x" * 500_000}).encode(),
    "old-sealed": b"selfopt-sealed-1:" + bytes(40),
    "sealed": b"selfopt-sealed-2:" + bytes(40),
    "of-another-call": json.dumps({**RESULT_FIELDS, "about": about(MessageKind.RESULT, "call-2").to_json()}).encode(),
    "of-another-cycle": json.dumps(
        {**RESULT_FIELDS, "about": about(MessageKind.RESULT, cycle="other").to_json()}
    ).encode(),
    "the-call-itself": json.dumps(CALL_FIELDS).encode(),
    "no-reply-no-error": json.dumps({**RESULT_FIELDS, "reply": None}).encode(),
    "no-date": json.dumps({**RESULT_FIELDS, "started": 1e300}).encode(),
    "no-more-than-its-place": json.dumps({name: RESULT_FIELDS[name] for name in ("format", "about")}).encode(),
}
"""Results that are none, by what is wrong with them."""


def paths(value: Any, before: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The places of all values in a message."""
    found: list[tuple[str | int, ...]] = []
    items: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    for key, inner in items:
        found.append((*before, key))
        found += paths(inner, (*before, key))
    return found


def spoilt(message: Mapping[str, Any], path: tuple[str | int, ...], value: Any, *, removed: bool = False) -> bytes:
    """A message with another value in one place, or without it."""
    copy = json.loads(json.dumps(message))
    place = copy
    for key in path[:-1]:
        place = place[key]
    if removed:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return json.dumps(copy).encode("ascii")


def hostile_texts(message: Mapping[str, Any]) -> st.SearchStrategy[bytes]:
    """Noise, any bytes, any JSON, and a message that is spoilt in one place or cut off."""
    values = st.sampled_from(WRONG_VALUES)
    whole = json.dumps(message).encode("ascii")
    return st.one_of(
        st.sampled_from(list(NOISE)).map(lambda name: NOISE[name]),
        st.binary(max_size=200),
        st.dictionaries(st.sampled_from([*message, "other"]), values).map(lambda one: json.dumps(one).encode()),
        st.builds(
            lambda path, value, removed: spoilt(message, path, value, removed=removed),
            st.sampled_from(paths(message)),
            values,
            st.booleans(),
        ),
        st.integers(0, len(whole)).map(lambda length: whole[:length]),
    )
