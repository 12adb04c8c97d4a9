"""The protocol of model clients, and the client that speaks HTTP in any wire format."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from pytest_selfopt import clock
from pytest_selfopt.errors import ModelError
from pytest_selfopt.models.anthropic import AnthropicWire
from pytest_selfopt.models.caches.isolation import Isolation
from pytest_selfopt.models.caches.response_cache import ASK_PAST, LITELLM_CONTROL, LITELLM_MEMBER, is_litellm
from pytest_selfopt.models.config import ModelConfig, WireName
from pytest_selfopt.models.failures import find_error
from pytest_selfopt.models.lookup import LOOPBACK
from pytest_selfopt.models.ollama import OllamaWire
from pytest_selfopt.models.openai import OpenAIWire
from pytest_selfopt.models.parameters import (
    MOST_ADJUSTMENTS,
    REFUSING_STATUSES,
    Lesson,
    Parameters,
    SentSampling,
    accepted_parameters,
    learn,
    unwrapped_text,
)
from pytest_selfopt.models.wire_format import Sent, Unsupported, Wire, build_body, read_answer
from pytest_selfopt.redaction.addresses import secret_in_address
from pytest_selfopt.redaction.known import KNOWN
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.trial import CallError, ErrorKind, Json, Reply

if TYPE_CHECKING:
    from pytest_selfopt.models.http import HttpReply

WIRE_FORMATS: Mapping[WireName, Wire] = {
    "openai": OpenAIWire(),
    "embedded": OpenAIWire(),
    "ollama": OllamaWire(),
    "anthropic": AnthropicWire(),
}
AZURE = ".azure.com"
"""The end of the hosts that take a key in a header of its own, too."""


class Client(Protocol):
    """Asks one model. Failures of model, server or network are returned as a `CallError`, never raised."""

    def ask(self, request: ChatRequest, *, timeout_s: float) -> Reply | CallError:
        """Make one attempt that takes at most `timeout_s` seconds of wall-clock time."""

    def abort(self) -> None:
        """End all attempts under way and refuse further ones; may be called from any thread."""


class HttpClient:
    """Asks one model over HTTP; safe to share among threads.

    The key is read from the environment for each call, or passed for a server of our own; `repr` does not show it.
    """

    def __init__(
        self,
        model: ModelConfig,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        connections: int | None = None,
    ) -> None:
        """Ask `model`, at `base_url` if given, else at its provider's address.

        Up to `connections` are kept open; as many as calls are allowed at a time, if not given.

        Raises:
            ModelError: when the address cannot be used.
        """
        # The library for HTTP takes long to import, and commands that make no call do without it.
        from pytest_selfopt.models.http import Transport

        self._model = model
        self._wire = WIRE_FORMATS[model.wire]
        self._api_key = api_key
        self._parameters = accepted_parameters(model)
        self._lessons: dict[str, None] = {}
        self._isolation = Isolation(model, base_url or model.provider.base_url)
        self._learning = threading.Lock()
        self._avoids_copies = model.response_cache == "avoid"
        self._is_litellm = False
        """Whether an answer came through LiteLLM's proxy, so that its control may be sent."""
        try:
            address = urlsplit(base_url or model.provider.base_url)
            host = address.hostname
        except ValueError as problem:
            raise ModelError(f"model {model.id!r}: base_url cannot be used: {problem}") from None
        if address.scheme not in ("http", "https") or not host:
            raise ModelError(f"model {model.id!r}: base_url must begin with http:// or https://")
        secret = secret_in_address(address.geturl())
        if secret:
            raise ModelError(f"model {model.id!r}: base_url {secret}; set api_key_env instead")
        self._host = host
        # The query, such as Azure's api-version, stays behind the path.
        whole = address._replace(path=address.path.rstrip("/") + self._wire.path)
        self._transport = Transport(
            whole.geturl(), trust_env=host not in LOOPBACK, connections=connections or model.max_concurrency
        )

    @property
    def lessons(self) -> tuple[str, ...]:
        """Sentences on what the server has refused, and what is sent instead."""
        return tuple(self._lessons)

    @property
    def isolation(self) -> str:
        """A sentence on what isolates calls at this server; empty if that is not known yet."""
        return self._isolation.sentence

    @property
    def isolation_gap(self) -> str:
        """A sentence on why isolated calls are not isolated; empty if they are, or if none was made."""
        return self._isolation.gap

    def ask(self, request: ChatRequest, *, timeout_s: float) -> Reply | CallError:
        """Make one attempt; see `Client.ask`. What a server refuses by name is adapted to, within the same attempt."""
        missing = missing_key(self._model)
        if missing:
            return CallError(kind=ErrorKind.AUTH, message=missing)
        key = self._api_key or os.environ.get(self._model.provider.api_key_env or "", "")
        KNOWN.add(key)
        deadline = clock.monotonic() + timeout_s
        for _ in range(MOST_ADJUSTMENTS):
            parameters = self._parameters
            answer = self._ask_once(request, parameters, key, timeout_s)
            lesson = _lesson_of(answer, parameters)
            timeout_s = deadline - clock.monotonic()
            if timeout_s <= 0:
                break
            if lesson is not None:
                self._learn(parameters, lesson)
            elif not self._is_needless_copy(answer):
                break
        if isinstance(answer, Answered):
            return answer.result
        return answer

    def _ask_once(
        self, request: ChatRequest, parameters: Parameters, key: str, timeout_s: float
    ) -> Answered | CallError:
        """Send a request once."""
        try:
            built = build_body(self._wire, self._model, request, parameters)
        except Unsupported as problem:
            return CallError(kind=ErrorKind.REQUEST, message=str(problem))
        body, sampling = built.value, built.sampling
        if request.fresh:
            body.update(self._isolation.members(key))
        if self._is_litellm:
            body.setdefault(LITELLM_MEMBER, LITELLM_CONTROL)
        began = clock.monotonic()
        headers = self._headers(key)
        http = self._transport.post(body, headers, timeout_s=timeout_s, fresh=request.fresh)
        if isinstance(http, CallError):
            return http
        sent = Sent(
            redactor=KNOWN.redactor,
            latency_s=clock.monotonic() - began - http.waited_s,
            at=clock.now(),
            sampling=sampling.sent,
            adjustments=sampling.adjustments,
            max_tokens=sampling.max_tokens,
        )
        result = read_answer(self._wire, http, sent)
        if isinstance(result, Reply) and request.answer_schema is not None:
            result = checked_answer(result, wrapped=built.wrapped)
        return Answered(body=body, sampling=sampling, http=http, result=result)

    def _headers(self, key: str) -> dict[str, str]:
        headers = self._wire.headers(key)
        if key and self._host.endswith(AZURE):
            headers["api-key"] = key
        if self._avoids_copies:
            headers.update(ASK_PAST)
        return headers

    def _is_needless_copy(self, answer: Answered | CallError) -> bool:
        """Whether LiteLLM gave a copy only because it was not known before that it is LiteLLM, which has a control."""
        if not self._avoids_copies or self._is_litellm or not isinstance(answer, Answered):
            return False
        self._is_litellm = is_litellm(answer.http.headers)
        return self._is_litellm and isinstance(answer.result, Reply) and bool(answer.result.copied)

    def _learn(self, before: Parameters, lesson: Lesson) -> None:
        """Heed a lesson from now on; another thread may have learned it, too."""
        with self._learning:
            self._lessons[lesson.sentence] = None
            if self._parameters == before:
                self._parameters = lesson.parameters

    def abort(self) -> None:
        """End all attempts in flight and refuse further ones."""
        self._transport.abort()

    def close(self) -> None:
        """Abort, and close the connections that were kept; a second call is harmless."""
        self._transport.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """A request with its server's answer, and what that means."""

    body: Mapping[str, Json]
    sampling: SentSampling
    http: HttpReply
    result: Reply | CallError


