"""Encoding of calls and results, for runners whose calls are made in other processes.

Messages contain only data: requests and options, with names and ids. Only the worker knows addresses and keys. Anybody
may have written what is decoded here: whatever it is, it is a message of the expected kind or an UnusableMessageError.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pytest_selfopt import clock
from pytest_selfopt.bench.case import Case, Example
from pytest_selfopt.bench.tools import Message, Tool
from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.redaction.known import KNOWN
from pytest_selfopt.runners.conversation import Dialogue
from pytest_selfopt.runners.message import EndsDisagreeError, MessageContext, UnusableMessageError, expanded
from pytest_selfopt.runners.message_fields import CALL, CALL_OPTIONAL, RESULT, Check, wrong_field
from pytest_selfopt.runners.runner import Call, RunnerOptions
from pytest_selfopt.specs.request import ChatRequest, Sampling
from pytest_selfopt.specs.spec import parse_spec
from pytest_selfopt.specs.variants import Variant
from pytest_selfopt.trial import CallResult, Json, ToolCall
from pytest_selfopt.trial_bounds import bounded_result
from pytest_selfopt.trial_json import (
    attempt_from_json,
    attempt_to_json,
    error_from_json,
    error_to_json,
    reply_from_json,
    reply_to_json,
)

FORMAT = 2
"""The version of the encoding; sessions and workers reject messages of other versions."""

MOST_FORMAT = 1000
"""A greater version is none."""

MOST_LEVELS = 300
"""How deep a message may be nested; readers and writers of JSON give up at about a thousand."""

KEPT_S = 7 * 86_400.0
"""Seconds for which servers keep calls and results; an older call is a copy."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The result of a call as it came, and the fingerprint of the question that it answers (see `question_of`)."""

    result: CallResult
    question: str

    def fits(self, question: str) -> bool:
        """Whether it answers a question; a worker that could not read a call does not know which it was."""
        unread = not self.question and self.result.reply is None
        return unread or self.question == question


