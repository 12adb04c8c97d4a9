"""The fields of messages between sessions and workers: which there must be, and what they may hold.

Written by hand because a general validator takes as long for a message as everything else that is done with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytest_selfopt.trial import ErrorKind
from pytest_selfopt.trial_bounds import MOST_EPOCH_S, epoch_s

Check = Callable[[Any], bool]
"""Whether a value may stand in a field."""

MOST_COUNT = 2**53
"""Larger integers neither JSON's readers nor the ledger hold exactly."""


def is_text(value: Any) -> bool:
    """Whether it is a text."""
    return isinstance(value, str)


def is_flag(value: Any) -> bool:
    """Whether it is true or false."""
    return isinstance(value, bool)


def is_table(value: Any) -> bool:
    """Whether it is an object, of any content."""
    return isinstance(value, dict)


def is_count(value: Any) -> bool:
    """Whether it is an integer from 0 on."""
    return type(value) is int and 0 <= value < MOST_COUNT


def is_integer(value: Any) -> bool:
    """Whether it is an integer, of any size."""
    return type(value) is int


def is_amount(value: Any) -> bool:
    """Whether it is a number from 0 on, such as of seconds, and no greater than any time."""
    return epoch_s(value) is not None


def is_number(value: Any) -> bool:
    """Whether it is a finite number."""
    # A comparison with NaN is false.
    return type(value) in (int, float) and -MOST_EPOCH_S <= value <= MOST_EPOCH_S


def maybe(check: Check) -> Check:
    """Allow null as well."""
    return lambda value: value is None or check(value)


def each(check: Check) -> Check:
    """Demand a list of what a check allows."""
    return lambda value: isinstance(value, list) and all(map(check, value))


def fields(required: Mapping[str, Check], optional: Mapping[str, Check] | None = None) -> Check:
    """Demand an object with the required fields; those that neither table names may hold anything."""
    return lambda value: isinstance(value, dict) and not wrong_field(value, required, optional or {})


def wrong_field(value: Mapping[str, Any], required: Mapping[str, Check], optional: Mapping[str, Check]) -> str:
    """Return the name of the first field that is missing or holds what it may not; empty if there is none."""
    for name, check in required.items():
        if name not in value or not check(value[name]):
            return name
    for name, check in optional.items():
        if name in value and not check(value[name]):
            return name
    return ""


def _is_conversation(value: Any) -> bool:
    return _CONVERSATION(value) and bool(value["states"])


_TOOL_CALLS = each(fields({"name": is_text, "arguments": is_table}))
_STEP = fields(
    {"turn": is_count, "text": is_text, "calls": _TOOL_CALLS, "results": each(is_text)},
    {"id": is_text},
)
_CONVERSATION = fields({"steps": each(_STEP), "states": each(is_table), "unfinished": maybe(is_count)})
_REPLY = fields(
    {"text": is_text, "tool_calls": _TOOL_CALLS},
    {
        **dict.fromkeys(
            ("undecodable", "finish_reason", "refusal", "served_model", "provider_id", "copied"),
            is_text,
        ),
        **dict.fromkeys(
            ("tokens_in", "tokens_out", "tokens_cached", "tokens_cache_write", "tokens_reasoning"),
            maybe(is_count),
        ),
        **dict.fromkeys(("cost_usd", "load_s", "first_token_s"), maybe(is_amount)),
        "latency_s": is_amount,
        "off_schema": is_flag,
        "sent": is_table,
        "adjustments": each(is_text),
        "conversation": maybe(_is_conversation),
    },
)
_KINDS = frozenset(map(str, ErrorKind))
_ERROR = fields(
    {
        "kind": lambda value: is_text(value) and value in _KINDS,
        "message": is_text,
        "status": maybe(is_count),
        "retry_after_s": maybe(is_amount),
    },
    {"reply": _REPLY},
)
_ATTEMPT = fields({"error": _ERROR, "started": is_amount, "ended": is_amount})

RESULT: Mapping[str, Check] = {
    "question": is_text,
    "reply": maybe(_REPLY),
    "error": maybe(_ERROR),
    "started": is_amount,
    "ended": is_amount,
    "failed_attempts": each(_ATTEMPT),
    "answers": lambda value: is_count(value) and value > 0,
    "waited_s": is_amount,
    "queue_depth": is_count,
    "in_flight": is_count,
    "lane": is_text,
}
"""The fields of a result."""

_MESSAGE = fields({"role": is_text, "content": is_text}, {"calls": _TOOL_CALLS, "tool": is_text})
_SAMPLING = fields(
    {
        "temperature": is_number,
        "max_tokens": maybe(is_count),
        "top_p": maybe(is_number),
        "seed": maybe(is_integer),
    }
)
_REQUEST = fields(
    {
        "messages": each(_MESSAGE),
        "tools": each(is_table),
        "answer_schema": maybe(is_table),
        "sampling": _SAMPLING,
        "fresh": is_flag,
    }
)
_OPTIONS = fields(
    {
        **dict.fromkeys(("retries", "rate_limit_retries"), is_count),
        **dict.fromkeys(("timeout_s", "backoff_s", "max_backoff_s", "max_retry_after_s", "max_total_s"), is_amount),
    }
)
_DIALOGUE = fields({"case": is_table, "examples": each(is_table), "spec": is_text, "variant": is_text})

CALL: Mapping[str, Check] = {
    "sent": is_amount,
    "model": is_text,
    "lane": is_text,
    "options": _OPTIONS,
    "request": _REQUEST,
}
"""The fields of a call."""

CALL_OPTIONAL: Mapping[str, Check] = {"dialogue": _DIALOGUE}
"""The fields that only calls of conversations have."""
