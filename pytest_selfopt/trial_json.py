"""Calls' replies and errors as plain JSON values, for the ledger and for other processes."""

from __future__ import annotations

from typing import Any

from pytest_selfopt.trial import (
    CallError,
    Conversation,
    ErrorKind,
    FailedAttempt,
    Json,
    Reply,
    Step,
    ToolCall,
)

_RARE = ("tokens_cache_write", "tokens_reasoning", "cost_usd", "off_schema", "adjustments", "copied")
"""Fields that most replies leave at their defaults: left out where they do, to keep the ledger small."""


def reply_to_json(reply: Reply) -> dict[str, Json]:
    """Return the fields of a reply as plain JSON values, but for the message that goes back in a conversation."""
    # Not dataclasses.asdict, whose deep copies take ten times as long; a reply is stored for every call.
    values: dict[str, Any] = {name: getattr(reply, name) for name in Reply.__dataclass_fields__}
    del values["echo"]
    for name in _RARE:
        if values[name] is None or values[name] is False or values[name] in ((), ""):
            del values[name]
    values["tool_calls"] = _calls_to_json(reply.tool_calls)
    if reply.conversation is not None:
        values["conversation"] = {
            "steps": [
                {
                    "turn": step.turn,
                    "text": step.text,
                    "calls": _calls_to_json(step.calls),
                    "results": list(step.results),
                    "id": step.id,
                }
                for step in reply.conversation.steps
            ],
            "states": list(reply.conversation.states),
            "unfinished": reply.conversation.unfinished,
        }
    return values


def reply_from_json(value: dict[str, Any]) -> Reply:
    """The inverse of `reply_to_json`; fields this version does not know are ignored."""
    known = {name: value[name] for name in Reply.__dataclass_fields__ if name in value and name != "echo"}
    known["tool_calls"] = _calls_from_json(known.get("tool_calls", ()))
    known["adjustments"] = tuple(known.get("adjustments", ()))
    talk = known.get("conversation")
    if talk is not None:
        steps = [
            Step(
                turn=one["turn"],
                text=one["text"],
                calls=_calls_from_json(one["calls"]),
                results=tuple(one["results"]),
                id=one.get("id", ""),
            )
            for one in talk["steps"]
        ]
        known["conversation"] = Conversation(
            steps=tuple(steps), states=tuple(talk["states"]), unfinished=talk["unfinished"]
        )
    return Reply(**known)


def error_to_json(error: CallError) -> dict[str, Json]:
    """Return an error as plain JSON values; `reply` is left out if there is none."""
    values: dict[str, Json] = {
        "kind": error.kind,
        "message": error.message,
        "status": error.status,
        "retry_after_s": error.retry_after_s,
    }
    if error.reply is not None:
        values["reply"] = reply_to_json(error.reply)
    return values


def error_from_json(value: dict[str, Any]) -> CallError:
    """The inverse of `error_to_json`; fields this version does not know are ignored."""
    reply = value.get("reply")
    if reply is not None:
        reply = reply_from_json(reply)
    known = {name: value[name] for name in CallError.__dataclass_fields__ if name in value}
    return CallError(**{**known, "kind": ErrorKind(value["kind"]), "reply": reply})


def attempt_to_json(attempt: FailedAttempt) -> dict[str, Json]:
    """Return a failed attempt as plain JSON values."""
    return {"error": error_to_json(attempt.error), "started": attempt.started, "ended": attempt.ended}


def attempt_from_json(value: dict[str, Any]) -> FailedAttempt:
    """The inverse of `attempt_to_json`."""
    return FailedAttempt(error=error_from_json(value["error"]), started=value["started"], ended=value["ended"])


def _calls_to_json(calls: tuple[ToolCall, ...]) -> list[Json]:
    return [{"name": call.name, "arguments": call.arguments} for call in calls]


def _calls_from_json(values: Any) -> tuple[ToolCall, ...]:
    return tuple(ToolCall(name=call["name"], arguments=call["arguments"]) for call in values)
