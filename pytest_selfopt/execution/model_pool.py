"""The clients of a session's models, and the embedded server that runs as long as they are needed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from pytest_selfopt.errors import ModelError
from pytest_selfopt.import_string import imported
from pytest_selfopt.models.client import Client, HttpClient, missing_key
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.models.embedded import EmbeddedServer, find_model_file
from pytest_selfopt.runners.concurrency import ConcurrencyLimiter, ModelLimit
from pytest_selfopt.settings import ENGINES, Settings
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.specs.spec import Spec

UNLOAD_TIMEOUT_S = 30.0


class ModelPool:
    """Owns the servers and the clients of one session."""

    def __init__(self, models: Iterable[ModelConfig], log_dir: Path | None) -> None:
        """Serve `models`; what an embedded server says goes to a file in `log_dir`, or to a temporary one."""
        self.models: Mapping[str, ModelConfig] = {model.id: model for model in models}
        self._log_dir = log_dir
        self._servers: list[EmbeddedServer] = []

    def check(self) -> None:
        """Look whether everything that can be known without starting anything is in order.

        Raises:
            ModelError: when a package, a model file or a key is missing.
        """
        for model in self.models.values():
            if model.wire == "embedded":
                find_model_file(model)
            if model.provider.client:
                project_client(model)
            missing = missing_key(model)
            if missing:
                raise ModelError(f"model {model.id!r}: {missing}")

    def start(self) -> dict[str, Client]:
        """Start what has to be started and return the clients by model id.

        Raises:
            ModelError: when a server cannot be started, or an address or a key cannot be used.
        """
        return {name: self.client(model) for name, model in self.models.items()}

    def client(self, model: ModelConfig) -> Client:
        """A client of a model, whose server is started when it is embedded.

        Raises:
            ModelError: when that is not possible.
        """
        if model.provider.client:
            return project_client(model)(model)
        if model.wire != "embedded":
            return HttpClient(model)
        server = EmbeddedServer(model, log_path=self._log_dir / "embedded.log" if self._log_dir else None)
        self._servers.append(server)
        server.start()
        return HttpClient(model, base_url=server.base_url, api_key=server.api_key)

    def unload(self, specs: Iterable[Spec]) -> None:
        """Let the models of specs be cold; of what cannot be told so nothing is asked."""
        for model in (self.models[name] for name in {spec.model for spec in specs}):
            if can_unload(model):
                # Ollama unloads a model that is asked nothing and kept for no time.
                client = HttpClient(replace(model, keep_alive="0s"))
                client.ask(ChatRequest(messages=()), timeout_s=UNLOAD_TIMEOUT_S)

    def slots(self) -> ConcurrencyLimiter:
        """The places calls are made in, by the limits of models and providers."""
        rooms = {
            name: ModelLimit(most=model.max_concurrency, provider=model.provider.name)
            for name, model in self.models.items()
        }
        return ConcurrencyLimiter(rooms, provider_limits(self.models.values()))

    def stop(self) -> None:
        """End every server; doing it twice is harmless."""
        while self._servers:
            self._servers.pop().stop()


def project_client(model: ModelConfig) -> Callable[[ModelConfig], Client]:
    """What makes the client of a provider of a project's own.

    Raises:
        ModelError: when it cannot be imported, or is nothing that can be called.
    """
    try:
        found = imported(model.provider.client)
    except ValueError as problem:
        raise ModelError(f"provider {model.provider.name}: client {problem}") from None
    if not callable(found):
        raise ModelError(f"provider {model.provider.name}: client {model.provider.client!r} makes no client")
    return found


def can_unload(model: ModelConfig) -> bool:
    """Whether a model's server can be told to unload it."""
    return model.wire == "ollama"


def can_force_cold_start(settings: Settings, model: str) -> bool:
    """Whether a session can have cold starts of a model when it wants them; workers' servers are not its own."""
    return makes_calls_here(settings) and can_unload(settings.model(model))


def makes_calls_here(settings: Settings) -> bool:
    """Whether the session itself asks the models, and so needs their keys and servers."""
    return settings.runner not in ENGINES


def provider_limits(models: Iterable[ModelConfig]) -> dict[str, int]:
    """How many calls each provider takes at a time: what is configured, or else what its hungriest model may have."""
    limits: dict[str, int] = {}
    for model in models:
        provider = model.provider
        least = provider.max_concurrency if provider.fixed else max(provider.max_concurrency, model.max_concurrency)
        limits[provider.name] = least if provider.fixed else max(least, limits.get(provider.name, 0))
    return limits
