"""The OpenAI-compatible wire format: POST {base_url}/chat/completions."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pytest_selfopt.bench.tools import Message
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.models.failures import failure, find_error
from pytest_selfopt.models.reading import (
    amount,
    count,
    item,
    name_of,
    optional,
    seconds,
    text_of,
    tool_call,
    tool_calls,
    typed,
)
from pytest_selfopt.models.wire_format import (
    LENGTH,
    bearer,
    billed,
    failed_generation,
    filtered,
    function_tool,
    set_sampling,
    with_ids,
)
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.trial import CallError, Echo, Json, Reply, ToolCall

NAME = "openai"

_UNFINISHED = frozenset(
    {"error", "abort", "aborted", "cancelled", "insufficient_system_resource", "timeout", "load", "unload"}
)
"""Finish reasons of replies that the server could not finish (OpenRouter, vLLM, SGLang, DeepSeek, Mistral, Ollama)."""
_FILTERED = frozenset(
    {"content_filter", "safety", "recitation", "prohibited_content", "blocklist", "spii", "sensitive"}
)
_ENDED_AT_LIMIT = frozenset({"max_tokens", "model_length", "max_output_tokens", "model_context_window_exceeded"})
_ENDED = {
    "eos": "stop",
    "eos_token": "stop",
    "end_turn": "stop",
    "stop_sequence": "stop",
    "function_call": "tool_calls",
}
_UNREADABLE = frozenset({"malformed_function_call", "unexpected_tool_call", "function_call_filter"})
"""Finish reasons of Gemini for a call that it could not read itself."""

_ECHOED = ("reasoning_content", "reasoning", "reasoning_details", "extra_content", "thought_signature")
"""Members of a message that go back as they came: thoughts (DeepSeek, OpenRouter) and their signatures (Gemini)."""


class OpenAIWire:
    """OpenAI, OpenRouter, vLLM, llama.cpp, LM Studio and compatible servers."""

    path = "/chat/completions"
    counts_within_limit = False

    def headers(self, key: str) -> dict[str, str]:
        """Return a bearer token."""
        return bearer(key)

    def body(self, model: ModelConfig, request: ChatRequest) -> dict[str, Json]:
        """Return the body of a request; this format supports all of a request's fields."""
        body: dict[str, Json] = {
            "model": model.name,
            "messages": _messages(request.messages),
            "temperature": request.sampling.temperature,
            "max_tokens": request.sampling.max_tokens,
        }
        set_sampling(body, request.sampling)
        if request.tools:
            body["tools"] = list(map(function_tool, request.tools))
        if request.answer_schema is not None:
            schema: Json = {"name": "answer", "schema": request.answer_schema}
            body["response_format"] = {"type": "json_schema", "json_schema": schema}
        return body

    def reply(self, value: Any, latency_s: float) -> Reply | CallError:
        """Read the first choice; llama.cpp reports the time to the first token in `timings`."""
        choice = item(typed(value, "", dict), "choices", list)
        if not choice:
            raise ValueError("without choices")
        first = typed(choice[0], "choices[0]", dict)
        finish = _finish(first)
        usage = optional(value, "usage", dict) or {}
        reply = Reply(
            finish_reason=finish,
            served_model=name_of(value, "model"),
            provider_id=name_of(value, "id"),
            tokens_in=count(usage, "prompt_tokens"),
            tokens_out=_tokens_out(usage),
            tokens_cached=_tokens_cached(usage),
            tokens_cache_write=count(_details(usage, "prompt_tokens_details"), "cache_write_tokens"),
            tokens_reasoning=_tokens_reasoning(usage),
            cost_usd=_cost(usage),
            latency_s=latency_s,
            first_token_s=_first_token_s(value),
        )
        # Once a generation has begun, OpenRouter can no longer change the status of its answer.
        error = find_error(first)
        if error is not None:
            failed = failure(error, status=200, headers={}, now=0.0)
            return replace(failed, reply=billed(reply))
        if finish in _UNFINISHED:
            return failed_generation(finish, reply)
        if finish in _FILTERED:
            return filtered(finish, reply)
        return _with_message(reply, first)


