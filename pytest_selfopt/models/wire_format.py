"""What all wire formats have in common: the parts of a format, and reading values nobody vouches for."""

from __future__ import annotations

import email.utils
import json
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, Protocol

from pytest_selfopt.bench.tools import Message
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.models.http import HttpReply
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.trial import CallError, ErrorKind, Json, Reply, ToolCall

_QUOTED = 120
_KEY = "[key]"
_STATUS_KINDS = {
    401: ErrorKind.AUTH,
    403: ErrorKind.AUTH,
    408: ErrorKind.TIMEOUT,
    429: ErrorKind.RATE_LIMIT,
    504: ErrorKind.TIMEOUT,
}


class Unsupported(ValueError):
    """A request asks for something that a wire format cannot carry."""


class Wire(Protocol):
    """One wire format. All three parts are pure."""

    path: str
    """What follows the base address."""

    def headers(self, key: str) -> dict[str, str]:
        """The headers of a request; `key` is empty where there is none."""

    def body(self, model: ModelConfig, request: ChatRequest) -> dict[str, Json]:
        """The body of a request.

        Raises:
            Unsupported: when the format cannot carry it.
        """

    def reply(self, value: Any, latency_s: float) -> Reply | CallError:
        """The reply in a decoded answer.

        Raises:
            ValueError: saying what is wrong with its shape, as in "without choices".
        """


def read_answer(wire: Wire, answer: HttpReply, *, key: str, latency_s: float, now: float) -> Reply | CallError:
    """The reply in a server's answer, or what is wrong with it. Nothing about its shape is taken for granted.

    A server may repeat the key it was sent, plainly or with JSON's escapes: nothing that is returned holds it. `now`
    is in seconds since the epoch, for a Retry-After that names a date.
    """
    body = answer.body.replace(key.encode(), _KEY.encode()) if key else answer.body
    try:
        value: Any = json.loads(body, parse_constant=no_constant)
        value = _without_key(value, key) if key else value
        return wire.reply(value, latency_s) if answer.status == 200 else _refused(answer, _told(value) or body, now)
    except (ValueError, RecursionError) as problem:
        if answer.status != 200:
            return _refused(answer, body, now)
        what = "not JSON" if isinstance(problem, json.JSONDecodeError | UnicodeDecodeError) else str(problem)
        message = f"the reply is {what}: {quoted(body)}"
        return CallError(kind=ErrorKind.MALFORMED, message=message, status=answer.status)


def _without_key(value: Any, key: str) -> Any:
    """A decoded JSON value with a key in any of its texts and names blacked out."""
    if isinstance(value, str):
        return value.replace(key, _KEY)
    if isinstance(value, list):
        return [_without_key(one, key) for one in value]
    if isinstance(value, dict):
        return {_without_key(name, key): _without_key(one, key) for name, one in value.items()}
    return value


def tool_call(name: str, arguments: object) -> ToolCall | str:
    """A call whose arguments may come as JSON text; else why it is none (the model's doing, no malformed reply)."""
    try:
        value = json.loads(arguments or "{}", parse_constant=no_constant) if isinstance(arguments, str) else arguments
    except (ValueError, RecursionError):
        return f"calls {name} with arguments that are not valid JSON"
    if not isinstance(value, dict):
        return f"calls {name} with arguments that are no object"
    return ToolCall(name=name, arguments=value)


def tool_calls(found: list[ToolCall | str]) -> tuple[tuple[ToolCall, ...], str]:
    """The calls, or none of them and why, when one is undecodable."""
    wrong = next((one for one in found if isinstance(one, str)), "")
    return ((), wrong) if wrong else (tuple(one for one in found if isinstance(one, ToolCall)), "")


def retry_after(header: str | None, *, now: float) -> float | None:
    """Seconds to wait by a Retry-After header (seconds or an HTTP date); None when there is none to understand."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        date = email.utils.parsedate_tz(header)
        if date is None:
            return None
        seconds = email.utils.mktime_tz(date) - now
    return max(0.0, seconds) if seconds < float("inf") else None


def quoted(body: bytes) -> str:
    """The beginning of a body on one line, every control character escaped."""
    text = body[: _QUOTED * 4].decode("utf-8", "backslashreplace")
    text = ascii(text)[1:-1]
    if not text:
        return "(empty)"
    return text if len(text) <= _QUOTED else text[: _QUOTED - 1] + "…"


def typed(value: Any, name: str, kind: type) -> Any:
    """A value of a kind.

    Raises:
        ValueError: when it is of another one.
    """
    if not isinstance(value, kind):
        raise ValueError(f"of the wrong shape ({name or 'it'} should be a {kind.__name__})")
    return value


def item(value: Mapping[str, Any], name: str, kind: type) -> Any:
    """A member that has to be there.

    Raises:
        ValueError: when it is not, or of another kind.
    """
    if name not in value:
        raise ValueError(f"without {name}")
    return typed(value[name], name, kind)


def optional(value: Mapping[str, Any], name: str, kind: type) -> Any:
    """A member that may be missing or null, which is None.

    Raises:
        ValueError: when it is of another kind.
    """
    return None if value.get(name) is None else typed(value[name], name, kind)


def count(value: Mapping[str, Any], name: str) -> int | None:
    """A number of tokens; None when it is not known."""
    number = value.get(name)
    return number if isinstance(number, int) and not isinstance(number, bool) and number >= 0 else None


def seconds(value: Mapping[str, Any], name: str, *, per: float) -> float | None:
    """A duration, `per` of whose units make a second; None when it is not known."""
    number = value.get(name)
    known = isinstance(number, int | float) and not isinstance(number, bool) and 0 <= number < float("inf")
    return number / per if known and number is not None else None


def no_constant(name: str) -> NoReturn:
    """Refuse NaN and the infinities, which are no JSON.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"of the wrong shape ({name} is no JSON number)")


def _told(value: Any) -> bytes | None:
    """The provider's own sentence in a decoded error body; None when there is none."""
    error = value.get("error") if isinstance(value, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    return message.encode("utf-8", "backslashreplace") if isinstance(message, str) else None


def _refused(answer: HttpReply, said: bytes, now: float) -> CallError:
    default = ErrorKind.SERVER if answer.status >= 500 else ErrorKind.REQUEST
    return CallError(
        kind=_STATUS_KINDS.get(answer.status, default),
        message=f"HTTP status {answer.status}: {quoted(said)}",
        status=answer.status,
        retry_after_s=retry_after(answer.headers.get("Retry-After"), now=now),
    )


def with_ids(messages: Sequence[Message]) -> list[tuple[Message, tuple[str, ...]]]:
    """Each message with the ids of its calls, or the id of the call whose result it is: results follow their calls."""
    found: list[tuple[Message, tuple[str, ...]]] = []
    waiting: list[str] = []
    for place, message in enumerate(messages):
        ids = tuple(f"call_{place}_{number}" for number in range(len(message.calls)))
        if message.role == "tool":
            ids = (waiting.pop(0),) if waiting else (f"call_{place}",)
        elif ids:
            waiting = list(ids)
        found.append((message, ids))
    return found
