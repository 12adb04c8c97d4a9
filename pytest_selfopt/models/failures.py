"""What servers say in place of an answer, and what kind of error that is.

The words of some thirty servers are known (docs/how-to/models.md); what is unknown is classified by its status.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_selfopt.models.reading import quoted
from pytest_selfopt.models.waits import wait_of
from pytest_selfopt.trial import CallError, ErrorKind, Reply

LONG_WAIT_S = 120.0
"""A wait that no call is kept for, in seconds: what is over sooner is a rate limit, whatever its words."""

_KINDS_OF_STATUS = {
    401: ErrorKind.AUTH,
    402: ErrorKind.QUOTA,
    403: ErrorKind.AUTH,
    408: ErrorKind.TIMEOUT,
    424: ErrorKind.SERVER,
    413: ErrorKind.REQUEST,  # Groq names it a rate limit, but the prompt will never fit.
    429: ErrorKind.RATE_LIMIT,
    498: ErrorKind.RATE_LIMIT,  # Groq: the capacity of its flex tier is used up.
    504: ErrorKind.TIMEOUT,
}
_KINDS_OF_WORD = {
    "insufficient_quota": ErrorKind.QUOTA,
    "insufficient_balance": ErrorKind.QUOTA,
    "insufficient_credits": ErrorKind.QUOTA,
    "billing_error": ErrorKind.QUOTA,
    "billing_hard_limit_reached": ErrorKind.QUOTA,
    "billing_not_active": ErrorKind.QUOTA,
    "budget_exceeded": ErrorKind.QUOTA,
    "credit_limit": ErrorKind.QUOTA,
    "credit_balance_exhausted": ErrorKind.QUOTA,
    "enforced_spend_limit_reached": ErrorKind.QUOTA,
    "organization_usage_limit_exceeded": ErrorKind.QUOTA,
    "organization_spend_limit_exceeded": ErrorKind.QUOTA,
    "project_spend_limit_exceeded": ErrorKind.QUOTA,
    "max_tokens_exceeded": ErrorKind.CUT_OFF,
    "authentication_error": ErrorKind.AUTH,
    "permission_error": ErrorKind.AUTH,
    "invalid_api_key": ErrorKind.AUTH,
    "unauthenticated": ErrorKind.AUTH,
    "permission_denied": ErrorKind.AUTH,
    "rate_limit_error": ErrorKind.RATE_LIMIT,
    "rate_limit_exceeded": ErrorKind.RATE_LIMIT,
    "rate_limited": ErrorKind.RATE_LIMIT,
    "resource_exhausted": ErrorKind.RATE_LIMIT,
    "too_many_requests": ErrorKind.RATE_LIMIT,
    "timeout_error": ErrorKind.TIMEOUT,
    "deadline_exceeded": ErrorKind.TIMEOUT,
    "timeout": ErrorKind.TIMEOUT,
    "content_filter": ErrorKind.REFUSED,
    "refusal": ErrorKind.REFUSED,
    "flagged_input": ErrorKind.REFUSED,
    "content_policy_violation": ErrorKind.REFUSED,
    "responsibleaipolicyviolation": ErrorKind.REFUSED,
    "overloaded_error": ErrorKind.SERVER,
    "api_error": ErrorKind.SERVER,
    "server_error": ErrorKind.SERVER,
    "internal_server_error": ErrorKind.SERVER,
    "internal": ErrorKind.SERVER,
    "unavailable": ErrorKind.SERVER,
    "service_unavailable": ErrorKind.SERVER,
    "engine_overloaded": ErrorKind.SERVER,
    "invalid_request_error": ErrorKind.REQUEST,
    "invalid_argument": ErrorKind.REQUEST,
    "not_found_error": ErrorKind.REQUEST,
    "not_found": ErrorKind.REQUEST,
    "request_too_large": ErrorKind.REQUEST,
    "context_length_exceeded": ErrorKind.REQUEST,
    "exceed_context_size_error": ErrorKind.REQUEST,
    "failed_precondition": ErrorKind.REQUEST,
    "badrequesterror": ErrorKind.REQUEST,
    "notfounderror": ErrorKind.REQUEST,
}
"""Kinds by code, type or status word, in lower case."""

_SPENT = (
    r"credit balance is too low|credits? (?:are|is) depleted|\b(?:insufficient|not enough|out of|no|any) (?:\w+ )?"
    r"(?:credit|balance|fund|quota)s?\b|exceeded your current quota|budget (?:limit |has been )?exceeded"
    r"|exceeded (?:\w+ ){0,2}budget|over budget|(?:spend|spending|credit) (?:limit|cap)|payment required|failure to pay"
    r"|used all av|exhausted your|monthly (?:limit|spend|quota|usage)|/ month|usage limit|requires more credits"
    r"|never purchased credits|per[- ]?day|daily (?:limit|quota)|free-models-per-day"
)
"""What providers say when a quota, a credit or a day's limit is used up."""

