"""How long a message to the server may be, and what its refusals mean."""

from __future__ import annotations

from collections.abc import Mapping

ID = "Selfopt-Call"
"""The header with the call's id."""

_VERSION = "NATS/1.0"
_LINE_END = 2

_STORE_FAILED = 10077
"""The server's error code for a message that its stream does not take, for whatever reason (JSStreamStoreFailedF)."""

_TOO_LONG = 10054
"""The server's error code for a message beyond the max_msg_size of its stream (JSStreamMessageExceedsMaximumErr)."""


def headers_of(call_id: str) -> dict[str, str]:
    """Return the headers of messages about a call."""
    return {ID: call_id}


def room_for_data(max_payload: int, headers: Mapping[str, str]) -> int:
    """Return the number of bytes that a message may have beside its headers, which count, too.

    What is longer is not refused: the server closes the connection for good.
    """
    lines = [_VERSION, *(f"{name}: {value}" for name, value in headers.items()), ""]
    return max_payload - sum(len(line.encode()) + _LINE_END for line in lines)


def is_stored(problem: BaseException) -> bool:
    """Whether a message was refused because there is one on its subject already."""
    text = getattr(problem, "description", None) or ""
    return getattr(problem, "err_code", None) == _STORE_FAILED and "per subject" in text


def is_too_long(problem: BaseException) -> bool:
    """Whether a message was refused because of its length."""
    from nats.errors import MaxPayloadError

    return isinstance(problem, MaxPayloadError) or getattr(problem, "err_code", None) == _TOO_LONG


def describe_limit(max_payload: int, what: str) -> str:
    """Say how much the server accepts, and what to do about `what` was longer, as "prompts"."""
    return (
        f"the NATS server accepts only {max_payload:,} (max_payload) with the headers; ask for shorter {what}, or "
        "raise max_payload in the server's configuration (and max_msg_size of its streams, if that is set)"
    )
