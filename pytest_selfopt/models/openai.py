"""The OpenAI-compatible wire format: POST {base_url}/chat/completions."""

from __future__ import annotations

import email.utils
import json
import os
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from pytest_selfopt.errors import ModelError
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.models.transport import HttpReply, Transport
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.trial import CallError, ErrorKind, Json, Reply, ToolCall

_QUOTED = 120
_STATUS_KINDS = {401: ErrorKind.AUTH, 403: ErrorKind.AUTH, 408: ErrorKind.TIMEOUT, 429: ErrorKind.RATE_LIMIT}
_STATUS_KINDS |= {504: ErrorKind.TIMEOUT}


class OpenAIClient:
    """Asks one model of an OpenAI-compatible server.

    The key is read from the environment for each call, or given for a server of our own; it is kept out of `repr`.
    """

    def __init__(self, model: ModelConfig, *, base_url: str | None = None, api_key: str | None = None) -> None:
        """Ask `model`, at `base_url` where its configuration names none.

        Raises:
            ModelError: when the address cannot be used.
        """
        self._model = model
        self._api_key = api_key
        address = urlsplit(base_url or model.base_url)
        if address.scheme not in ("http", "https") or not address.hostname:
            raise ModelError(f"model {model.id!r}: base_url must begin with http:// or https://")
        if address.username or address.password:
            raise ModelError(f"model {model.id!r}: base_url must not hold a password; name api_key_env instead")
        self._url = address.geturl().rstrip("/") + "/chat/completions"
        self._transport = Transport(trust_env=address.hostname not in ("127.0.0.1", "localhost", "::1"))

    def ask(self, request: ChatRequest, *, timeout_s: float) -> Reply | CallError:
        """Make one attempt; see `Client.ask`."""
        headers: dict[str, str] = {}
        if self._model.api_key_env and not os.environ.get(self._model.api_key_env):
            return CallError(
                kind=ErrorKind.AUTH, message=f"the environment variable {self._model.api_key_env} is not set"
            )
        key = self._api_key or os.environ.get(self._model.api_key_env or "", "")
        if key:
            headers["Authorization"] = f"Bearer {key}"
        began = time.perf_counter()
        answer = self._transport.post(self._url, self._body(request), headers, timeout_s=timeout_s, fresh=request.fresh)
        if isinstance(answer, CallError):
            return answer
        # A server may repeat the key in what it says; nothing behind this line has ever seen it.
        unkeyed = replace(answer, body=answer.body.replace(key.encode(), b"[key]")) if key else answer
        return read_answer(unkeyed, latency_s=time.perf_counter() - began)

    def abort(self) -> None:
        """End what is under way."""
        self._transport.abort()

    def _body(self, request: ChatRequest) -> dict[str, Json]:
        body: dict[str, Json] = {
            "model": self._model.name,
            "messages": [message.to_json() for message in request.messages],
            "temperature": request.sampling.temperature,
            "max_tokens": request.sampling.max_tokens,
        }
        if request.sampling.top_p is not None:
            body["top_p"] = request.sampling.top_p
        if request.sampling.seed is not None:
            body["seed"] = request.sampling.seed
        if request.tools:
            body["tools"] = [{"type": "function", "function": tool} for tool in request.tools]
        if request.answer_schema is not None:
            body["response_format"] = {
                "type": "json_schema",
                "json_schema": {"name": "answer", "schema": request.answer_schema},
            }
        if self._model.provider == "embedded":
            body["cache_prompt"] = not request.fresh
        return body


def read_answer(answer: HttpReply, *, latency_s: float) -> Reply | CallError:
    """The reply in a server's answer, or what is wrong with it. Nothing about its shape is taken for granted."""
    if answer.status != 200:
        return _refused(answer)
    try:
        value = json.loads(answer.body, parse_constant=_no_constant)
        return _reply(value, latency_s)
    except (ValueError, RecursionError) as problem:
        what = "not JSON" if isinstance(problem, json.JSONDecodeError | UnicodeDecodeError) else str(problem)
        return CallError(
            kind=ErrorKind.MALFORMED,
            message=f"the reply is {what}: {quoted(answer.body)}",
            status=answer.status,
        )


