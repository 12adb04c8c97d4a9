"""The server's side of the three wire formats: reading requests, writing answers and errors."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pytest_selfopt import clock
from pytest_selfopt.models.scripted.script import Asked, Then
from pytest_selfopt.models.scripted.streams import AnthropicStream, OllamaStream, OpenAIStream, Stream
from pytest_selfopt.trial import Json, ToolCall

_NANOSECONDS = 1e9
_ENDED_AT_LIMIT = ("length", "max_tokens")
_ANTHROPIC_ERRORS = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A model's answer before encoding; times are in seconds, and `took_s` includes `load_s`.

    `finish` is the reason why the answer ended (None: the format's usual one), `usage` replaces members of the format's
    token counts.
    """

    text: str
    calls: tuple[ToolCall, ...]
    refusal: str
    tokens_in: int
    tokens_out: int
    load_s: float
    took_s: float
    finish: str | None
    usage: Mapping[str, Json]


class Format(Protocol):
    """One wire format, seen from the server."""

    @property
    def stream(self) -> Stream:
        """How answers are streamed."""

    def read(self, body: Mapping[str, Any]) -> Asked:
        """Read the decoded body of a request."""

    def answer(self, asked: Asked, output: Said) -> dict[str, Any]:
        """Return the body of an answer."""

    def refuse(self, status: int, message: str) -> dict[str, Any]:
        """Return the body that goes with a status other than 200."""


class OpenAIFormat:
    """POST /v1/chat/completions."""

    stream = OpenAIStream()

    def read(self, body: Mapping[str, Any]) -> Asked:
        """Read the decoded body of a request."""
        return Asked(
            model=str(body.get("model", "")),
            messages=_messages(body),
            native=bool(body.get("tools")),
            constrained=bool(body.get("response_format")),
            max_tokens=_whole(body.get("max_completion_tokens") or body.get("max_tokens")),
            members=frozenset(body),
        )

    def answer(self, asked: Asked, output: Said) -> dict[str, Any]:
        """Return the body of an answer with one choice."""
        choice = {
            "index": 0,
            "message": _openai_message(output),
            "finish_reason": output.finish or _openai_finish(output),
        }
        return {
            "id": "scripted",
            "object": "chat.completion",
            "created": int(clock.now()),
            "model": asked.model,
            "choices": [choice],
            "usage": _openai_usage(output),
        }

    def refuse(self, status: int, message: str) -> dict[str, Any]:
        """Return the body that goes with a status other than 200."""
        return {"error": {"message": message, "code": status}}


def _openai_finish(output: Said) -> str:
    if output.calls:
        return "tool_calls"
    return "stop"


def _openai_usage(output: Said) -> dict[str, Json]:
    """Return the token counts, and their sum unless the rule sets it."""
    usage: dict[str, Json] = {
        "prompt_tokens": output.tokens_in,
        "completion_tokens": output.tokens_out,
        **output.usage,
    }
    tokens_in, tokens_out = usage["prompt_tokens"], usage["completion_tokens"]
    if isinstance(tokens_in, int) and isinstance(tokens_out, int):
        usage.setdefault("total_tokens", tokens_in + tokens_out)
    return usage


def _openai_message(output: Said) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": output.text}
    if output.calls:
        message["content"] = None
    if output.refusal:
        message["refusal"] = output.refusal
    if output.calls:
        message["tool_calls"] = _openai_calls(output.calls)
    return message


def _openai_calls(calls: tuple[ToolCall, ...]) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = []
    for index, call in enumerate(calls):
        arguments = json.dumps(call.arguments)
        function = {"name": call.name, "arguments": arguments}
        entry = {"id": f"call-{index}", "type": "function", "function": function}
        entries.append(entry)
    return entries


class OllamaFormat:
    """POST /api/chat; times are nanoseconds."""

    stream = OllamaStream()

    def read(self, body: Mapping[str, Any]) -> Asked:
        """Read the decoded body of a request."""
        return Asked(
            model=str(body.get("model", "")),
            messages=_messages(body),
            native=bool(body.get("tools")),
            constrained=bool(body.get("format")),
            max_tokens=_whole(_options(body).get("num_predict")),
            members=frozenset((*body, *_options(body))),
        )

    def answer(self, asked: Asked, output: Said) -> dict[str, Any]:
        """Return the body of an answer; the time after loading is split evenly between prompt and answer."""
        half_s = (output.took_s - output.load_s) / 2
        half_ns = int(half_s * _NANOSECONDS)
        created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(clock.now()))
        return {
            "model": asked.model,
            "created_at": created,
            "message": _ollama_message(output),
            "done": True,
            "done_reason": output.finish or "stop",
            "total_duration": int(output.took_s * _NANOSECONDS),
            "load_duration": int(output.load_s * _NANOSECONDS),
            "prompt_eval_count": output.tokens_in,
            "prompt_eval_duration": half_ns,
            "eval_count": output.tokens_out,
            "eval_duration": half_ns,
            **output.usage,
        }

    def refuse(self, status: int, message: str) -> dict[str, Any]:
        """Return the body that goes with a status other than 200; Ollama does not repeat the status in it."""
        del status
        return {"error": message}


def _options(body: Mapping[str, Any]) -> Mapping[str, Any]:
    options = body.get("options")
    if not isinstance(options, dict):
        return {}
    return options