def _lesson_of(answer: Answered | CallError, parameters: Parameters) -> Lesson | None:
    """Return what an answer teaches about the parameters that the model accepts; None if nothing."""
    if not isinstance(answer, Answered) or answer.http.status not in REFUSING_STATUSES:
        return None
    if not isinstance(answer.result, CallError) or answer.result.kind is not ErrorKind.REQUEST:
        return None
    try:
        error = find_error(json.loads(answer.http.body))
    except (ValueError, RecursionError):
        return None
    if error is None:
        return None
    return learn(parameters, answer.body, answer.sampling, error)


def checked_answer(reply: Reply, *, wrapped: bool) -> Reply:
    """Return a reply to a request with a schema: unwrapped, and marked if its server did not constrain the answer.

    Every schema of ours is that of an object. What it holds is the graders' business.
    """
    if reply.tool_calls or reply.undecodable:
        return reply
    text = reply.text
    if wrapped:
        text = unwrapped_text(text)
    return replace(reply, text=text, off_schema=not text.lstrip().startswith("{"))


def missing_key(model: ModelConfig) -> str:
    """Say why the key of a model's provider is unusable; empty if it is usable or not needed."""
    name = model.provider.api_key_env
    if name is None:
        return ""
    key = os.environ.get(name, "")
    if not key:
        return f"the environment variable {name} is not set"
    if not (key.isascii() and key.isprintable()) or " " in key:
        return f"the environment variable {name} contains characters that no key has, such as blanks or line ends"
    return ""
