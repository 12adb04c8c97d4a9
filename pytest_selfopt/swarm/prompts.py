"""Prompts of later stages: the question and the earlier answers."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from pytest_selfopt.bench.tools import Message
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.trial import Reply, ToolCall

MOST_CHARACTERS = 4000
"""Characters kept of one answer."""

_REFINE = (
    "Another model answered this request as follows. It may be wrong. Check it, and give your own answer to the "
    "request, in the form that was asked for."
)
_COMBINE = (
    "Several models answered this request as follows. Any of them may be wrong. Give the one best answer to the "
    "request, in the form that was asked for."
)


def refining(request: ChatRequest, answer: Reply) -> ChatRequest:
    """Return the request of a call that refines one answer."""
    return _with(request, f"{_REFINE}\n\n{shown(answer)}")


def combining(request: ChatRequest, answers: Sequence[Reply]) -> ChatRequest:
    """Return the request of a call that combines several answers."""
    parts = [_COMBINE]
    for number, answer in enumerate(answers, 1):
        text = shown(answer)
        parts.append(f"Answer {number}:\n{text}")
    return _with(request, "\n\n".join(parts))


def shown(answer: Reply) -> str:
    """Format an answer: its calls as JSON objects, or its text."""
    calls = map(_as_json, answer.tool_calls)
    text = "\n".join(calls) or answer.text
    if len(text) <= MOST_CHARACTERS:
        return text
    return f"{text[: MOST_CHARACTERS - 1]}…"


def _as_json(call: ToolCall) -> str:
    value = {"tool": call.name, "arguments": call.arguments}
    return json.dumps(value, ensure_ascii=False)


def _with(request: ChatRequest, text: str) -> ChatRequest:
    """Append user text to a request; some servers reject two consecutive messages of one role."""
    *before, last = request.messages
    if last.role == "user":
        last = replace(last, content=f"{last.content}\n\n{text}")
        return replace(request, messages=(*before, last))
    message = Message(role="user", content=text)
    return replace(request, messages=(*request.messages, message))
