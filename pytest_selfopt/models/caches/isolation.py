"""What keeps a call apart from the ones before it at its server: a switch for the prompt cache, where there is one."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from pytest_selfopt.models.config import PROVIDERS, ModelConfig
from pytest_selfopt.models.lookup import get_json
from pytest_selfopt.trial import Json


def _without_cache() -> dict[str, Json]:
    return {"cache_prompt": False}


def _own_cache() -> dict[str, Json]:
    return {"cache_salt": uuid.uuid4().hex}


LLAMA_CPP = "llamacpp"
"""The owner that llama.cpp's server names."""
_SWITCHES: Mapping[str, tuple[str, Callable[[], dict[str, Json]]]] = {
    LLAMA_CPP: ("llama.cpp takes no tokens from its cache (cache_prompt)", _without_cache),
    "vllm": ("vLLM shares its cache with no other call (cache_salt)", _own_cache),
}
"""What servers offer, by the owner that they name in their list of models."""

SWITCHING_SERVERS = tuple(_SWITCHES)
"""The servers whose prompt cache a request can switch off."""

_NO_SWITCH = "i1 means no more than a connection of its own: its server is not known to offer a switch for its cache"

_ON_REQUEST = "anthropic"
"""The wire format whose provider caches only what a request marks, which ours never do."""


class Isolation:
    """The isolation of calls at one server, which is asked once who it is, with the first isolated call."""

    def __init__(self, model: ModelConfig, base_url: str) -> None:
        self._model = model
        self._base_url = base_url
        self._asking = threading.Lock()
        self._owner: str | None = None
        """Whose server it is, by its own words; empty if it does not say, None if it was not asked yet."""

    @property
    def sentence(self) -> str:
        """What isolates calls; empty if the server was not asked yet."""
        if self._owner is None:
            return ""
        if self._owner in _SWITCHES:
            return f"i1 isolates: {_SWITCHES[self._owner][0]}"
        if self._marks_decide:
            return "i1 isolates: the provider caches only what a request marks, and none does"
        return _NO_SWITCH

    @property
    def gap(self) -> str:
        """Why calls are not isolated from each other; empty if they are, or if the server was not asked yet."""
        if self._owner is None or self._owner in _SWITCHES or self._marks_decide:
            return ""
        return _NO_SWITCH

    @property
    def _marks_decide(self) -> bool:
        return _is_provider(self._base_url) and self._model.wire == _ON_REQUEST

    def members(self, key: str) -> dict[str, Json]:
        """Return the members of a request's body that isolate it; none if the server offers nothing."""
        with self._asking:
            if self._owner is None:
                self._owner = owner_of(self._model, self._base_url, key)
        return isolating_members(self._owner)


def isolating_members(owner: str) -> dict[str, Json]:
    """Return the members of a body that isolate a request at a server of `owner`; none if it offers nothing."""
    if owner not in _SWITCHES:
        return {}
    return _SWITCHES[owner][1]()


def owner_of(model: ModelConfig, base_url: str, key: str) -> str:
    """Return whose server a model's is: "llamacpp" or "vllm" by its own words, "" for all others.

    Only a server at an address of the user's own is asked (GET /v1/models); `key` is shown to it.
    """
    if model.wire == "embedded":
        return LLAMA_CPP
    if _is_provider(base_url) or model.wire == "ollama":
        return ""
    if model.wire == _ON_REQUEST:
        # Neither llama.cpp nor LiteLLM heeds a switch on this wire.
        return ""
    owners = _owners(get_json(base_url, "/models", key))
    return next(filter(owners.__contains__, _SWITCHES), "")


def _is_provider(base_url: str) -> bool:
    """Whether an address is that of a provider known by name, which is nobody's own server."""
    return any(provider.base_url == base_url for provider in PROVIDERS.values() if provider.api_key_env)


def _owners(listed: Any) -> set[str]:
    """Return who owns the models of a list (GET /v1/models), by the server's own words; no shape is assumed."""
    if not isinstance(listed, dict) or not isinstance(listed.get("data"), list):
        return set()
    entries = [entry for entry in listed["data"] if isinstance(entry, dict)]
    return {owner for owner in (entry.get("owned_by") for entry in entries) if isinstance(owner, str)}