def _reply(value: Any, latency_s: float) -> Reply | CallError:
    choice = _item(_typed(value, "", dict), "choices", list)
    if not choice:
        raise ValueError("without choices")
    first = _typed(choice[0], "choices[0]", dict)
    message = _item(first, "message", dict)
    finish = _optional(first, "finish_reason", str) or ""
    refusal = _optional(message, "refusal", str) or ""
    if finish == "content_filter":
        return CallError(kind=ErrorKind.REFUSED, message="the provider's content filter refused to answer")
    usage = _optional(value, "usage", dict) or {}
    timings = _optional(value, "timings", dict) or {}
    calls, undecodable = _calls(_optional(message, "tool_calls", list) or [])
    prompt_ms = timings.get("prompt_ms")
    return Reply(
        text=_optional(message, "content", str) or "",
        tool_calls=calls,
        undecodable=undecodable,
        finish_reason=finish,
        refusal=refusal,
        served_model=_optional(value, "model", str) or "",
        provider_id=_optional(value, "id", str) or "",
        tokens_in=_count(usage, "prompt_tokens"),
        tokens_out=_count(usage, "completion_tokens"),
        tokens_cached=_count(_optional(usage, "prompt_tokens_details", dict) or {}, "cached_tokens"),
        latency_s=latency_s,
        first_token_s=prompt_ms / 1000 if isinstance(prompt_ms, int | float) else None,
    )


def _calls(entries: list[Any]) -> tuple[tuple[ToolCall, ...], str]:
    """The tool calls, or why one of them is none (the model's doing, so no malformed reply)."""
    calls: list[ToolCall] = []
    for index, entry in enumerate(entries):
        function = _item(_typed(entry, f"tool_calls[{index}]", dict), "function", dict)
        name, text = _item(function, "name", str), function.get("arguments", "{}")
        try:
            arguments = json.loads(text or "{}", parse_constant=_no_constant) if isinstance(text, str) else text
        except (ValueError, RecursionError):
            return (), f"calls {name} with arguments that are not valid JSON"
        if not isinstance(arguments, dict):
            return (), f"calls {name} with arguments that are no object"
        calls.append(ToolCall(name=name, arguments=arguments))
    return tuple(calls), ""


def _refused(answer: HttpReply) -> CallError:
    default = ErrorKind.SERVER if answer.status >= 500 else ErrorKind.REQUEST
    return CallError(
        kind=_STATUS_KINDS.get(answer.status, default),
        message=f"HTTP status {answer.status}: {quoted(_told(answer.body))}",
        status=answer.status,
        retry_after_s=retry_after(answer.headers.get("Retry-After"), now=time.time()),
    )


def _told(body: bytes) -> bytes:
    """The provider's own sentence in an error body, or the body."""
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return body
    error = value.get("error") if isinstance(value, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    return message.encode("utf-8", "backslashreplace") if isinstance(message, str) else body


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


def _typed(value: Any, name: str, kind: type) -> Any:
    if not isinstance(value, kind):
        raise ValueError(f"of the wrong shape ({name or 'it'} should be a {kind.__name__})")
    return value


def _item(value: Mapping[str, Any], name: str, kind: type) -> Any:
    if name not in value:
        raise ValueError(f"without {name}")
    return _typed(value[name], name, kind)


def _optional(value: Mapping[str, Any], name: str, kind: type) -> Any:
    return None if value.get(name) is None else _typed(value[name], name, kind)


def _count(value: Mapping[str, Any], name: str) -> int | None:
    number = value.get(name)
    return number if isinstance(number, int) and not isinstance(number, bool) and number >= 0 else None


def _no_constant(name: str) -> None:
    raise ValueError(f"of the wrong shape ({name} is no JSON number)")
