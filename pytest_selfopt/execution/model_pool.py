"""The clients of a session's models, and the embedded server that runs as long as they are needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from pytest_selfopt.models.client import Client, HttpClient
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.models.embedded import EmbeddedServer
from pytest_selfopt.planning.capabilities import can_unload, project_client, require_model
from pytest_selfopt.runners.concurrency import ConcurrencyLimiter, ModelLimit
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
            require_model(model)

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
        log_path: Path | None = None
        if self._log_dir is not None:
            log_path = self._log_dir / "embedded.log"
        server = EmbeddedServer(model, log_path=log_path)
        self._servers.append(server)
        server.start()
        return HttpClient(
            model,
            base_url=server.base_url,
            api_key=server.api_key,
        )

    def unload(self, specs: Iterable[Spec]) -> None:
        """Let the models of specs be cold; of what cannot be told so nothing is asked."""
        names = {spec.model for spec in specs}
        for name in names:
            model = self.models[name]
            if can_unload(model):
                # Ollama unloads a model that is asked nothing and kept for no time.
                client = HttpClient(replace(model, keep_alive="0s"))
                client.ask(ChatRequest(messages=()), timeout_s=UNLOAD_TIMEOUT_S)

    def slots(self) -> ConcurrencyLimiter:
        """The places calls are made in, by the limits of models and providers."""
        rooms: dict[str, ModelLimit] = {}
        for name, model in self.models.items():
            provider = model.provider.name
            rooms[name] = ModelLimit(most=model.max_concurrency, provider=provider)
        return ConcurrencyLimiter(rooms, provider_limits(self.models.values()))

    def stop(self) -> None:
        """End every server; doing it twice is harmless."""
        while self._servers:
            self._servers.pop().stop()


def provider_limits(models: Iterable[ModelConfig]) -> dict[str, int]:
    """How many calls each provider takes at a time: what is configured, or else what its hungriest model may have."""
    limits: dict[str, int] = {}
    for model in models:
        provider = model.provider
        limit = provider.max_concurrency
        if not provider.fixed:
            hungriest = limits.get(provider.name, 0)
            limit = max(limit, model.max_concurrency, hungriest)
        limits[provider.name] = limit
    return limits