_SPENDING_STATUSES = (200, 400, 402, 403, 412, 429)
"""The statuses with which they say it."""

_WRONG_KEY = r"api key not valid|incorrect api key|invalid api key|api_key_invalid|no connected db"
"""What providers say of a wrong key with status 400; LiteLLM looks such a key up in a database that it may not have."""

_TOO_LONG = r"context (?:length|size|window|overflow)"
_CRASHED = r"has crashed|model unloaded|failed to load|not loaded in memory"

_PER_DAY = r"per[- ]?day|daily"

_FILTERED = r"content (?:filter|management policy)|flagged (?:as|for|by)|moderation"

_CUT_OFF = r"could not finish the message because max_tokens|max_tokens_exceeded"
"""OpenAI's models that think answer so, with status 400, when all tokens went into thinking."""

_UNPARSED_CALL = (
    r"error parsing tool call|failed to parse (?:input at pos|tool call arguments|generated text)"
    r"|does not match the expected \S+ format|tool call validation failed|failed to call a function"
)
"""What servers say when their parser cannot read the call that the model wrote."""

_UNREADABLE = frozenset({"tool_use_failed", "json_validate_failed"})
"""Groq's codes for a call, or an answer under a schema, that the model wrote and nobody can read."""

_NO_ENDPOINT = r"unexpected endpoint|returning 200 anyway"
_HINT = "; does base_url lack its /v1?"

_MAX_HTTP_STATUS = 599
_STATUS_DIGITS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerError:
    """An error as a server describes it: texts may be empty, `details` are as it sent them."""

    message: str = ""
    words: tuple[str, ...] = ()
    """Its code, type and status word, in lower case."""
    param: str = ""
    code: int | None = None
    details: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """The headers of the provider behind a router, as its error tells them."""
    failed_generation: str = ""
    """What the model wrote, if the server could not read it."""


def search(pattern: str, text: str) -> bool:
    """Whether a pattern is found in a text, in capitals or not; compiled only when a server says something wrong."""
    return re.search(pattern, text, re.IGNORECASE) is not None


def find_error(value: Any) -> ServerError | None:
    """Return the error in a decoded body; None if it has none.

    Known forms: {"error": {…}}, {"error": "text"}, {"type": "error", …}, {"object": "error", …}, a list of one of
    these (Google), {"detail": …} (FastAPI), {"message": …, "code": …} (Mistral, Cerebras).
    """
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        return None
    found = value.get("error")
    if isinstance(found, dict) and any(found.values()):
        return _server_error(found)
    if isinstance(found, str) and found:
        return _server_error({**value, "message": found})
    if found and not isinstance(found, dict):
        return _server_error({"message": str(found)})
    if "choices" in value or "content" in value:
        return None
    if str(value.get("object", "")).lower() == "error" or value.get("type") == "error":
        return _server_error(value)
    if value.get("detail"):
        return _server_error({"message": _text_of(value["detail"]), "details": value["detail"]})
    if isinstance(value.get("message"), str) and ("code" in value or "type" in value):
        return _server_error(value)
    return None


def failure(error: ServerError, *, status: int, headers: Mapping[str, str], now: float) -> CallError:
    """Return what an error of a server means.

    `now` is in seconds since the epoch. An error within HTTP 200 is classified by its own code and type.
    """
    wait_s = wait_of(headers, error.details, now=now)
    if wait_s is None:
        wait_s = wait_of(error.headers, None, now=now)
    own = status
    if status == 200 and error.code is not None:
        own = error.code
    kind = _kind_of(error, own, wait_s)
    hint = ""
    if search(_NO_ENDPOINT, error.message):
        kind, hint = ErrorKind.REQUEST, _HINT
    place = f"HTTP status {status}"
    if status == 200:
        place = "an error in place of an answer"
    return CallError(kind=kind, message=f"{place}: {_quoted(error)}{hint}", status=status, retry_after_s=wait_s)


def _quoted(error: ServerError) -> str:
    return quoted(error.message)


def unparsed_call(error: ServerError) -> Reply | None:
    """Return the reply of a model whose tool call its server could not read; None if that is not what happened.

    The model wrote it, so it is the model's miss, however the server words its status.
    """
    if not _UNREADABLE.intersection(error.words) and not search(_UNPARSED_CALL, error.message):
        return None
    return Reply(text=error.failed_generation, undecodable=f"the server could not read it ({_quoted(error)})")


