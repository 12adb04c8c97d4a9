"""The protocol of model clients, and the client that speaks HTTP in any wire format."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urlsplit

from pytest_selfopt.errors import ModelError
from pytest_selfopt.models.anthropic import AnthropicWire
from pytest_selfopt.models.config import ModelConfig, WireName
from pytest_selfopt.models.ollama import OllamaWire
from pytest_selfopt.models.openai import OpenAIWire
from pytest_selfopt.models.wire_format import Unsupported, Wire, read_answer
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.trial import CallError, ErrorKind, Reply

_WIRES: Mapping[WireName, Wire] = {
    "openai": OpenAIWire(),
    "embedded": OpenAIWire(),
    "ollama": OllamaWire(),
    "anthropic": AnthropicWire(),
}
LOOPBACK = ("127.0.0.1", "localhost", "::1")


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

    def __init__(self, model: ModelConfig, *, base_url: str | None = None, api_key: str | None = None) -> None:
        """Ask `model`, at `base_url` if given, else at its provider's address.

        Raises:
            ModelError: when the address cannot be used.
        """
        # The library for HTTP takes long to import, and commands that make no call do without it.
        from pytest_selfopt.models.http import Transport

        self._model = model
        self._wire = _WIRES[model.wire]
        self._api_key = api_key
        try:
            address = urlsplit(base_url or model.provider.base_url)
            host = address.hostname
        except ValueError as problem:
            raise ModelError(f"model {model.id!r}: base_url cannot be used: {problem}") from None
        if address.scheme not in ("http", "https") or not host:
            raise ModelError(f"model {model.id!r}: base_url must begin with http:// or https://")
        if address.username or address.password:
            raise ModelError(f"model {model.id!r}: base_url must not contain a password; set api_key_env instead")
        url = address.geturl().rstrip("/") + self._wire.path
        self._transport = Transport(url, trust_env=host not in LOOPBACK, connections=model.max_concurrency)

    def ask(self, request: ChatRequest, *, timeout_s: float) -> Reply | CallError:
        """Make one attempt; see `Client.ask`."""
        missing = missing_key(self._model)
        if missing:
            return CallError(kind=ErrorKind.AUTH, message=missing)
        key = self._api_key or os.environ.get(self._model.provider.api_key_env or "", "")
        try:
            body = self._wire.body(self._model, request)
        except Unsupported as problem:
            return CallError(kind=ErrorKind.REQUEST, message=str(problem))
        began = time.perf_counter()
        answer = self._transport.post(body, self._wire.headers(key), timeout_s=timeout_s, fresh=request.fresh)
        if isinstance(answer, CallError):
            return answer
        latency_s = time.perf_counter() - began
        return read_answer(self._wire, answer, key=key, latency_s=latency_s, now=time.time())

    def abort(self) -> None:
        """End all attempts in flight and refuse further ones."""
        self._transport.abort()


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
