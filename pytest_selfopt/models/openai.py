"""The OpenAI-compatible wire format: POST {base_url}/chat/completions."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from typing import Any

from pytest_selfopt.bench.tools import Message
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.models.wire_format import (
    count,
    function_tool,
    item,
    optional,
    seconds,
    tool_call,
    tool_calls,
    typed,
    with_ids,
)
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.trial import CallError, ErrorKind, Json, Reply, ToolCall


class OpenAIWire:
    """OpenAI, OpenRouter, vLLM, llama.cpp, LM Studio and compatible servers."""

    path = "/chat/completions"

    def headers(self, key: str) -> dict[str, str]:
        """Return a bearer token."""
        if not key:
            return {}
        return {"Authorization": f"Bearer {key}"}

    def body(self, model: ModelConfig, request: ChatRequest) -> dict[str, Json]:
        """Return the body of a request; this format supports all of a request's fields."""
        body: dict[str, Json] = {
            "model": model.name,
            "messages": _messages(request.messages),
            "temperature": request.sampling.temperature,
            "max_tokens": request.sampling.max_tokens,
        }
        if request.sampling.top_p is not None:
            body["top_p"] = request.sampling.top_p
        if request.sampling.seed is not None:
            body["seed"] = request.sampling.seed
        if request.tools:
            body["tools"] = list(map(function_tool, request.tools))
        if request.answer_schema is not None:
            schema: Json = {"name": "answer", "schema": request.answer_schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        if model.wire == "embedded":
            body["cache_prompt"] = not request.fresh
        return body

    def reply(self, value: Any, latency_s: float) -> Reply | CallError:
        """Read the first choice; llama.cpp reports the time to the first token in `timings`."""
        choice = item(typed(value, "", dict), "choices", list)
        if not choice:
            raise ValueError("without choices")
        first = typed(choice[0], "choices[0]", dict)
        message = item(first, "message", dict)
        finish = optional(first, "finish_reason", str) or ""
        if finish == "content_filter":
            return CallError(kind=ErrorKind.REFUSED, message="the provider's content filter refused to answer")
        usage = optional(value, "usage", dict) or {}
        entries = optional(message, "tool_calls", list) or []
        calls, undecodable = tool_calls(list(map(_call, entries, itertools.count())))
        return Reply(
            text=optional(message, "content", str) or "",
            tool_calls=calls,
            undecodable=undecodable,
            finish_reason=finish,
            refusal=optional(message, "refusal", str) or "",
            served_model=optional(value, "model", str) or "",
            provider_id=optional(value, "id", str) or "",
            tokens_in=count(usage, "prompt_tokens"),
            tokens_out=count(usage, "completion_tokens"),
            tokens_cached=_tokens_cached(usage),
            latency_s=latency_s,
            first_token_s=_first_token_s(value),
        )


def _tokens_cached(usage: dict[str, Any]) -> int | None:
    details = optional(usage, "prompt_tokens_details", dict) or {}
    return count(details, "cached_tokens")


def _first_token_s(value: dict[str, Any]) -> float | None:
    timings = optional(value, "timings", dict) or {}
    return seconds(timings, "prompt_ms", per=1000)


def _messages(messages: Sequence[Message]) -> list[Json]:
    """Return the messages, with an id for each call that its result refers to."""
    entries: list[Json] = []
    for message, ids in with_ids(messages):
        entry: dict[str, Json] = {"role": message.role, "content": message.content}
        if message.calls:
            entry["content"] = message.content or None
            entry["tool_calls"] = _sent_calls(message, ids)
        if message.role == "tool":
            entry["tool_call_id"] = ids[0]
        entries.append(entry)
    return entries


def _sent_calls(message: Message, ids: Sequence[str]) -> list[Json]:
    entries: list[Json] = []
    for name, call in zip(ids, message.calls, strict=True):
        arguments = json.dumps(call.arguments)
        function: Json = {"name": call.name, "arguments": arguments}
        entries.append({"id": name, "type": "function", "function": function})
    return entries


def _call(entry: object, index: int) -> ToolCall | str:
    call = typed(entry, f"tool_calls[{index}]", dict)
    function = item(call, "function", dict)
    return tool_call(item(function, "name", str), function.get("arguments", "{}"))
