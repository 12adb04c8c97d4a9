"""The capabilities of the configured models: unloading, cold starts, limits of answers, keys and servers."""

from __future__ import annotations

import os
from collections.abc import Callable

from pytest_selfopt.errors import ModelError
from pytest_selfopt.import_string import imported
from pytest_selfopt.models.caches.isolation import LLAMA_CPP, owner_of
from pytest_selfopt.models.client import Client, missing_key
from pytest_selfopt.models.config import PROVIDERS, ModelConfig
from pytest_selfopt.models.embedded import find_model_file
from pytest_selfopt.redaction.known import KNOWN
from pytest_selfopt.runners.engines import ENGINES
from pytest_selfopt.settings import Settings
from pytest_selfopt.specs.spec import Spec


def can_unload(model: ModelConfig) -> bool:
    """Whether a model's server can be told to unload it."""
    return model.wire == "ollama"


def can_force_cold_start(settings: Settings, model: str) -> bool:
    """Whether a session can force cold starts of a model; it cannot unload models of workers."""
    return makes_calls_here(settings) and can_unload(settings.model(model))


def makes_calls_here(settings: Settings) -> bool:
    """Whether the session itself asks the models, and so needs their keys and servers."""
    return settings.runner not in ENGINES


def is_served_by_llama_cpp(model: ModelConfig, settings: Settings) -> bool:
    """Whether a model is at llama.cpp's server; servers of the user's own are asked, if calls are made here."""
    if model.provider.client:
        return False
    if model.wire != "embedded" and not makes_calls_here(settings):
        return False
    key = os.environ.get(model.provider.api_key_env or "", "")
    return owner_of(model, model.provider.base_url, key) == LLAMA_CPP


def may_be_llama_cpp(model: ModelConfig) -> bool:
    """Whether a model may be at llama.cpp's server: embedded ones are, and others at an address of the user's own."""
    if model.provider.client:
        return False
    return model.wire == "embedded" or (model.wire == "openai" and model.provider.name not in PROVIDERS)


def max_tokens_of(spec: Spec, settings: Settings) -> int | None:
    """Return the limit of tokens of a spec's answers: its own, or its model's; None if members of a swarm differ.

    Raises:
        SettingsError: if the model, or a member, is unknown.
    """
    if spec.sampling.max_tokens is not None:
        return spec.sampling.max_tokens
    model = settings.model(spec.model)
    members = list(map(settings.model, model.members)) or [model]
    limits = {member.max_tokens for member in members}
    if len(limits) > 1:
        return None
    return limits.pop()


def require_model(model: ModelConfig) -> None:
    """Check what can be checked of a model without starting a server.

    Raises:
        ModelError: if a package, a model file or a key is missing.
    """
    if model.wire == "embedded":
        find_model_file(model)
    if model.provider.client:
        project_client(model)
    missing = missing_key(model)
    if missing:
        raise ModelError(f"model {model.id!r}: {missing}")


def shown_key(model: ModelConfig) -> str:
    """Say that the key of a model's provider is not blacked out, and why; empty if it is, or if there is none."""
    name = model.provider.api_key_env or ""
    key = os.environ.get(name, "")
    why = key and KNOWN.why_shown(key)
    if not why:
        return ""
    return f"the key in {name} is not blacked out where a server repeats it: {why}"


def project_client(model: ModelConfig) -> Callable[[ModelConfig], Client]:
    """Return the function that makes clients for a project's own provider.

    Raises:
        ModelError: if the function cannot be imported, or is not callable.
    """
    try:
        factory = imported(model.provider.client)
    except ValueError as problem:
        raise ModelError(f"provider {model.provider.name}: client {problem}") from None
    if not callable(factory):
        raise ModelError(f"provider {model.provider.name}: client {model.provider.client!r} is not callable")
    return factory
