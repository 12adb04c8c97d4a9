"""One trial as a sample of an Inspect log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pytest_selfopt.bench.case import Case
from pytest_selfopt.bench.tools import Message
from pytest_selfopt.trial import CallResult, Outcome, Reply, ToolCall, Trial

Document = dict[str, Any]

_STOP = {"stop": "stop", "length": "max_tokens", "tool_calls": "tool_calls", "content_filter": "content_filter"}
_VALUES = {Outcome.PASS: "C", Outcome.MISS: "I"}
_KEPT = (
    *("case_hash", "run", "restraint", "called", "attempts", "first_try"),
    *("waited_s", "in_flight", "lane", "lane_seq", "load_s", "cost_usd"),
)


def sample(model: str, scorer: str, trial: Trial, result: CallResult, case: Case | None) -> Document:
    """The sample of a trial; runs count from 0, epochs from 1.

    A miss is scored "I"; an error has no score, and says what happened. Without its `case` the question is unknown, and
    its name stands there instead.
    """
    asked = [] if case is None else list(_messages(case.messages))
    said = [] if result.reply is None else list(_said(result.reply, case))
    found: Document = {
        "id": trial.case,
        "epoch": trial.run + 1,
        "input": asked or trial.case,
        "target": "" if case is None else json.dumps(case.expect.to_json(), sort_keys=True),
        "messages": [*asked, *said],
        "metadata": {name: getattr(trial, name) for name in _KEPT},
        "started_at": iso_time(trial.started),
        "completed_at": iso_time(trial.ended),
        "total_time": trial.ended - trial.started,
    }
    if trial.latency_s is not None:
        found["working_time"] = trial.latency_s
    if result.reply is not None:
        usage = usage_of(trial, result.reply)
        found["output"] = _output(trial.served_model or model, result.reply, usage)
        found["model_usage"] = {} if usage is None else {model: usage}
    if trial.outcome is Outcome.ERROR:
        message = f"{trial.error_kind}: {trial.reason}"
        found["error"] = {"message": message, "traceback": message, "traceback_ansi": message}
    else:
        answer = result.reply.text if result.reply else ""
        found["scores"] = {scorer: {"value": _VALUES[trial.outcome], "answer": answer, "explanation": trial.reason}}
    return found


def usage_of(trial: Trial, reply: Reply | None) -> dict[str, float] | None:
    """The tokens of a trial by Inspect's names, which count cached ones apart; None when nobody counted them."""
    if trial.tokens_in is None or trial.tokens_out is None:
        return None
    cached = reply.tokens_cached if reply else None
    usage: dict[str, float] = {
        "input_tokens": trial.tokens_in - (cached or 0),
        "output_tokens": trial.tokens_out,
        "total_tokens": trial.tokens_in + trial.tokens_out,
    }
    extra = (("input_tokens_cache_read", cached), ("total_cost", trial.cost_usd))
    return usage | {name: value for name, value in extra if value is not None}


def _output(model: str, reply: Reply, usage: dict[str, float] | None) -> Document:
    choice = {
        "message": _assistant(reply.text, reply.tool_calls if reply.conversation is None else (), "call"),
        "stop_reason": _STOP.get(reply.finish_reason, "unknown"),
    }
    output = {"model": model, "choices": [choice], "completion": reply.text, "time": reply.latency_s}
    return output if usage is None else {**output, "usage": usage}


def _said(reply: Reply, case: Case | None) -> Iterator[Document]:
    """What the model said, in a conversation step by step with what it was answered."""
    if reply.conversation is None:
        yield _assistant(reply.text, reply.tool_calls, "call")
        return
    turn = 1
    for number, step in enumerate(reply.conversation.steps):
        if step.turn > turn and case is not None:
            yield from ({"role": "user", "content": text} for text in case.turns[turn - 1 : step.turn - 1])
        turn = step.turn
        yield _assistant(step.text, step.calls, f"call-{number}")
        for place, (call, text) in enumerate(zip(step.calls, step.results, strict=False)):
            yield _tool(call.name, text, f"call-{number}-{place}")


def _messages(messages: tuple[Message, ...]) -> Iterator[Document]:
    """The question as its suite has it; results answer the calls before them in their order."""
    waiting: list[str] = []
    for number, message in enumerate(messages):
        if message.role == "assistant":
            waiting = [f"asked-{number}-{place}" for place in range(len(message.calls))]
            yield _assistant(message.content, message.calls, f"asked-{number}", source="input")
        elif message.role == "tool":
            yield _tool(message.tool, message.content, waiting.pop(0) if waiting else "")
        else:
            yield {"role": message.role, "content": message.content}


def _assistant(text: str, calls: tuple[ToolCall, ...], name: str, *, source: str = "generate") -> Document:
    found: Document = {"role": "assistant", "content": text, "source": source}
    if calls:
        found["tool_calls"] = [
            {"id": f"{name}-{place}", "function": call.name, "arguments": call.arguments, "type": "function"}
            for place, call in enumerate(calls)
        ]
    return found


def _tool(name: str, text: str, call: str) -> Document:
    return {"role": "tool", "content": text, "tool_call_id": call, "function": name}


def iso_time(seconds: float) -> str:
    """Seconds since the epoch as Inspect writes times, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()
