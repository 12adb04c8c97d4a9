"""What all wire formats share: their protocol, and reading values from untrusted answers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from pytest_selfopt.bench.tools import Message
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.specs.request import ChatRequest, Sampling
from pytest_selfopt.trial import CallError, ErrorKind, Json, Reply, ToolCall

if TYPE_CHECKING:
    from pytest_selfopt.models.http import HttpReply

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
    """The path after the base address."""

    def headers(self, key: str) -> dict[str, str]:
        """Return the headers of a request; `key` is empty if there is none."""

    def body(self, model: ModelConfig, request: ChatRequest) -> dict[str, Json]:
        """Return the body of a request.

        Raises:
            Unsupported: when the format cannot carry it.
        """

    def reply(self, value: Any, latency_s: float) -> Reply | CallError:
        """Read the reply from a decoded answer.

        Raises:
            ValueError: if the shape is wrong; the message says how, as in "without choices".
        """


def read_answer(wire: Wire, answer: HttpReply, *, key: str, latency_s: float, now: float) -> Reply | CallError:
    """Read the reply from a server's answer, or return what is wrong. No shape is assumed.

    A server may repeat its key, plainly or with JSON escapes: the result never contains it. `now` is in seconds since
    the epoch, for a Retry-After with a date.
    """
    body = answer.body
    if key:
        body = body.replace(key.encode(), _KEY.encode())
    try:
        value: Any = json.loads(body, parse_constant=no_constant)
        if key:
            value = _without_key(value, key)
        if answer.status != 200:
            return _refused(answer, _error_text(value) or body, now)
        return wire.reply(value, latency_s)
    except (ValueError, RecursionError) as problem:
        if answer.status != 200:
            return _refused(answer, body, now)
        message = f"the reply is {_fault(problem)}: {quoted(body)}"
        return CallError(kind=ErrorKind.MALFORMED, message=message, status=answer.status)


def _fault(problem: Exception) -> str:
    if isinstance(problem, json.JSONDecodeError | UnicodeDecodeError):
        return "not JSON"
    return str(problem)


def _without_key(value: Any, key: str) -> Any:
    """Return a decoded JSON value with the key redacted in all strings and names."""
    if isinstance(value, str):
        return value.replace(key, _KEY)
    if isinstance(value, list):
        return [_without_key(part, key) for part in value]
    if isinstance(value, dict):
        return {_without_key(name, key): _without_key(part, key) for name, part in value.items()}
    return value


def function_tool(tool: dict[str, Json]) -> Json:
    """Wrap a tool as OpenAI's and Ollama's formats do."""
    return {"type": "function", "function": tool}


def bearer(key: str) -> dict[str, str]:
    """The header that shows a key as a bearer token; none without a key."""
    if not key:
        return {}
    return {"Authorization": f"Bearer {key}"}


def set_sampling(values: dict[str, Json], sampling: Sampling) -> None:
    """Set `top_p` and `seed` where the request has them."""
    if sampling.top_p is not None:
        values["top_p"] = sampling.top_p
    if sampling.seed is not None:
        values["seed"] = sampling.seed


def tool_call(name: str, arguments: object) -> ToolCall | str:
    """Read a call, whose arguments may be JSON text; else say what is wrong (the model's fault, not the server's)."""
    value = arguments
    try:
        if isinstance(arguments, str):
            value = json.loads(arguments or "{}", parse_constant=no_constant)
    except (ValueError, RecursionError):
        return f"calls {name} with arguments that are not valid JSON"
    if not isinstance(value, dict):
        return f"calls {name} with arguments that are not an object"
    return ToolCall(name=name, arguments=value)


def tool_calls(read_calls: list[ToolCall | str]) -> tuple[tuple[ToolCall, ...], str]:
    """Return the calls; if any is undecodable, return none and the reason."""
    calls: list[ToolCall] = []
    for call in read_calls:
        if isinstance(call, str):
            return (), call
        calls.append(call)
    return tuple(calls), ""


def retry_after(header: str | None, *, now: float) -> float | None:
    """Read a Retry-After header (seconds or an HTTP date) as seconds to wait; None if missing or invalid."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        import email.utils

        date = email.utils.parsedate_tz(header)
        if date is None:
            return None
        seconds = email.utils.mktime_tz(date) - now
    if seconds < math.inf:
        return max(0.0, seconds)
    return None


