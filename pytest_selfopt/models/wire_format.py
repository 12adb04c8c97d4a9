"""What all wire formats have in common: the parts of a format, and reading values nobody vouches for."""

from __future__ import annotations

import email.utils
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, Protocol

from pytest_selfopt.bench.tools import Message
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.models.http import HttpReply
from pytest_selfopt.specs.request import ChatRequest, Sampling
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
    """A decoded JSON value with a key in any of its texts and names blacked out."""
    if isinstance(value, str):
        return value.replace(key, _KEY)
    if isinstance(value, list):
        return [_without_key(part, key) for part in value]
    if isinstance(value, dict):
        return {_without_key(name, key): _without_key(part, key) for name, part in value.items()}
    return value


def function_tool(tool: dict[str, Json]) -> Json:
    """Wrap the description of a tool, as OpenAI's and Ollama's formats offer it."""
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
    """A call whose arguments may come as JSON text; else why it is none (the model's doing, no malformed reply)."""
    value = arguments
    try:
        if isinstance(arguments, str):
            value = json.loads(arguments or "{}", parse_constant=no_constant)
    except (ValueError, RecursionError):
        return f"calls {name} with arguments that are not valid JSON"
    if not isinstance(value, dict):
        return f"calls {name} with arguments that are no object"
    return ToolCall(name=name, arguments=value)


def tool_calls(read_calls: list[ToolCall | str]) -> tuple[tuple[ToolCall, ...], str]:
    """The calls, or none of them and why, when one is undecodable."""
    calls: list[ToolCall] = []
    for call in read_calls:
        if isinstance(call, str):
            return (), call
        calls.append(call)
    return tuple(calls), ""


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
    if seconds < math.inf:
        return max(0.0, seconds)
    return None


def quoted(body: bytes) -> str:
    """The beginning of a body on one line, every control character escaped."""
    text = body[: _QUOTED * 4].decode("utf-8", "backslashreplace")
    text = ascii(text)[1:-1]
    if not text:
        return "(empty)"
    if len(text) <= _QUOTED:
        return text
    return text[: _QUOTED - 1] + "…"


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
    if value.get(name) is None:
        return None
    return typed(value[name], name, kind)


def count(value: Mapping[str, Any], name: str) -> int | None:
    """A number of tokens; None when it is not known."""
    number = value.get(name)
    if not isinstance(number, int) or isinstance(number, bool):
        return None
    if number < 0:
        return None
    return number


def seconds(value: Mapping[str, Any], name: str, *, per: float) -> float | None:
    """A duration, `per` of whose units make a second; None when it is not known."""
    number = value.get(name)
    if not isinstance(number, int | float) or isinstance(number, bool):
        return None
    if 0 <= number < math.inf:
        return number / per
    return None


def no_constant(name: str) -> NoReturn:
    """Refuse NaN and the infinities, which are no JSON.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"of the wrong shape ({name} is no JSON number)")


def _error_text(value: Any) -> bytes | None:
    """Return the provider's own sentence in a decoded error body; None when there is none."""
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
    """Each message with the ids of its calls, or the id of the call whose result it is: results follow their calls."""
    pairs: list[tuple[Message, tuple[str, ...]]] = []
    waiting: list[str] = []
    for place, message in enumerate(messages):
        if message.role != "tool":
            ids = tuple(f"call_{place}_{number}" for number in range(len(message.calls)))
            # A message without calls leaves results that are still to come where they are.
            waiting = list(ids) or waiting
        elif waiting:
            ids = (waiting.pop(0),)
        else:
            ids = (f"call_{place}",)
        pairs.append((message, ids))
    return pairs