def _ollama_message(output: Said) -> dict[str, Any]:
    if not output.calls:
        content = output.text or output.refusal
        return {"role": "assistant", "content": content}
    calls = list(map(_ollama_call, output.calls))
    return {"role": "assistant", "content": "", "tool_calls": calls}


def _ollama_call(call: ToolCall) -> dict[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"function": function}


class AnthropicFormat:
    """POST /v1/messages."""

    stream = AnthropicStream()

    def read(self, body: Mapping[str, Any]) -> Asked:
        """Read the decoded body of a request; the instructions become a message of role "system"."""
        messages = _messages(body)
        if body.get("system"):
            system = ("system", _flat(body["system"]))
            messages = (system, *messages)
        config = body.get("output_config")
        return Asked(
            model=str(body.get("model", "")),
            messages=messages,
            native=bool(body.get("tools")),
            constrained=isinstance(config, dict) and bool(config.get("format")),
            max_tokens=_whole(body.get("max_tokens")),
            members=frozenset(body),
        )

    def answer(self, asked: Asked, output: Said) -> dict[str, Any]:
        """Return the body of an answer."""
        usage = {
            "input_tokens": output.tokens_in,
            "output_tokens": output.tokens_out,
        }
        return {
            "id": "msg_scripted",
            "type": "message",
            "role": "assistant",
            "model": asked.model,
            "content": _anthropic_blocks(output),
            "stop_reason": output.finish or _anthropic_stop(output),
            "stop_sequence": None,
            "usage": {**usage, **output.usage},
        }

    def refuse(self, status: int, message: str) -> dict[str, Any]:
        """Return the body that goes with a status other than 200."""
        kind = _ANTHROPIC_ERRORS.get(status, "api_error")
        error = {"type": kind, "message": message}
        return {"type": "error", "error": error}


def _anthropic_blocks(output: Said) -> list[dict[str, Any]]:
    """Return the calls as blocks; without calls the text, unless it is empty."""
    blocks: list[dict[str, Any]] = []
    for index, call in enumerate(output.calls):
        block = {
            "type": "tool_use",
            "id": f"toolu_{index}",
            "name": call.name,
            "input": call.arguments,
        }
        blocks.append(block)
    if output.text and not output.calls:
        blocks.append({"type": "text", "text": output.text})
    return blocks


def _anthropic_stop(output: Said) -> str:
    if output.refusal:
        return "refusal"
    if output.calls:
        return "tool_use"
    return "end_turn"


FORMATS: dict[str, Format] = {
    "/chat/completions": OpenAIFormat(),
    "/api/chat": OllamaFormat(),
    "/messages": AnthropicFormat(),
}


def format_at(path: str) -> Format | None:
    """Return the format served at a path, or None."""
    for ending, wire in FORMATS.items():
        if path.endswith(ending):
            return wire
    return None


def said_by(then: Then, asked: Asked, *, load_s: float, took_s: float) -> Said:
    """Return the answer that a rule dictates.

    Tokens are estimated at four characters each; an answer that ended at its limit has as many tokens as that.
    """
    text, calls = _text_and_calls(then, native=asked.native)
    tokens_out = max(1, len(text) // 4)
    if then.finish in _ENDED_AT_LIMIT and asked.max_tokens is not None:
        tokens_out = asked.max_tokens
    characters = sum(len(content) for _, content in asked.messages)
    return Said(
        text=text,
        calls=calls,
        refusal=then.refusal or "",
        tokens_in=characters // 4,
        tokens_out=tokens_out,
        load_s=load_s,
        took_s=took_s,
        finish=then.finish,
        usage=then.usage,
    )


def _text_and_calls(then: Then, *, native: bool) -> tuple[str, tuple[ToolCall, ...]]:
    """Return an answer's text and calls: calls go into the text as JSON if no tools are offered."""
    if then.calls and not native:
        return _calls_as_text(then.calls), ()
    if then.reply is None:
        return then.text or "", then.calls
    if native:
        return then.reply, then.calls
    return json.dumps({"reply": then.reply}), then.calls


def _calls_as_text(calls: tuple[ToolCall, ...]) -> str:
    """Return calls as a JSON array, a single one as an object."""
    entries = list(map(_call_as_json, calls))
    if len(entries) == 1:
        return json.dumps(entries[0])
    return json.dumps(entries)


def _call_as_json(call: ToolCall) -> dict[str, Json]:
    return {"tool": call.name, "arguments": call.arguments}


def _whole(value: object) -> int | None:
    """Return a limit in a request, if it is a whole number."""
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    return None


def _messages(body: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return the messages of a request as pairs of role and text; skip anything else."""
    entries = body.get("messages")
    if not isinstance(entries, list):
        return ()
    messages: list[tuple[str, str]] = []
    for entry in entries:
        if isinstance(entry, dict):
            text = _flat(entry.get("content"))
            messages.append((_role(entry), text))
    return tuple(messages)


def _role(entry: Mapping[str, Any]) -> str:
    """Return the role of a message; tool results, which Anthropic's format puts into user messages, are "tool"."""
    content = entry.get("content")
    if isinstance(content, list) and any(map(_is_tool_result, content)):
        return "tool"
    return str(entry.get("role", ""))


def _is_tool_result(block: object) -> bool:
    return isinstance(block, dict) and block.get("type") == "tool_result"


def _flat(content: object) -> str:
    """Return the text of a message, which may be a list of blocks."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    blocks = [block for block in content if isinstance(block, dict)]
    return "".join(str(block.get("text", "")) for block in blocks)
