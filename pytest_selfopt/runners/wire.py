"""Encoding of calls and results, for runners whose calls are made in other processes.

Messages contain only data: requests and options, with names and ids. Only the worker knows addresses and keys.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from pytest_selfopt.bench.case import Case, Example
from pytest_selfopt.bench.tools import Message, Tool
from pytest_selfopt.errors import RunnerError
from pytest_selfopt.runners.conversation import Dialogue
from pytest_selfopt.runners.runner import Call, RunnerOptions
from pytest_selfopt.specs.request import ChatRequest, Sampling
from pytest_selfopt.specs.spec import parse_spec
from pytest_selfopt.specs.variants import Variant
from pytest_selfopt.trial import CallResult, Json, ToolCall
from pytest_selfopt.trial_json import (
    attempt_from_json,
    attempt_to_json,
    error_from_json,
    error_to_json,
    reply_from_json,
    reply_to_json,
)

FORMAT = 1
"""The version of the encoding; sessions and workers reject messages of other versions."""


def call_to_bytes(call: Call) -> bytes:
    """Encode a call for a worker."""
    request = call.request
    value: dict[str, Any] = {
        "format": FORMAT,
        "id": call.id,
        "model": call.model,
        "lane": call.lane,
        "options": asdict(call.options),
        "request": {
            "messages": list(map(Message.to_json, request.messages)),
            "tools": list(request.tools),
            "answer_schema": request.answer_schema,
            "sampling": asdict(request.sampling),
            "fresh": request.fresh,
        },
    }
    if call.dialogue is not None:
        value["dialogue"] = _dialogue_to_json(call.dialogue)
    return _dump(value)


def _dialogue_to_json(dialogue: Dialogue) -> dict[str, Any]:
    return {
        "case": dialogue.case.to_json(),
        "examples": list(map(_example_to_json, dialogue.examples)),
        "spec": dialogue.spec.id,
        "variant": dialogue.variant.name,
    }


def call_from_bytes(data: bytes, variant: Callable[[str], Variant]) -> Call:
    """The inverse of `call_to_bytes`; `variant` looks up variants by name.

    Raises:
        RunnerError: if it has another format.
        SpecError: if a variant is unknown here.
    """
    value = _load(data)
    return Call(
        id=value["id"],
        model=value["model"],
        lane=value["lane"],
        options=RunnerOptions(**value["options"]),
        request=_request_from_json(value["request"]),
        dialogue=_dialogue_from_json(value.get("dialogue"), variant),
    )


def _request_from_json(value: dict[str, Any]) -> ChatRequest:
    return ChatRequest(
        messages=tuple(map(Message.from_json, value["messages"])),
        tools=tuple(value["tools"]),
        answer_schema=value["answer_schema"],
        sampling=Sampling(**value["sampling"]),
        fresh=value["fresh"],
    )


def _dialogue_from_json(value: dict[str, Any] | None, variant: Callable[[str], Variant]) -> Dialogue | None:
    if value is None:
        return None
    return Dialogue(
        case=Case.from_json(value["case"]),
        examples=tuple(map(_example_from_json, value["examples"])),
        spec=parse_spec(value["spec"]),
        variant=variant(value["variant"]),
    )


def result_to_bytes(result: CallResult) -> bytes:
    """Encode a result; the sender of the call fills in the place in its lane."""
    value: dict[str, Any] = {
        "format": FORMAT,
        "reply": None,
        "error": None,
        "started": result.started,
        "ended": result.ended,
        "failed_attempts": list(map(attempt_to_json, result.failed_attempts)),
        "answers": result.answers,
        "waited_s": result.waited_s,
        "queue_depth": result.queue_depth,
        "in_flight": result.in_flight,
        "lane": result.lane,
    }
    if result.reply is not None:
        value["reply"] = reply_to_json(result.reply)
    if result.error is not None:
        value["error"] = error_to_json(result.error)
    return _dump(value)


def result_from_bytes(data: bytes) -> CallResult:
    """The inverse of `result_to_bytes`.

    Raises:
        RunnerError: if it has another format.
    """
    value = _load(data)
    del value["format"]
    if value["reply"] is not None:
        value["reply"] = reply_from_json(value["reply"])
    if value["error"] is not None:
        value["error"] = error_from_json(value["error"])
    value["failed_attempts"] = tuple(map(attempt_from_json, value["failed_attempts"]))
    return CallResult(**value)


def _dump(value: dict[str, Any]) -> bytes:
    # ASCII, because a reply may contain lone surrogates, which UTF-8 cannot represent.
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def _load(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
        version = value["format"]
    except (ValueError, TypeError, KeyError):
        raise RunnerError("a message is not from pytest-selfopt, or was sealed with another key") from None
    if version != FORMAT:
        raise RunnerError(
            f"received a message of format {version!r}, but this version supports format {FORMAT}; "
            "run the same version of pytest-selfopt in sessions and workers"
        )
    known: dict[str, Any] = value
    return known


def _example_to_json(example: Example) -> dict[str, Json]:
    return {
        "messages": [message.to_json() for message in example.messages],
        "tools": [tool.to_json() for tool in example.tools],
        "answer": _answer_to_json(example.answer),
    }


def _answer_to_json(answer: str | tuple[ToolCall, ...]) -> Json:
    if isinstance(answer, str):
        return answer
    return [asdict(call) for call in answer]


def _example_from_json(value: dict[str, Any]) -> Example:
    return Example(
        messages=tuple(map(Message.from_json, value["messages"])),
        tools=tuple(Tool(**entry) for entry in value["tools"]),
        answer=_answer_from_json(value["answer"]),
    )


def _answer_from_json(answer: str | list[dict[str, Any]]) -> str | tuple[ToolCall, ...]:
    if isinstance(answer, str):
        return answer
    return tuple(ToolCall(**call) for call in answer)
