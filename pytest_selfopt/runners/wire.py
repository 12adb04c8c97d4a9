"""Calls and results as bytes, for runners whose calls are made in other processes.

Data only: what is to be asked and how, by names and ids. Where a model is and what key it wants, only the worker knows.
"""

from __future__ import annotations

import hashlib
import json
import re
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
from pytest_selfopt.trial import (
    CallResult,
    Json,
    ToolCall,
    attempt_from_json,
    error_from_json,
    reply_from_json,
    reply_to_json,
)

FORMAT = 1
"""A worker and a session of different formats do not understand each other, and say so."""


def call_to_bytes(call: Call) -> bytes:
    """A call as it is sent to a worker."""
    request = call.request
    value: dict[str, Any] = {
        "format": FORMAT,
        "id": call.id,
        "model": call.model,
        "lane": call.lane,
        "options": asdict(call.options),
        "request": {
            "messages": [message.to_json() for message in request.messages],
            "tools": list(request.tools),
            "answer_schema": request.answer_schema,
            "sampling": asdict(request.sampling),
            "fresh": request.fresh,
        },
    }
    if call.dialogue is not None:
        value["dialogue"] = {
            "case": call.dialogue.case.to_json(),
            "examples": [_example_to_json(one) for one in call.dialogue.examples],
            "spec": call.dialogue.spec.id,
            "variant": call.dialogue.variant.name,
        }
    return _dump(value)


def call_from_bytes(data: bytes, variant: Callable[[str], Variant]) -> Call:
    """The inverse of `call_to_bytes`; `variant` finds manners of asking by their names.

    Raises:
        RunnerError: when it is of another format.
        SpecError: when a variant is not known here.
    """
    value = _load(data)
    request, talk = value["request"], value.get("dialogue")
    return Call(
        id=value["id"],
        model=value["model"],
        lane=value["lane"],
        options=RunnerOptions(**value["options"]),
        request=ChatRequest(
            messages=tuple(Message.from_json(one) for one in request["messages"]),
            tools=tuple(request["tools"]),
            answer_schema=request["answer_schema"],
            sampling=Sampling(**request["sampling"]),
            fresh=request["fresh"],
        ),
        dialogue=None
        if talk is None
        else Dialogue(
            case=Case.from_json(talk["case"]),
            examples=tuple(_example_from_json(one) for one in talk["examples"]),
            spec=parse_spec(talk["spec"]),
            variant=variant(talk["variant"]),
        ),
    )


def result_to_bytes(result: CallResult) -> bytes:
    """A result as it is sent back. Its place in its lane is left to who sent the call."""
    return _dump(
        {
            "format": FORMAT,
            "reply": reply_to_json(result.reply) if result.reply is not None else None,
            "error": asdict(result.error) if result.error is not None else None,
            "started": result.started,
            "ended": result.ended,
            "failed_attempts": [asdict(one) for one in result.failed_attempts],
            "answers": result.answers,
            "waited_s": result.waited_s,
            "queue_depth": result.queue_depth,
            "in_flight": result.in_flight,
            "lane": result.lane,
        }
    )


def result_from_bytes(data: bytes) -> CallResult:
    """The inverse of `result_to_bytes`.

    Raises:
        RunnerError: when it is of another format.
    """
    value = _load(data)
    del value["format"]
    return CallResult(
        **{
            **value,
            "reply": reply_from_json(value["reply"]) if value["reply"] is not None else None,
            "error": error_from_json(value["error"]) if value["error"] is not None else None,
            "failed_attempts": tuple(attempt_from_json(one) for one in value["failed_attempts"]),
        }
    )


def token(text: str) -> str:
    """A text as a part of a name on an engine's server."""
    if re.fullmatch(r"[A-Za-z0-9_-]{1,64}", text):
        return text
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def _dump(value: dict[str, Any]) -> bytes:
    # ASCII, because a reply may hold lone surrogates, which no UTF-8 can.
    return json.dumps(value, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def _load(data: bytes) -> dict[str, Any]:
    try:
        value = json.loads(data)
        found = value["format"]
    except (ValueError, TypeError, KeyError):
        raise RunnerError("a message is none of pytest-selfopt's, or was sealed with another key") from None
    if found != FORMAT:
        raise RunnerError(
            f"a message of format {found!r} came, and this version knows format {FORMAT}: "
            "run the same version of pytest-selfopt in sessions and workers"
        )
    known: dict[str, Any] = value
    return known


def _example_to_json(example: Example) -> dict[str, Json]:
    answer = example.answer
    return {
        "messages": [message.to_json() for message in example.messages],
        "tools": [tool.to_json() for tool in example.tools],
        "answer": answer if isinstance(answer, str) else [asdict(call) for call in answer],
    }


def _example_from_json(value: dict[str, Any]) -> Example:
    answer = value["answer"]
    return Example(
        messages=tuple(Message.from_json(one) for one in value["messages"]),
        tools=tuple(Tool(**one) for one in value["tools"]),
        answer=answer if isinstance(answer, str) else tuple(ToolCall(**call) for call in answer),
    )