def _kind_of(error: ServerError, status: int, wait_s: float | None) -> ErrorKind:
    kinds = [_KINDS_OF_WORD[word] for word in error.words if word in _KINDS_OF_WORD]
    for decisive in (ErrorKind.CUT_OFF, ErrorKind.QUOTA, ErrorKind.REFUSED):
        if decisive in kinds:
            return decisive
    own = _kind_of_text(error.message, status)
    if own is not None:
        return own
    if status in _SPENDING_STATUSES and _is_spent(error, wait_s):
        return ErrorKind.QUOTA
    if status == 402 and wait_s is not None and wait_s <= LONG_WAIT_S:
        # OpenRouter: the balance does not suffice for all the requests in flight.
        return ErrorKind.RATE_LIMIT
    if status == 200:
        # A server error, unless its words say otherwise.
        return next(iter(kinds), ErrorKind.SERVER)
    if status in _KINDS_OF_STATUS:
        return _KINDS_OF_STATUS[status]
    if status >= 500:
        return ErrorKind.SERVER
    return ErrorKind.REQUEST


def _kind_of_text(message: str, status: int) -> ErrorKind | None:
    """Return the kind of an error that only its text tells; None if it does not."""
    if search(_CUT_OFF, message):
        return ErrorKind.CUT_OFF
    if status in (400, 403) and search(_FILTERED, message):
        return ErrorKind.REFUSED
    if status == 400 and search(_WRONG_KEY, message):
        return ErrorKind.AUTH
    if status == 400 and search(_CRASHED, message):
        return ErrorKind.SERVER
    if status in (200, 403, 500) and search(_TOO_LONG, message):
        return ErrorKind.REQUEST
    return None


def _is_spent(error: ServerError, wait_s: float | None) -> bool:
    """Whether a quota is used up for long: Google words its limits by the minute like those by the day."""
    text = f"{error.message} {_text_of(error.details)}"
    if not search(_SPENT, text):
        return False
    return wait_s is None or wait_s > LONG_WAIT_S or search(_PER_DAY, text)


def _server_error(entry: Mapping[str, Any]) -> ServerError:
    message = _message_of(entry)
    words: list[str] = []
    for name in ("code", "type", "status"):
        word = entry.get(name)
        if isinstance(word, str):
            words.append(word.lower())
    words += _inner_words(entry)
    return ServerError(
        message=message,
        words=tuple(words),
        param=_string(entry.get("param")),
        code=_status_in(entry),
        details=entry.get("details"),
        headers=_inner_headers(entry),
        failed_generation=_string(entry.get("failed_generation")),
    )


def _inner_words(entry: Mapping[str, Any]) -> list[str]:
    """Return the words of inner parts: of Azure's `innererror`, OpenRouter's `metadata`, Anthropic's `details`."""
    words: list[str] = []
    for name, member in (("innererror", "code"), ("metadata", "error_type"), ("details", "error_code")):
        part = entry.get(name)
        if isinstance(part, dict) and isinstance(part.get(member), str):
            words.append(part[member].lower())
    metadata = entry.get("metadata")
    if isinstance(metadata, dict) and "flagged_input" in metadata:
        words.append("flagged_input")
    return words


def _inner_headers(entry: Mapping[str, Any]) -> dict[str, str]:
    metadata = entry.get("metadata")
    if not isinstance(metadata, dict) or not isinstance(metadata.get("headers"), dict):
        return {}
    return {str(name): str(value) for name, value in metadata["headers"].items()}


def _message_of(entry: Mapping[str, Any]) -> str:
    """Return the message of an error, with that of the provider behind a router (OpenRouter's `metadata.raw`)."""
    message = _text_of(entry.get("message"))
    metadata = entry.get("metadata")
    if isinstance(metadata, dict) and metadata.get("raw"):
        return f"{message}: {_text_of(metadata['raw'])}"
    return message


def _status_in(entry: Mapping[str, Any]) -> int | None:
    """Return the HTTP status that an error names as its code or status, a number or digits; None if none."""
    for name in ("code", "status", "status_code"):
        code = entry.get(name)
        if isinstance(code, str) and code.isdecimal() and len(code) == _STATUS_DIGITS:
            code = int(code)
        if isinstance(code, int) and not isinstance(code, bool) and 400 <= code <= _MAX_HTTP_STATUS:
            return code
    return None


def _text_of(value: Any) -> str:
    """Return a text as it is, the messages of a list joined, and nothing for a missing value."""
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    if isinstance(value, list):
        return "; ".join(map(_text_of, value))
    if isinstance(value, dict) and "msg" in value:
        place = value.get("loc")
        if isinstance(place, list):
            place = ".".join(map(str, place))
        return f"{place or ''}: {value['msg']}"
    return str(value)


def _string(value: Any) -> str:
    if isinstance(value, str):
        return value
    return ""
