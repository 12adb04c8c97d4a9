"""Anthropic's wire format: POST {base_url}/v1/messages (https://platform.claude.com/docs/en/api/messages)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from pytest_selfopt.bench.references import with_parts
from pytest_selfopt.bench.tools import Message
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.models.reading import (
    count,
    item,
    name_of,
    optional,
    tool_call,
    tool_calls,
    typed,
)
from pytest_selfopt.models.wire_format import LENGTH, STOP, Unsupported, failed_generation, with_ids
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.specs.thinking import without_thinking
from pytest_selfopt.trial import CallError, Echo, ErrorKind, Json, Reply, ToolCall

NAME = "anthropic"
VERSION = "2023-06-01"

_FINISH = {
    "end_turn": STOP,
    "stop_sequence": STOP,
    "max_tokens": LENGTH,
    "model_context_window_exceeded": LENGTH,
    "tool_use": "tool_calls",
}
_PAUSED = "pause_turn"
"""The provider interrupts a long turn of its own tools and waits to be asked to continue it."""
_UNKNOWN_KEYWORDS = frozenset(
    {"minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
)
"""JSON Schema keywords that structured outputs reject; without them answers are less constrained, never wrong."""


class AnthropicWire:
    """Claude; instructions are sent apart from the messages, answer schemas as `output_config.format`."""

    path = "/v1/messages"
    counts_within_limit = True

    def headers(self, key: str) -> dict[str, str]:
        """Return the API version and the key."""
        headers = {"anthropic-version": VERSION}
        if key:
            headers["x-api-key"] = key
        return headers

    def body(self, model: ModelConfig, request: ChatRequest) -> dict[str, Json]:
        """Return the body of a request; the format has no seed, and its temperature is at most 1.

        Raises:
            Unsupported: if the spec has a seed or a higher temperature.
        """
        drawn = request.sampling
        if drawn.seed is not None:
            raise Unsupported("Anthropic's API accepts no seed; remove it from the spec")
        if drawn.temperature > 1:
            raise Unsupported(f"Anthropic's API accepts temperatures up to 1, not {drawn.temperature:g}")
        body: dict[str, Json] = {
            "model": model.name,
            "max_tokens": drawn.max_tokens,
            "messages": _turns(request.messages),
            "temperature": drawn.temperature,
        }
        instructions = [message.content for message in request.messages if message.role == "system"]
        system = "\n\n".join(instructions)
        if system:
            body["system"] = system
        if drawn.top_p is not None:
            body["top_p"] = drawn.top_p
        if request.tools:
            body["tools"] = list(map(_tool, request.tools))
        if request.answer_schema is not None:
            schema = _accepted(request.answer_schema)
            answer_format: Json = {"type": "json_schema", "schema": schema}
            body["output_config"] = {"format": answer_format}
        return body

    def reply(self, value: Any, latency_s: float) -> Reply | CallError:
        """Read the text and tool blocks; tokens read from the prompt cache count as tokens in, too."""
        answer = typed(value, "", dict)
        blocks = list(map(_block, item(answer, "content", list), itertools.count()))
        stop = name_of(answer, "stop_reason")
        uses = [block for block in blocks if block.get("type") == "tool_use"]
        calls, undecodable = tool_calls(list(map(_call, uses)))
        usage = optional(answer, "usage", dict) or {}
        reply = Reply(
            text=_text(blocks),
            tool_calls=calls,
            undecodable=undecodable,
            finish_reason=_FINISH.get(stop, stop),
            served_model=name_of(answer, "model"),
            provider_id=name_of(answer, "id"),
            tokens_in=_tokens_in(usage),
            tokens_out=count(usage, "output_tokens"),
            tokens_cached=count(usage, "cache_read_input_tokens"),
            tokens_cache_write=count(usage, "cache_creation_input_tokens"),
            latency_s=latency_s,
            echo=_echo(blocks, uses),
        )
        if stop == _PAUSED:
            return failed_generation(stop, reply)
        if stop == "refusal":
            message = "the provider refused to answer (stop_reason refusal)"
            return CallError(kind=ErrorKind.REFUSED, message=message, reply=reply)
        return reply


def _block(block: object, index: int) -> dict[str, Any]:
    checked: dict[str, Any] = typed(block, f"content[{index}]", dict)
    return checked


def _text(blocks: Sequence[dict[str, Any]]) -> str:
    texts = [item(block, "text", str) for block in blocks if block.get("type") == "text"]
    return without_thinking("".join(texts))


def _echo(blocks: Sequence[dict[str, Any]], uses: Sequence[dict[str, Any]]) -> Echo | None:
    """Return the turn as it goes back in a conversation, with its signed thoughts; None without calls that have ids."""
    ids = [name_of(use, "id") for use in uses]
    if not uses or not all(ids):
        return None
    return Echo(wire=NAME, message=list(blocks), ids=tuple(ids))


def _tokens_in(usage: dict[str, Any]) -> int | None:
    """Sum the tokens of the prompt: new, read from the cache and written to it; None when the new are unknown."""
    fresh = count(usage, "input_tokens")
    if fresh is None:
        return None
    cached = count(usage, "cache_read_input_tokens") or 0
    created = count(usage, "cache_creation_input_tokens") or 0
    return fresh + cached + created


def _call(block: dict[str, Any]) -> ToolCall | str:
    return tool_call(item(block, "name", str), block.get("input", {}))


def _turns(messages: Sequence[Message]) -> list[Json]:
    """Return alternating turns, as the API requires; consecutive messages of one role become one turn."""
    spoken = [entry for entry in with_ids(messages) if entry[0].role != "system"]
    turns: list[Json] = []
    for role, group in itertools.groupby(spoken, key=_speaker):
        content = _content(list(group))
        turns.append({"role": role, "content": content})
    return turns


def _speaker(entry: tuple[Message, Sequence[str]]) -> str:
    """Return the role of the turn that a message belongs to; tool results belong to the user's."""
    message, _ = entry
    if message.role == "assistant":
        return "assistant"
    return "user"


def _content(group: Sequence[tuple[Message, Sequence[str]]]) -> Json:
    """Return the text of a turn without calls and results, else its blocks."""
    messages = [message for message, _ in group]
    if not any(message.calls or message.role == "tool" for message in messages):
        return "\n\n".join(message.content for message in messages)
    blocks: list[Json] = []
    for message, ids in group:
        if message.echo is not None and message.echo.wire == NAME and isinstance(message.echo.message, list):
            blocks += message.echo.message
            continue
        if message.role == "tool":
            blocks.append({"type": "tool_result", "tool_use_id": ids[0], "content": message.content})
        elif message.content:
            blocks.append({"type": "text", "text": message.content})
        # A result has its call's id but no calls: the lengths may differ.
        blocks += map(_sent_call, ids, message.calls)
    return blocks


def _sent_call(name: str, call: ToolCall) -> Json:
    return {"type": "tool_use", "id": name, "name": call.name, "input": call.arguments}


def _tool(tool: dict[str, Json]) -> Json:
    return {"name": tool["name"], "description": tool["description"], "input_schema": tool["parameters"]}


def _accepted(schema: Json) -> Json:
    """Return a schema without the keywords that the API rejects."""
    if not isinstance(schema, dict):
        return schema
    known = {name: part for name, part in schema.items() if name not in _UNKNOWN_KEYWORDS}
    return with_parts(known, _accepted)
