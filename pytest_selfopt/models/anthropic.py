"""Anthropic's wire format: POST {base_url}/v1/messages (https://platform.claude.com/docs/en/api/messages)."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

from pytest_selfopt.bench.tools import Message
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.models.wire_format import Unsupported, count, item, optional, tool_call, tool_calls, typed, with_ids
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.trial import CallError, ErrorKind, Json, Reply, ToolCall

VERSION = "2023-06-01"

_FINISH = {"end_turn": "stop", "stop_sequence": "stop", "max_tokens": "length", "tool_use": "tool_calls"}
_UNKNOWN_KEYWORDS = frozenset(
    {"minLength", "maxLength", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"}
)
"""Keywords of JSON Schema that structured outputs refuse; without them an answer is freer, never wrong."""


class AnthropicWire:
    """Claude; instructions travel beside the messages, constrained answers as `output_config.format`."""

    path = "/v1/messages"

    def headers(self, key: str) -> dict[str, str]:
        """The version of the interface, and the key."""
        return {"anthropic-version": VERSION, **({"x-api-key": key} if key else {})}

    def body(self, model: ModelConfig, request: ChatRequest) -> dict[str, Json]:
        """A request without a seed, which this format does not know, and with a temperature of at most 1.

        Raises:
            Unsupported: when the spec asks for more than that.
        """
        drawn = request.sampling
        if drawn.seed is not None:
            raise Unsupported("Anthropic's interface takes no seed; leave it out of the spec")
        if drawn.temperature > 1:
            raise Unsupported(f"Anthropic's interface takes temperatures up to 1, not {drawn.temperature:g}")
        body: dict[str, Json] = {
            "model": model.name,
            "max_tokens": drawn.max_tokens,
            "messages": _turns(request.messages),
            "temperature": drawn.temperature,
        }
        system = "\n\n".join(message.content for message in request.messages if message.role == "system")
        if system:
            body["system"] = system
        if drawn.top_p is not None:
            body["top_p"] = drawn.top_p
        if request.tools:
            body["tools"] = [_tool(tool) for tool in request.tools]
        if request.answer_schema is not None:
            schema = _accepted(request.answer_schema)
            body["output_config"] = {"format": {"type": "json_schema", "schema": schema}}
        return body

    def reply(self, value: Any, latency_s: float) -> Reply | CallError:
        """The text and tool blocks; what was read from the prompt cache counts as tokens in, too."""
        answer = typed(value, "", dict)
        blocks = [typed(block, f"content[{index}]", dict) for index, block in enumerate(item(answer, "content", list))]
        stop = optional(answer, "stop_reason", str) or ""
        if stop == "refusal":
            return CallError(kind=ErrorKind.REFUSED, message="the provider refused to answer (stop_reason refusal)")
        calls, undecodable = tool_calls([_call(block) for block in blocks if block.get("type") == "tool_use"])
        usage = optional(answer, "usage", dict) or {}
        cached = count(usage, "cache_read_input_tokens")
        fresh = count(usage, "input_tokens")
        return Reply(
            text="".join(item(block, "text", str) for block in blocks if block.get("type") == "text"),
            tool_calls=calls,
            undecodable=undecodable,
            finish_reason=_FINISH.get(stop, stop),
            served_model=optional(answer, "model", str) or "",
            provider_id=optional(answer, "id", str) or "",
            tokens_in=None
            if fresh is None
            else fresh + (cached or 0) + (count(usage, "cache_creation_input_tokens") or 0),
            tokens_out=count(usage, "output_tokens"),
            tokens_cached=cached,
            latency_s=latency_s,
        )


def _call(block: dict[str, Any]) -> ToolCall | str:
    return tool_call(item(block, "name", str), block.get("input", {}))


def _turns(messages: Sequence[Message]) -> list[Json]:
    """Turns that alternate, as the interface wants them: neighbours of one role become one; results are the user's."""
    spoken = [
        ("assistant" if message.role == "assistant" else "user", (message, ids))
        for message, ids in with_ids(messages)
        if message.role != "system"
    ]
    return [
        {"role": role, "content": _content([message for _, message in group])}
        for role, group in itertools.groupby(spoken, key=lambda one: one[0])
    ]


def _content(group: Sequence[tuple[Message, Sequence[str]]]) -> Json:
    """A text where there is nothing else, or blocks."""
    if not any(message.calls or message.role == "tool" for message, _ in group):
        return "\n\n".join(message.content for message, _ in group)
    blocks: list[Json] = []
    for message, ids in group:
        if message.role == "tool":
            blocks.append({"type": "tool_result", "tool_use_id": ids[0], "content": message.content})
        elif message.content:
            blocks.append({"type": "text", "text": message.content})
        blocks += [
            {"type": "tool_use", "id": name, "name": call.name, "input": call.arguments}
            for name, call in zip(ids, message.calls, strict=False)
        ]
    return blocks


def _tool(tool: dict[str, Json]) -> Json:
    return {"name": tool["name"], "description": tool["description"], "input_schema": tool["parameters"]}


def _accepted(schema: Json) -> Json:
    """A schema without the keywords that the interface refuses."""
    if isinstance(schema, dict):
        return {name: _accepted(part) for name, part in schema.items() if name not in _UNKNOWN_KEYWORDS}
    return [_accepted(part) for part in schema] if isinstance(schema, list) else schema
