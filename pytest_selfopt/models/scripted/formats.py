"""The three wire formats as a server sees them: reading a request, and writing an answer or a refusal."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from pytest_selfopt.models.scripted.script import Asked, Then
from pytest_selfopt.trial import ToolCall


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a model says, before it is put into a wire format."""

    text: str
    calls: tuple[ToolCall, ...]
    refusal: str
    tokens_in: int
    tokens_out: int
    load_s: float
    took_s: float


class Format(Protocol):
    """One wire format, seen from the server."""

    def read(self, body: Mapping[str, Any]) -> Asked:
        """What is asked."""

    def answer(self, asked: Asked, said: Said) -> dict[str, Any]:
        """The body of an answer."""

    def refuse(self, status: int, message: str) -> dict[str, Any]:
        """The body that goes with a status other than 200."""


class OpenAIFormat:
    """POST /v1/chat/completions."""

    def read(self, body: Mapping[str, Any]) -> Asked:
        """What is asked."""
        return Asked(
            model=str(body.get("model", "")),
            messages=_messages(body),
            native=bool(body.get("tools")),
            constrained=bool(body.get("response_format")),
        )

    def answer(self, asked: Asked, said: Said) -> dict[str, Any]:
        """The body of an answer."""
        message: dict[str, Any] = {"role": "assistant", "content": None if said.calls else said.text}
        if said.refusal:
            message["refusal"] = said.refusal
        if said.calls:
            message["tool_calls"] = [
                {
                    "id": f"call-{index}",
                    "type": "function",
                    "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
                }
                for index, call in enumerate(said.calls)
            ]
        return {
            "id": "scripted",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": asked.model,
            "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if said.calls else "stop"}],
            "usage": {"prompt_tokens": said.tokens_in, "completion_tokens": said.tokens_out},
        }

    def refuse(self, status: int, message: str) -> dict[str, Any]:
        """The body that goes with a status other than 200."""
        return {"error": {"message": message, "code": status}}


class OllamaFormat:
    """POST /api/chat; times are nanoseconds."""

    def read(self, body: Mapping[str, Any]) -> Asked:
        """What is asked."""
        return Asked(
            model=str(body.get("model", "")),
            messages=_messages(body),
            native=bool(body.get("tools")),
            constrained=bool(body.get("format")),
        )

    def answer(self, asked: Asked, said: Said) -> dict[str, Any]:
        """The body of an answer."""
        message: dict[str, Any] = {"role": "assistant", "content": "" if said.calls else said.text or said.refusal}
        if said.calls:
            message["tool_calls"] = [
                {"function": {"name": call.name, "arguments": call.arguments}} for call in said.calls
            ]
        return {
            "model": asked.model,
            "created_at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "message": message,
            "done": True,
            "done_reason": "stop",
            "total_duration": int(said.took_s * 1e9),
            "load_duration": int(said.load_s * 1e9),
            "prompt_eval_count": said.tokens_in,
            "prompt_eval_duration": int((said.took_s - said.load_s) / 2 * 1e9),
            "eval_count": said.tokens_out,
            "eval_duration": int((said.took_s - said.load_s) / 2 * 1e9),
        }

    def refuse(self, status: int, message: str) -> dict[str, Any]:
        """The body that goes with a status other than 200, which Ollama does not repeat."""
        del status
        return {"error": message}


class AnthropicFormat:
    """POST /v1/messages."""

    def read(self, body: Mapping[str, Any]) -> Asked:
        """What is asked."""
        system = (("system", _flat(body["system"])),) if body.get("system") else ()
        config = body.get("output_config")
        return Asked(
            model=str(body.get("model", "")),
            messages=(*system, *_messages(body)),
            native=bool(body.get("tools")),
            constrained=isinstance(config, dict) and bool(config.get("format")),
        )

    def answer(self, asked: Asked, said: Said) -> dict[str, Any]:
        """The body of an answer."""
        blocks: list[dict[str, Any]] = [
            {"type": "tool_use", "id": f"toolu_{index}", "name": call.name, "input": call.arguments}
            for index, call in enumerate(said.calls)
        ]
        if said.text and not said.calls:
            blocks = [{"type": "text", "text": said.text}]
        stop = "refusal" if said.refusal else "tool_use" if said.calls else "end_turn"
        return {
            "id": "msg_scripted",
            "type": "message",
            "role": "assistant",
            "model": asked.model,
            "content": blocks,
            "stop_reason": stop,
            "stop_sequence": None,
            "usage": {"input_tokens": said.tokens_in, "output_tokens": said.tokens_out},
        }

    def refuse(self, status: int, message: str) -> dict[str, Any]:
        """The body that goes with a status other than 200."""
        kinds = {400: "invalid_request_error", 401: "authentication_error", 429: "rate_limit_error"}
        kind = kinds.get(status, "overloaded_error" if status == 529 else "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}}


FORMATS: dict[str, Format] = {
    "/chat/completions": OpenAIFormat(),
    "/api/chat": OllamaFormat(),
    "/messages": AnthropicFormat(),
}


def format_at(path: str) -> Format | None:
    """The format that is spoken at a path; None when there is none."""
    return next((one for end, one in FORMATS.items() if path.endswith(end)), None)


def said_by(then: Then, asked: Asked, *, load_s: float, took_s: float) -> Said:
    """What a rule makes the model say: calls go into the text as JSON where no tools are offered."""
    text, calls = then.text or "", then.calls
    if then.calls and not asked.native:
        wanted = [{"tool": call.name, "arguments": call.arguments} for call in then.calls]
        text, calls = json.dumps(wanted[0] if len(wanted) == 1 else wanted), ()
    elif then.reply is not None:
        text = then.reply if asked.native else json.dumps({"reply": then.reply})
    characters = sum(len(said) for _, said in asked.messages)
    return Said(
        text=text,
        calls=calls,
        refusal=then.refusal or "",
        tokens_in=characters // 4,
        tokens_out=max(1, len(text) // 4),
        load_s=load_s,
        took_s=took_s,
    )


def _messages(body: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    entries = body.get("messages")
    return tuple(
        (_role(entry), _flat(entry.get("content")))
        for entry in (entries if isinstance(entries, list) else ())
        if isinstance(entry, dict)
    )


def _role(entry: Mapping[str, Any]) -> str:
    """Who speaks; what tools gave comes in the user's messages in Anthropic's format."""
    content = entry.get("content")
    results = isinstance(content, list) and any(
        isinstance(block, dict) and block.get("type") == "tool_result" for block in content
    )
    return "tool" if results else str(entry.get("role", ""))


def _flat(content: object) -> str:
    """The text of a message, which may be a list of blocks."""
    if isinstance(content, list):
        return "".join(str(block.get("text", "")) for block in content if isinstance(block, dict))
    return content if isinstance(content, str) else ""
