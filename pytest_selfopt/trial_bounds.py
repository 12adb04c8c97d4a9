"""Bounds of what servers, workers and a project's own clients send: what is beyond them is unknown, or is cut off.

They are far beyond what any model does, and far within what SQLite and JSON can hold.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from pytest_selfopt.bounded_text import cut
from pytest_selfopt.trial import CallError, CallResult, ErrorKind, Reply, ToolCall

MOST_TOKENS = 10**9
MOST_SECONDS = 1e7
"""Four months."""
MOST_USD = 1e6
MOST_NAME = 200
"""Characters of a model's name, an id or a finish reason."""
MOST_MESSAGE = 2000
"""Characters of the message of an error."""
MOST_DEPTH = 100
"""Levels of lists and objects in each other: Python reads and writes no more than a thousand, fewer under pytest."""
_PLAIN = frozenset({str, int, bool, type(None)})
MOST_EPOCH_S = 1e11
"""Seconds since the epoch: some three thousand years."""
_HTTP_STATUSES = range(100, 600)


def token_count(value: object) -> int | None:
    """Return a number of tokens; None if it cannot be one."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MOST_TOKENS:
        return None
    return value


def amount(value: object, most: float) -> float | None:
    """Return a number from 0 to `most`; None if it is none, or beyond."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    # Written so that NaN is refused, too; whole numbers that no float can hold are compared as they are.
    if not 0 <= value <= most:
        return None
    return float(value)


def name(value: object) -> str:
    """Return a name, cut to `MOST_NAME` characters; empty if it is none. Some servers number theirs."""
    if isinstance(value, int) and not isinstance(value, bool):
        # Python writes no number of more than 4,300 digits.
        value = str(value) if abs(value) < 10**MOST_NAME else ""
    if not isinstance(value, str):
        return ""
    return cut(value, MOST_NAME)


def json_problem(value: object) -> str:
    """Say what JSON cannot hold in a value, as "NaN or Infinity, which are not JSON"; empty if it can hold all."""
    if isinstance(value, dict) and _PLAIN.issuperset(map(type, value.values())):
        return ""
    waiting = [(value, 1)]
    while waiting:
        entry, depth = waiting.pop()
        if depth > MOST_DEPTH:
            return f"more than {MOST_DEPTH} levels of lists and objects"
        if isinstance(entry, dict):
            waiting.extend((member, depth + 1) for member in entry.values())
        elif isinstance(entry, list):
            waiting.extend((member, depth + 1) for member in entry)
        elif isinstance(entry, float) and not math.isfinite(entry):
            return "NaN or Infinity, which are not JSON"
        elif entry is not None and not isinstance(entry, str | int | float):
            return f"a {type(entry).__name__}, which is not JSON"
    return ""


def bounded_reply(reply: Reply) -> Reply:
    """Return a reply that another program has made, with all its values within their bounds.

    Raises:
        ValueError: if it is none, because a text or the calls have another type; the message says which.
    """
    for member in ("text", "undecodable", "refusal", "copied"):
        _require(getattr(reply, member), str, member)
    for call in _require(reply.tool_calls, tuple, "tool_calls"):
        _require(_require(call, ToolCall, "tool_calls[…]").name, str, "tool_calls[…].name")
        problem = json_problem(_require(call.arguments, dict, "tool_calls[…].arguments"))
        if problem:
            raise ValueError(f"tool_calls[…].arguments has {problem}")
    return replace(reply, **_usage(reply))


def bounded_error(error: CallError) -> CallError:
    """Return an error that another program has made, with all its values within their bounds.

    Raises:
        ValueError: if its message or its reply is none.
    """
    status, reply = error.status, error.reply
    if status not in _HTTP_STATUSES:
        status = None
    if reply is not None:
        reply = bounded_reply(_require(reply, Reply, "reply"))
    return replace(
        error,
        kind=ErrorKind(error.kind),
        message=cut(_require(error.message, str, "message"), MOST_MESSAGE),
        status=status,
        retry_after_s=amount(error.retry_after_s, MOST_SECONDS),
        reply=reply,
    )


def bounded_result(result: CallResult) -> CallResult:
    """Return the result of a call that another process has made, with its answers within their bounds.

    Raises:
        ValueError: if a value in it has another type.
    """
    reply, error = result.reply, result.error
    if reply is not None:
        reply = bounded_reply(reply)
    if error is not None:
        error = bounded_error(error)
    attempts = tuple(replace(attempt, error=bounded_error(attempt.error)) for attempt in result.failed_attempts)
    return replace(result, reply=reply, error=error, failed_attempts=attempts)


def bounded_answer(answer: object) -> Reply | CallError:
    """Return what a client of the project answers, within its bounds; an error if it is no answer."""
    try:
        if isinstance(answer, CallError):
            return bounded_error(answer)
        return bounded_reply(_require(answer, Reply, "answer"))
    except ValueError as problem:
        return CallError(kind=ErrorKind.MALFORMED, message=f"the client's answer cannot be used: {problem}")


def epoch_s(value: object) -> float | None:
    """Return a time in seconds since the epoch; None if it is none."""
    return amount(value, MOST_EPOCH_S)


def _require(value: Any, kind: type, place: str) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"{place} is a {type(value).__name__}, but should be a {kind.__name__}")
    return value


def usage_of(reply: Reply) -> Reply:
    """Return what a reply used and cost, without what it says: that is billed, even if the rest cannot be kept."""
    return Reply(**_usage(reply))


def _usage(reply: Reply) -> dict[str, Any]:
    return {
        "finish_reason": name(reply.finish_reason),
        "served_model": name(reply.served_model),
        "provider_id": name(reply.provider_id),
        "tokens_in": token_count(reply.tokens_in),
        "tokens_out": token_count(reply.tokens_out),
        "tokens_cached": token_count(reply.tokens_cached),
        "tokens_cache_write": token_count(reply.tokens_cache_write),
        "tokens_reasoning": token_count(reply.tokens_reasoning),
        "cost_usd": amount(reply.cost_usd, MOST_USD),
        "latency_s": amount(reply.latency_s, MOST_SECONDS) or 0.0,
        "load_s": amount(reply.load_s, MOST_SECONDS),
        "first_token_s": amount(reply.first_token_s, MOST_SECONDS),
        "copied": name(reply.copied),
    }