def question_of(call: Call) -> str:
    """Return the fingerprint of what a call asks, and whom; how often and how long is tried makes no difference."""
    content = json.dumps(_question_to_json(call), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(content.encode("ascii")).hexdigest()


def _question_to_json(call: Call) -> dict[str, Any]:
    request = call.request
    value: dict[str, Any] = {
        "model": call.model,
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
    return value


def call_to_bytes(call: Call, about: MessageContext, sent: float) -> bytes:
    """Encode a call for a worker, sent at a time (seconds since the epoch); its id is in `about`."""
    value = {
        "sent": sent,
        "lane": call.lane,
        "options": asdict(call.options),
        **_question_to_json(call),
    }
    return dump_message(value, about)


def _dialogue_to_json(dialogue: Dialogue) -> dict[str, Any]:
    return {
        "case": dialogue.case.to_json(),
        "examples": list(map(_example_to_json, dialogue.examples)),
        "spec": dialogue.spec.id,
        "variant": dialogue.variant.name,
    }


def call_from_bytes(data: bytes, about: MessageContext, variant: Callable[[str], Variant]) -> Call:
    """The inverse of `call_to_bytes`; `variant` looks up variants by name.

    Raises:
        UnusableMessageError: if it is no such call, or is older than queues keep calls.
        SpecError: if a variant is unknown here.
    """
    value = load_message(data, about)
    _require(value, about, CALL, CALL_OPTIONAL)
    days, kept_days = (clock.now() - value["sent"]) / 86_400, KEPT_S / 86_400
    if days > kept_days:
        raise UnusableMessageError(
            f"a call was sent {days:,.0f} days ago, and calls are kept for {kept_days:.0f}: it is a copy"
        )
    try:
        return Call(
            id=about.call,
            model=value["model"],
            lane=value["lane"],
            options=RunnerOptions(**value["options"]),
            request=_request_from_json(value["request"]),
            dialogue=_dialogue_from_json(value.get("dialogue"), variant),
        )
    except SelfoptError:
        raise
    # The case of a conversation is read by many hands, none of which expects what a stranger may have written.
    except Exception as problem:  # noqa: BLE001
        raise UnusableMessageError(f"a call cannot be read: {type(problem).__name__}: {problem}") from None


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


def result_to_bytes(result: CallResult, about: MessageContext, question: str) -> bytes:
    """Encode the answer to a question, empty if that is unknown, without secrets.

    The call's sender fills in the place in its lane.

    Raises:
        UnusableMessageError: if nobody would accept it.
    """
    result = KNOWN.redactor.redact_value(result)
    # What a worker stores and its session refuses would be waited for in vain. It is the session that cuts texts,
    # because it may know other secrets.
    _bounded(result)
    value: dict[str, Any] = {
        "question": question,
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
    _require(value, about, RESULT, {})
    if is_too_deep(value):
        raise UnusableMessageError(f"a {about.kind} is nested deeper than {MOST_LEVELS} levels")
    return dump_message(value, about)


def _bounded(result: CallResult) -> CallResult:
    try:
        return bounded_result(result)
    except ValueError as problem:
        raise UnusableMessageError(f"a result cannot be used: {problem}") from None


def answer_from_bytes(data: bytes, about: MessageContext) -> Answer:
    """The inverse of `result_to_bytes`, within bounds and without secrets: a worker may not know those of the session.

    Raises:
        UnusableMessageError: if it is no such result.
    """
    data = expanded(data)
    value = _load_expanded(data, about)
    _require(value, about, RESULT, {})
    if (value["reply"] is None) == (value["error"] is None):
        raise UnusableMessageError("a result has neither a reply nor an error, or both")
    values = {name: value[name] for name in RESULT if name != "question"}
    if value["reply"] is not None:
        values["reply"] = reply_from_json(value["reply"])
    if value["error"] is not None:
        values["error"] = error_from_json(value["error"])
    values["failed_attempts"] = tuple(map(attempt_from_json, value["failed_attempts"]))
    result = CallResult(**values)
    # Before texts are cut: a part of a key would not be found.
    if KNOWN.redactor.may_hide(data.decode("latin-1")):
        result = KNOWN.redactor.redact_value(result)
    return Answer(_bounded(result), value["question"])


def dump_message(value: Mapping[str, Any], about: MessageContext) -> bytes:
    """Encode a message with its format and what it belongs to."""
    whole = {"format": FORMAT, "about": about.to_json(), **value}
    # ASCII, because a reply may contain lone surrogates, which UTF-8 cannot represent.
    return json.dumps(whole, ensure_ascii=True, separators=(",", ":")).encode("ascii")


def load_message(data: bytes, about: MessageContext) -> dict[str, Any]:
    """Decode a message, perhaps a compressed one, that belongs to what `about` says.

    Raises:
        UnusableMessageError: if it is none.
    """
    return _load_expanded(expanded(data), about)


def _load_expanded(data: bytes, about: MessageContext) -> dict[str, Any]:
    try:
        value = json.loads(data)
        version = value["format"]
    # Deep nesting ends in a RecursionError, and it is as little a message as any other text.
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        raise UnusableMessageError("a message is not from pytest-selfopt, or was sealed with another key") from None
    if type(version) is int and version != FORMAT and 0 <= version < MOST_FORMAT:
        raise EndsDisagreeError(
            f"received a message of format {version}, but this version supports format {FORMAT}; "
            "run the same version of pytest-selfopt in sessions and workers"
        )
    if version != FORMAT or value.get("about") != about.to_json():
        raise UnusableMessageError(f"a message in the place of a {about.kind} is for another place or call")
    if is_too_deep(value):
        raise UnusableMessageError(f"a {about.kind} is nested deeper than {MOST_LEVELS} levels")
    known: dict[str, Any] = value
    return known


def is_too_deep(value: Any) -> bool:
    """Whether a JSON value is nested deeper than a message may be."""
    level = [value]
    for _ in range(MOST_LEVELS):
        children: list[Any] = []
        for node in level:
            if isinstance(node, dict):
                children.extend(node.values())
            elif isinstance(node, list):
                children.extend(node)
        if not children:
            return False
        level = children
    return True


def _require(
    value: dict[str, Any], about: MessageContext, required: Mapping[str, Check], optional: Mapping[str, Check]
) -> None:
    wrong = wrong_field(value, required, optional)
    if wrong:
        raise UnusableMessageError(f"a {about.kind} has no usable field {wrong!r}")


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
