"""Replies with values that no server should send: each is an answer all the same, or an error of its own call.

`HOSTILE_REPLIES` are bodies by wire format; `hostile_replies` makes those of one. Tests and the proofs by hand serve
them to whole cycles.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_selfopt.models.config import WireName
from pytest_selfopt.trial import Json
from tests.models.reply_shapes.shape import claude, completion, ollama, said

_VALUE = "<hostile>"
TOO_LONG = "x" * 100_000

NUMBERS = {
    "2^63": "9223372036854775808",
    "2^64": "18446744073709551616",
    "10^400": "1" + "0" * 400,
    "10^5000": "1" + "0" * 5000,
    "-10^400": "-1" + "0" * 400,
    "1e400": "1e400",
    "1e308": "1e308",
    "negative": "-3",
    "half": "0.5",
    "true": "true",
    "null": "null",
    "digits in a text": '"12"',
    "a long text": json.dumps(TOO_LONG),
    "a list": "[[1], 2]",
    "an object": '{"a": 1}',
}
"""JSON in place of a number."""

TEXTS = {
    "a lone surrogate": '"a\\ud800b"',
    "NULs": '"a\\u0000b\\u0000"',
    "100,000 characters": json.dumps(TOO_LONG),
    "100,000 surrogates": json.dumps("\udfff" * 100_000),
    "control characters": '"\\u001b[31mred\\u0007\\r\\n\\u2028"',
    "2^63": "9223372036854775808",
    "10^5000": "1" + "0" * 5000,
    "false": "false",
    "a list": '["a"]',
}
"""JSON in place of a name, an id or a finish reason."""

NESTED = {"60 levels": 60, "600 levels": 600, "100,000 levels": 100_000}
"""Lists in lists in place of a member that nothing reads, and of arguments."""

_USAGE: dict[str, Json] = {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}
_CLAUDE_USAGE: dict[str, Json] = {"input_tokens": 12, "output_tokens": 5}
_OPENAI_NUMBERS = (
    *("prompt_tokens", "completion_tokens", "total_tokens", "cost", "prompt_cache_hit_tokens", "reasoning_tokens"),
    *("prompt_tokens_details.cached_tokens", "prompt_tokens_details.cache_write_tokens"),
    "completion_tokens_details.reasoning_tokens",
)
_CLAUDE_NUMBERS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
_OLLAMA_NUMBERS = ("prompt_eval_count", "eval_count", "load_duration", "prompt_eval_duration", "total_duration")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostileReply:
    """The body of a reply with status 200, and what is wrong with it."""

    name: str
    wire: WireName
    body: str


def hostile_replies(wire: WireName, text: str = "Paris") -> Iterator[HostileReply]:
    """Yield replies that say `text`, each with one hostile value."""
    for place, body in _with_numbers(wire, text):
        for what, written in NUMBERS.items():
            yield _reply(wire, f"{place} is {what}", body, written)
    for place, body in _with_names(wire, text):
        for what, written in TEXTS.items():
            yield _reply(wire, f"{place} is {what}", body, written)
    for what, levels in NESTED.items():
        written = "[" * levels + "]" * levels
        yield _reply(wire, f"an unknown member has {what}", {**_plain(wire, text), "more": _VALUE}, written)
        yield _reply(wire, f"arguments have {what}", _calling(wire), f'{{"item": {written}}}')
    yield _reply(wire, "arguments have 1e400", _calling(wire), '{"item": 1e400}')
    yield _reply(wire, "arguments have a lone surrogate", _calling(wire), '{"item": "\\ud800", "\\udfff": 1}')


def _reply(wire: WireName, name: str, body: dict[str, Json], written: str) -> HostileReply:
    return HostileReply(name=f"{wire}: {name}", wire=wire, body=json.dumps(body).replace(json.dumps(_VALUE), written))


def _plain(wire: WireName, text: str) -> dict[str, Json]:
    if wire == "anthropic":
        return claude({"type": "text", "text": text})
    if wire == "ollama":
        return ollama(said(text))
    return completion(said(text))


def _calling(wire: WireName) -> dict[str, Json]:
    """Return a reply that calls a tool with hostile arguments."""
    if wire == "anthropic":
        block: Json = {"type": "tool_use", "id": "a", "name": "look_up", "input": _VALUE}
        return claude(block, stop="tool_use")
    entry: Json = {"id": "a", "type": "function", "function": {"name": "look_up", "arguments": _VALUE}}
    if wire == "ollama":
        return ollama(said("", tool_calls=[entry]))
    return completion(said(None, tool_calls=[entry]), finish="tool_calls")


def _with_numbers(wire: WireName, text: str) -> Iterator[tuple[str, dict[str, Json]]]:
    """Yield replies with a hostile value in place of each number that is read."""
    plain = _plain(wire, text)
    if wire == "ollama":
        for name in _OLLAMA_NUMBERS:
            yield name, {**plain, name: _VALUE}
        return
    if wire == "anthropic":
        for name in _CLAUDE_NUMBERS:
            yield f"usage.{name}", {**plain, "usage": {**_CLAUDE_USAGE, name: _VALUE}}
        return
    for name in _OPENAI_NUMBERS:
        outer, _, inner = name.partition(".")
        value: Json = _VALUE
        if inner:
            value = {inner: _VALUE}
        yield f"usage.{name}", {**plain, "usage": {**_USAGE, outer: value}}
    yield "timings.prompt_ms", {**plain, "timings": {"prompt_ms": _VALUE}}


def _with_names(wire: WireName, text: str) -> Iterator[tuple[str, dict[str, Json]]]:
    """Yield replies with a hostile value in place of each name that is read."""
    plain = _plain(wire, text)
    yield "model", {**plain, "model": _VALUE}
    if wire == "ollama":
        yield "done_reason", {**plain, "done_reason": _VALUE}
        yield "created_at", {**plain, "created_at": _VALUE}
        return
    yield "id", {**plain, "id": _VALUE}
    if wire == "anthropic":
        yield "stop_reason", {**plain, "stop_reason": _VALUE}
    else:
        yield "finish_reason", completion(said(text), finish=_VALUE)


WIRES: tuple[WireName, ...] = ("openai", "ollama", "anthropic")
HOSTILE_REPLIES = tuple(reply for wire in WIRES for reply in hostile_replies(wire))

HOSTILE_HEADERS = (
    {"Retry-After": "1e300"},
    {"Retry-After": "9" * 5000},
    {"Retry-After": "Mon, 01 Jan 999999999 00:00:00 GMT"},
    {"Retry-After": "nan"},
    {"retry-after-ms": "-1"},
    {"x-ratelimit-reset": "9" * 400 + "s"},
    {"x-ratelimit-reset": "0001-01-01T00:00:00+14:00"},
)
"""Headers of a refusal with status 429."""
