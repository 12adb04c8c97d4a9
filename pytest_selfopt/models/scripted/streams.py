"""Answers as streams: each of the three formats cuts the answer it would give at once into events."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

PIECE = 4
"""Characters of a piece of text: a token, as the server estimates them."""
_EVENT_STREAM = "text/event-stream"


class Stream(Protocol):
    """How one wire format streams."""

    @property
    def content_type(self) -> str:
        """The media type of a stream."""

    def is_wanted(self, body: Mapping[str, Any]) -> bool:
        """Whether the decoded body of a request asks for a stream."""

    def events(self, answer: Mapping[str, Any], body: Mapping[str, Any]) -> Iterator[bytes]:
        """Yield the events of an answer, which is a body that the format gives unstreamed."""


class OpenAIStream:
    """Server-sent events with chunks, the last one "[DONE]"."""

    content_type = _EVENT_STREAM

    def is_wanted(self, body: Mapping[str, Any]) -> bool:
        """Whether the decoded body of a request asks for a stream."""
        return bool(body.get("stream"))

    def events(self, answer: Mapping[str, Any], body: Mapping[str, Any]) -> Iterator[bytes]:
        """Yield a chunk for each delta, one with the finish reason, and one with the usage if it is asked for."""
        options = body.get("stream_options")
        counted = isinstance(options, dict) and bool(options.get("include_usage"))
        shared = {
            "id": answer["id"],
            "object": "chat.completion.chunk",
            "created": answer["created"],
            "model": answer["model"],
        }
        if counted:
            # Every chunk has the member then; only the last one has it filled.
            shared["usage"] = None
        (choice,) = answer["choices"]
        for delta in _openai_deltas(choice["message"]):
            part = {"index": 0, "delta": delta, "finish_reason": None}
            yield _data({**shared, "choices": [part]})
        last = {"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}
        yield _data({**shared, "choices": [last]})
        if counted:
            yield _data({**shared, "choices": [], "usage": answer["usage"]})
        yield b"data: [DONE]\n\n"


def _openai_deltas(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the role, then the pieces of text, of a refusal, and of each call."""
    first: dict[str, Any] = {"role": "assistant", "content": ""}
    if message["content"] is None:
        first["content"] = None
    yield first
    for member in ("content", "refusal"):
        for piece in _pieces(message.get(member) or ""):
            yield {member: piece}
    for index, call in enumerate(message.get("tool_calls", ())):
        function = call["function"]
        begun = {**call, "index": index, "function": {"name": function["name"], "arguments": ""}}
        yield {"tool_calls": [begun]}
        for piece in _pieces(function["arguments"]):
            yield {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}


class OllamaStream:
    """JSON values in lines; a request without `stream` asks for it."""

    content_type = "application/x-ndjson"

    def is_wanted(self, body: Mapping[str, Any]) -> bool:
        """Whether the decoded body of a request asks for a stream."""
        return body.get("stream") is not False

    def events(self, answer: Mapping[str, Any], _body: Mapping[str, Any]) -> Iterator[bytes]:
        """Yield a line for each piece of text, one for the calls, and one with everything but the message."""
        message = answer["message"]
        for piece in _pieces(message["content"]):
            yield _ollama_line(answer, content=piece)
        if "tool_calls" in message:
            yield _ollama_line(answer, content="", tool_calls=message["tool_calls"])
        yield _line({**answer, "message": {"role": "assistant", "content": ""}})


def _ollama_line(answer: Mapping[str, Any], **message: Any) -> bytes:
    """Return a line that is not the last one."""
    return _line(
        {
            "model": answer["model"],
            "created_at": answer["created_at"],
            "message": {"role": "assistant", **message},
            "done": False,
        }
    )


class AnthropicStream:
    """Server-sent events with names."""

    content_type = _EVENT_STREAM

    def is_wanted(self, body: Mapping[str, Any]) -> bool:
        """Whether the decoded body of a request asks for a stream."""
        return bool(body.get("stream"))

    def events(self, answer: Mapping[str, Any], _body: Mapping[str, Any]) -> Iterator[bytes]:
        """Yield the message's start, its blocks in pieces, the reason why it ended with the usage, and its end."""
        usage = answer["usage"]
        begun = {**answer, "content": [], "stop_reason": None, "usage": {**usage, "output_tokens": 1}}
        yield _named("message_start", message=begun)
        for index, block in enumerate(answer["content"]):
            yield from _anthropic_block(index, block)
        delta = {"stop_reason": answer["stop_reason"], "stop_sequence": answer["stop_sequence"]}
        yield _named("message_delta", delta=delta, usage=usage)
        yield _named("message_stop")


def _anthropic_block(index: int, block: Mapping[str, Any]) -> Iterator[bytes]:
    """Yield the events of one block: a text, or a call with its input as JSON."""
    if block["type"] == "text":
        yield _named("content_block_start", index=index, content_block={**block, "text": ""})
        for piece in _pieces(block["text"]):
            delta = {"type": "text_delta", "text": piece}
            yield _named("content_block_delta", index=index, delta=delta)
    else:
        yield _named("content_block_start", index=index, content_block={**block, "input": {}})
        for piece in _pieces(json.dumps(block["input"])):
            delta = {"type": "input_json_delta", "partial_json": piece}
            yield _named("content_block_delta", index=index, delta=delta)
    yield _named("content_block_stop", index=index)


def _pieces(text: str) -> Iterator[str]:
    for begin in range(0, len(text), PIECE):
        yield text[begin : begin + PIECE]


def _named(event: str, **members: Any) -> bytes:
    """Return a server-sent event with a name, which its data repeats."""
    return f"event: {event}\n".encode() + _data({"type": event, **members})


def _data(value: Mapping[str, Any]) -> bytes:
    """Return a server-sent event with JSON."""
    return b"data: %b\n\n" % json.dumps(value).encode()


def _line(value: Mapping[str, Any]) -> bytes:
    return json.dumps(value).encode() + b"\n"
