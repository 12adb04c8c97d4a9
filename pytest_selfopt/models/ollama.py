"""Ollama's own wire format: POST {base_url}/api/chat (https://docs.ollama.com/api/chat)."""

from __future__ import annotations

import itertools
import re
from typing import Any

from pytest_selfopt.bench.tools import Message
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.models.reading import (
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
from pytest_selfopt.models.wire_format import bearer, failed_generation, function_tool, set_sampling
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.trial import CallError, Echo, Json, Reply, ToolCall

NAME = "ollama"
NANOSECONDS = 1e9

_TO_THE_MICROSECOND = re.compile(r"\.\d{6}")
_UNFINISHED = ("load", "unload")
"""Reasons with which Ollama says that it only loaded or unloaded the model, and asked it nothing."""


class OllamaWire:
    """Ollama, with native tools, constrained answers and load times."""

    path = "/api/chat"
    counts_within_limit = True

    def headers(self, key: str) -> dict[str, str]:
        """Return no headers, or a bearer token for an Ollama behind a proxy that requires one."""
        return bearer(key)

    def body(self, model: ModelConfig, request: ChatRequest) -> dict[str, Json]:
        """Return an unstreamed request, with `num_ctx` if configured, because Ollama silently cuts longer prompts."""
        options: dict[str, Json] = {
            "temperature": request.sampling.temperature,
            "num_predict": request.sampling.max_tokens,
        }
        set_sampling(options, request.sampling)
        if model.context is not None:
            options["num_ctx"] = model.context
        body: dict[str, Json] = {
            "model": model.name,
            "messages": list(map(_message, request.messages)),
            "stream": False,
            "options": options,
        }
        if request.tools:
            body["tools"] = list(map(function_tool, request.tools))
        if request.answer_schema is not None:
            body["format"] = request.answer_schema
        if model.keep_alive is not None:
            body["keep_alive"] = model.keep_alive
        return body

    def reply(self, value: Any, latency_s: float) -> Reply | CallError:
        """Read the message; Ollama's times are in nanoseconds."""
        answer = typed(value, "", dict)
        message = item(answer, "message", dict)
        if answer.get("done") is not True:
            raise ValueError("cut off (done is not true)")
        finish = name_of(answer, "done_reason")
        entries = optional(message, "tool_calls", list) or []
        calls, undecodable = tool_calls(list(map(_call, entries, itertools.count())))
        load_s = seconds(answer, "load_duration", per=NANOSECONDS)
        prompt_s = seconds(answer, "prompt_eval_duration", per=NANOSECONDS)
        reply = Reply(
            text=text_of(message.get("content"), "message.content"),
            tool_calls=calls,
            undecodable=undecodable,
            finish_reason=finish,
            served_model=name_of(answer, "model"),
            provider_id=_moment(name_of(answer, "created_at")),
            tokens_in=count(answer, "prompt_eval_count"),
            tokens_out=count(answer, "eval_count"),
            latency_s=latency_s,
            load_s=load_s,
            first_token_s=_first_token_s(load_s, prompt_s),
            echo=_echo(message),
        )
        if finish in _UNFINISHED:
            return failed_generation(finish, reply)
        return reply


def _moment(created_at: str) -> str:
    """Return the time of an answer, which stands for the id that it has not; empty if it is not to the microsecond."""
    if not _TO_THE_MICROSECOND.search(created_at):
        return ""
    return created_at


def _first_token_s(load_s: float | None, prompt_s: float | None) -> float | None:
    if prompt_s is None:
        return None
    return (load_s or 0.0) + prompt_s


def _echo(message: dict[str, Any]) -> Echo | None:
    """Return the message as it goes back in a conversation; None if there is nothing in it but its text."""
    if not message.get("tool_calls") and not message.get("thinking"):
        return None
    return Echo(wire=NAME, message=message)


def _message(message: Message) -> Json:
    if message.echo is not None and message.echo.wire == NAME:
        return message.echo.message
    value: dict[str, Json] = {"role": message.role, "content": message.content}
    if message.calls:
        value["tool_calls"] = list(map(_sent_call, message.calls))
    if message.role == "tool":
        value["tool_name"] = message.tool
    return value


def _sent_call(call: ToolCall) -> Json:
    return {"function": {"name": call.name, "arguments": call.arguments}}


def _call(entry: object, index: int) -> ToolCall | str:
    call = typed(entry, f"message.tool_calls[{index}]", dict)
    function = item(call, "function", dict)
    return tool_call(item(function, "name", str), function.get("arguments", {}))