def _with_message(reply: Reply, choice: dict[str, Any]) -> Reply:
    """Return the reply with the text and the calls of a choice.

    Raises:
        ValueError: if its message is missing or has another shape.
    """
    finish = reply.finish_reason
    message = optional(choice, "message", dict)
    if message is None and not finish:
        raise ValueError("without message")
    # Gemini leaves out a message in which there would be nothing.
    message = message or {}
    entries = optional(message, "tool_calls", list) or []
    if not entries and isinstance(message.get("function_call"), dict):
        entries = [{"function": message["function_call"]}]
    calls, undecodable = tool_calls(list(map(_call, entries, itertools.count())))
    if finish in _UNREADABLE and not calls:
        undecodable = f"the provider could not read its tool call (finish reason {finish})"
    return replace(
        reply,
        text=text_of(message.get("content"), "content"),
        tool_calls=calls,
        undecodable=undecodable,
        refusal=optional(message, "refusal", str) or "",
        echo=_echo(message, entries),
    )


def _finish(choice: dict[str, Any]) -> str:
    """Return a finish reason in OpenAI's words; in lower case, as some servers shout theirs."""
    # Gemini adds its own word: "content_filter: PROHIBITED_CONTENT".
    finish = name_of(choice, "finish_reason").lower().partition(":")[0]
    if finish in _ENDED_AT_LIMIT:
        return LENGTH
    return _ENDED.get(finish, finish)


def _details(usage: dict[str, Any], name: str) -> dict[str, Any]:
    return optional(usage, name, dict) or {}


def _tokens_reasoning(usage: dict[str, Any]) -> int | None:
    details = _details(usage, "completion_tokens_details")
    tokens = count(details, "reasoning_tokens")
    if tokens is None:
        tokens = count(usage, "reasoning_tokens")
    return tokens


def _tokens_out(usage: dict[str, Any]) -> int | None:
    """Return the tokens out by the dearest reading.

    Some servers count thinking apart from the completion (xAI), or only in the total (Gemini): what the total has
    beyond the prompt is billed as output.
    """
    tokens = count(usage, "completion_tokens")
    if tokens is None:
        return None
    total, prompt = count(usage, "total_tokens"), count(usage, "prompt_tokens")
    if total is not None and prompt is not None:
        return max(tokens, total - prompt)
    reasoning = _tokens_reasoning(usage) or 0
    if reasoning > tokens:
        return tokens + reasoning
    return tokens


def _tokens_cached(usage: dict[str, Any]) -> int | None:
    tokens = count(_details(usage, "prompt_tokens_details"), "cached_tokens")
    if tokens is None:
        tokens = count(usage, "prompt_cache_hit_tokens")  # DeepSeek
    return tokens


def _cost(usage: dict[str, Any]) -> float | None:
    """Return the provider's own figure of the cost in USD (OpenRouter); None without one.

    With the user's own key at the provider behind the router, that provider bills, too.
    """
    cost = amount(usage, "cost")
    if cost is None:
        return None
    upstream = amount(_details(usage, "cost_details"), "upstream_inference_cost")
    if usage.get("is_byok") is True and upstream is not None:
        return cost + upstream
    return cost


def _first_token_s(value: dict[str, Any]) -> float | None:
    timings = optional(value, "timings", dict) or {}
    return seconds(timings, "prompt_ms", per=1000)


def _echo(message: dict[str, Any], entries: Sequence[Any]) -> Echo | None:
    """Return the message as it goes back in a conversation; None if nothing of it is the provider's own."""
    own = {name: message[name] for name in _ECHOED if message.get(name)}
    ids = [name_of(entry, "id") for entry in entries]
    if not all(ids) or not (own or entries):
        return None
    echoed: dict[str, Json] = {"role": "assistant", "content": message.get("content"), **own}
    if entries:
        echoed["tool_calls"] = list(entries)
    return Echo(wire=NAME, message=echoed, ids=tuple(ids))


def _messages(messages: Sequence[Message]) -> list[Json]:
    """Return the messages, with an id for each call that its result refers to."""
    entries: list[Json] = []
    for message, ids in with_ids(messages):
        if message.echo is not None and message.echo.wire == NAME:
            entries.append(message.echo.message)
            continue
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
    return tool_call(item(function, "name", str), function.get("arguments"))
