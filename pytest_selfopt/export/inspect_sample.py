"""One trial as a sample of an Inspect log."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from pytest_selfopt.bench.case import Case
from pytest_selfopt.bench.tools import Message
from pytest_selfopt.export.documents import without_none
from pytest_selfopt.trial import CallResult, Outcome, Reply, ToolCall, Trial

Document = dict[str, Any]

_STOP = {
    "stop": "stop",
    "length": "max_tokens",
    "tool_calls": "tool_calls",
    "content_filter": "content_filter",
}
_VALUES = {Outcome.PASS: "C", Outcome.MISS: "I"}
_METADATA_FIELDS = (
    *("case_hash", "run", "restraint", "called", "attempts", "first_try"),
    *("waited_s", "in_flight", "lane", "lane_seq", "load_s", "cost_usd", "copied"),
)


def sample(model: str, scorer: str, trial: Trial, result: CallResult, case: Case | None) -> Document:
    """Return the sample of a trial; runs count from 0, epochs from 1.

    A miss is scored "I"; an error has a message instead of a score. Without `case` the question is unknown, and the
    name of the case takes its place.
    """
    reply = result.reply
    asked, target = _question(case)
    document: Document = {
        "id": trial.case,
        "epoch": trial.run + 1,
        "input": asked or trial.case,
        "target": target,
        "messages": [*asked, *_answer(reply, case)],
        "metadata": {name: getattr(trial, name) for name in _METADATA_FIELDS},
        "started_at": iso_time(trial.started),
        "completed_at": iso_time(trial.ended),
        "total_time": trial.ended - trial.started,
    }
    if trial.latency_s is not None:
        document["working_time"] = trial.latency_s
    if reply is not None:
        served = trial.served_model or model
        usage = usage_of(trial, reply)
        document["output"] = _output(served, reply, usage)
        document["model_usage"] = without_none({model: usage})
    if trial.outcome is Outcome.ERROR:
        document["error"] = _error(trial)
    else:
        document["scores"] = {scorer: _score(trial, reply)}
    return document


def _question(case: Case | None) -> tuple[list[Document], str]:
    """Return the messages of a question and the expectation as JSON; both are empty if the case is unknown."""
    if case is None:
        return [], ""
    target = json.dumps(case.expect.to_json(), sort_keys=True)
    return list(_messages(case.messages)), target


def _error(trial: Trial) -> Document:
    message = f"{trial.error_kind}: {trial.reason}"
    return {
        "message": message,
        "traceback": message,
        "traceback_ansi": message,
    }


def _score(trial: Trial, reply: Reply | None) -> Document:
    answer = ""
    if reply:
        answer = reply.text
    return {
        "value": _VALUES[trial.outcome],
        "answer": answer,
        "explanation": trial.reason,
    }


def usage_of(trial: Trial, reply: Reply | None) -> dict[str, float] | None:
    """Return a trial's tokens by Inspect's names, with cached ones counted apart; None if they were not counted."""
    if trial.tokens_in is None or trial.tokens_out is None:
        return None
    cached = None
    if reply:
        cached = reply.tokens_cached
    usage = {
        "input_tokens": trial.tokens_in - (cached or 0),
        "output_tokens": trial.tokens_out,
        "total_tokens": trial.tokens_in + trial.tokens_out,
        "input_tokens_cache_read": cached,
        "total_cost": trial.cost_usd,
    }
    return without_none(usage)


def _output(model: str, reply: Reply, usage: dict[str, float] | None) -> Document:
    calls: tuple[ToolCall, ...] = ()
    if reply.conversation is None:
        calls = reply.tool_calls
    choice = {
        "message": _assistant(reply.text, calls, "call"),
        "stop_reason": _STOP.get(reply.finish_reason, "unknown"),
    }
    output = {
        "model": model,
        "choices": [choice],
        "completion": reply.text,
        "time": reply.latency_s,
    }
    if usage is not None:
        output["usage"] = usage
    return output


def _answer(reply: Reply | None, case: Case | None) -> Iterator[Document]:
    """Yield the model's answer; of a conversation, each step with the tool results and user messages in between."""
    if reply is None:
        return
    if reply.conversation is None:
        yield _assistant(reply.text, reply.tool_calls, "call")
        return
    turn = 1
    for number, step in enumerate(reply.conversation.steps):
        if step.turn > turn and case is not None:
            for text in case.turns[turn - 1 : step.turn - 1]:
                yield {"role": "user", "content": text}
        turn = step.turn
        yield _assistant(step.text, step.calls, f"call-{number}")
        answered = zip(step.calls, step.results, strict=False)
        for place, (call, text) in enumerate(answered):
            yield _tool(call.name, text, f"call-{number}-{place}")


def _messages(messages: tuple[Message, ...]) -> Iterator[Document]:
    """Yield the messages of a question; tool results belong to the calls before them, in their order."""
    waiting: list[str] = []
    for number, message in enumerate(messages):
        if message.role == "assistant":
            name = f"asked-{number}"
            waiting = [f"{name}-{place}" for place in range(len(message.calls))]
            yield _assistant(message.content, message.calls, name, source="input")
        elif message.role == "tool":
            call = ""
            if waiting:
                call = waiting.pop(0)
            yield _tool(message.tool, message.content, call)
        else:
            yield {"role": message.role, "content": message.content}


def _assistant(text: str, calls: tuple[ToolCall, ...], name: str, *, source: str = "generate") -> Document:
    message: Document = {"role": "assistant", "content": text, "source": source}
    if calls:
        message["tool_calls"] = list(_tool_calls(calls, name))
    return message


def _tool_calls(calls: tuple[ToolCall, ...], name: str) -> Iterator[Document]:
    for place, call in enumerate(calls):
        yield {
            "id": f"{name}-{place}",
            "function": call.name,
            "arguments": call.arguments,
            "type": "function",
        }


def _tool(name: str, text: str, call: str) -> Document:
    return {
        "role": "tool",
        "content": text,
        "tool_call_id": call,
        "function": name,
    }


def iso_time(seconds: float) -> str:
    """Format seconds since the epoch as Inspect does, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat()
