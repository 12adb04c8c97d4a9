"""The record of one reply that a provider or server is known to give, and how it has to be read."""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from pytest_selfopt.models.config import WireName
from pytest_selfopt.trial import Json, ToolCall

IN_30_S_MS = "<epoch milliseconds in 30 s>"
IN_30_S_RFC3339 = "<RFC 3339 time in 30 s>"
IN_30_S_HTTP = "<HTTP date in 30 s>"
"""Stand for a time that depends on when the reply is served; see `Shape.served`."""

USAGE: dict[str, Json] = {"prompt_tokens": 12, "completion_tokens": 5, "total_tokens": 17}
CLAUDE_USAGE: dict[str, Json] = {"input_tokens": 12, "output_tokens": 5}
WEATHER = ToolCall(name="get_weather", arguments={"city": "Paris"})

_RETRIED = {
    "auth": False,
    "malformed": True,
    "quota": False,
    "rate_limit": True,
    "refused": False,
    "request": False,
    "server": True,
    "timeout": True,
}
"""Whether another attempt can help. Not here: `cut_off` and `empty`, which another draw may or may not cure."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an answer is read as."""

    text: str | None = ""
    """None: whatever it is."""
    calls: tuple[ToolCall, ...] = ()
    undecodable: bool = False
    """Whether the reply, or what the variant `native_api` reads in it, is a call that cannot be decoded."""
    tokens: tuple[int | None, int | None] = (12, 5)
    """Tokens in and out."""
    fields: Mapping[str, object] = field(default_factory=dict)
    """Further members of `Reply`, by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """What the lack of an answer is read as."""

    kind: str
    """The value of the `ErrorKind`."""
    wait_s: float | None = None
    """How long the server asks to wait."""
    within_s: float = 0.001
    """How exact that is: less so for a time of day."""

    @property
    def retried(self) -> bool | None:
        """Whether another attempt follows; None: not said."""
        return _RETRIED.get(self.kind)


Expected: TypeAlias = Answer | Failure


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One reply over HTTP: `raw` if given, else `body` as JSON."""

    name: str
    wire: WireName = "openai"
    body: Json = None
    raw: str | None = None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    tools: bool = False
    """Whether the request offered tools natively."""
    expected: Expected
    source: str
    """Where it is documented or reported; "gh" is an issue or pull request on GitHub."""

    def served(self) -> tuple[str, dict[str, str]]:
        """The body and the headers, with the times that they are about now."""
        text = self.raw
        if text is None:
            text = json.dumps(self.body)
        return _at(text), {name: _at(value) for name, value in self.headers.items()}


def _at(text: str) -> str:
    then = time.time() + 30
    rfc3339 = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(then))
    text = text.replace(IN_30_S_MS, str(round(then * 1000)))
    return text.replace(IN_30_S_RFC3339, rfc3339).replace(IN_30_S_HTTP, email.utils.formatdate(then, usegmt=True))


def answers(
    text: str | None = "Hi.",
    *calls: ToolCall,
    tokens: tuple[int | None, int | None] = (12, 5),
    **fields: object,
) -> Answer:
    """An answer with text or calls; `fields` are further members of the `Reply`."""
    return Answer(text=text, calls=calls, tokens=tokens, fields=fields)


def calls_weather(text: str | None = "", tokens: tuple[int | None, int | None] = (12, 5)) -> Answer:
    """A call of the weather in Paris."""
    return Answer(text=text, calls=(WEATHER,), tokens=tokens)


def misses(tokens: tuple[int | None, int | None] = (12, 5)) -> Answer:
    """An answer that tries to call a tool, unreadably: the model's miss."""
    return Answer(text=None, undecodable=True, tokens=tokens)


def fails(kind: str, wait_s: float | None = None, *, within_s: float = 0.001) -> Failure:
    """No answer."""
    return Failure(kind=kind, wait_s=wait_s, within_s=within_s)


def completion(
    message: dict[str, Json], *, finish: Json = "stop", usage: Json = USAGE, **more: Json
) -> dict[str, Json]:
    """A chat completion with one choice; `more` are further members of the choice."""
    choice: dict[str, Json] = {"index": 0, "message": message, "finish_reason": finish, **more}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1750000000,
        "model": "served",
        "choices": [choice],
        "usage": usage,
    }


def said(content: Json = "Hi.", **more: Json) -> dict[str, Json]:
    """An assistant's message."""
    return {"role": "assistant", "content": content, **more}


def called(arguments: Json = '{"city": "Paris"}', *, call_id: Json = "call_a1", **more: Json) -> dict[str, Json]:
    """One entry of `tool_calls`."""
    function: Json = {"name": "get_weather", "arguments": arguments}
    return {"id": call_id, "type": "function", "function": function, **more}


def error(message: str, **more: Json) -> dict[str, Json]:
    """An error as OpenAI gives it."""
    return {"error": {"message": message, **more}}


def claude(
    *blocks: Json,
    stop: Json = "end_turn",
    usage: Json = CLAUDE_USAGE,
    **more: Json,
) -> dict[str, Json]:
    """A message of Anthropic's API."""
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "served",
        "content": list(blocks),
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": usage,
        **more,
    }


def claude_error(kind: str, message: str) -> dict[str, Json]:
    """An error of Anthropic's API."""
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_1"}


def ollama(message: dict[str, Json], *, reason: Json = "stop", **more: Json) -> dict[str, Json]:
    """An answer of Ollama's own API."""
    return {
        "model": "served",
        "created_at": "2026-01-01T00:00:00Z",
        "message": message,
        "done": True,
        "done_reason": reason,
        "prompt_eval_count": 12,
        "eval_count": 5,
        **more,
    }