def quoted(body: bytes) -> str:
    """Return the beginning of a body on one line, with control characters escaped."""
    text = body[: _QUOTED * 4].decode("utf-8", "backslashreplace")
    text = ascii(text)[1:-1]
    if not text:
        return "(empty)"
    if len(text) <= _QUOTED:
        return text
    return text[: _QUOTED - 1] + "…"


def typed(value: Any, name: str, kind: type) -> Any:
    """Return a value of type `kind`.

    Raises:
        ValueError: if it has another type.
    """
    if not isinstance(value, kind):
        raise ValueError(f"of the wrong shape ({name or 'it'} should be a {kind.__name__})")
    return value


def item(value: Mapping[str, Any], name: str, kind: type) -> Any:
    """Return a required member.

    Raises:
        ValueError: if it is missing or has another type.
    """
    if name not in value:
        raise ValueError(f"without {name}")
    return typed(value[name], name, kind)


def optional(value: Mapping[str, Any], name: str, kind: type) -> Any:
    """Return an optional member; None if missing or null.

    Raises:
        ValueError: if it has another type.
    """
    if value.get(name) is None:
        return None
    return typed(value[name], name, kind)


def count(value: Mapping[str, Any], name: str) -> int | None:
    """Read a number of tokens; None if unknown."""
    number = value.get(name)
    if not isinstance(number, int) or isinstance(number, bool):
        return None
    if number < 0:
        return None
    return number


def seconds(value: Mapping[str, Any], name: str, *, per: float) -> float | None:
    """Read a duration in units of 1/`per` s as seconds; None if unknown."""
    number = value.get(name)
    if not isinstance(number, int | float) or isinstance(number, bool):
        return None
    if 0 <= number < math.inf:
        return number / per
    return None


def no_constant(name: str) -> NoReturn:
    """Reject NaN and the infinities, which are not JSON.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"of the wrong shape ({name} is not a JSON number)")


def _error_text(value: Any) -> bytes | None:
    """Return the provider's message in a decoded error body, or None."""
    if not isinstance(value, dict):
        return None
    message = value.get("error")
    if isinstance(message, dict):
        message = message.get("message")
    if not isinstance(message, str):
        return None
    return message.encode("utf-8", "backslashreplace")


def _refused(answer: HttpReply, text: bytes, now: float) -> CallError:
    return CallError(
        kind=_kind_of_status(answer.status),
        message=f"HTTP status {answer.status}: {quoted(text)}",
        status=answer.status,
        retry_after_s=retry_after(answer.headers.get("Retry-After"), now=now),
    )


def _kind_of_status(status: int) -> ErrorKind:
    if status in _STATUS_KINDS:
        return _STATUS_KINDS[status]
    if status >= 500:
        return ErrorKind.SERVER
    return ErrorKind.REQUEST


def with_ids(messages: Sequence[Message]) -> list[tuple[Message, tuple[str, ...]]]:
    """Pair each message with the ids of its calls, or with the id of the call whose result it is."""
    pairs: list[tuple[Message, tuple[str, ...]]] = []
    waiting: list[str] = []
    for place, message in enumerate(messages):
        if message.role != "tool":
            ids = tuple(f"call_{place}_{number}" for number in range(len(message.calls)))
            # A message without calls leaves outstanding results pending.
            waiting = list(ids) or waiting
        elif waiting:
            ids = (waiting.pop(0),)
        else:
            ids = (f"call_{place}",)
        pairs.append((message, ids))
    return pairs
