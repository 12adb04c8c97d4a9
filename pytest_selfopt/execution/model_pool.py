"""The clients of a session's models, and the embedded server that runs as long as they are needed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pytest_selfopt.execution.time_left import CallLimits
from pytest_selfopt.models.client import Client, HttpClient
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.models.embedded import EmbeddedServer
from pytest_selfopt.planning.capabilities import can_unload, project_client, require_model, shown_key
from pytest_selfopt.redaction.known import KNOWN
from pytest_selfopt.runners.concurrency import ConcurrencyLimiter, ModelLimit
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.trial import CallError, ErrorKind, Reply
from pytest_selfopt.trial_bounds import bounded_answer

UNLOAD_TIMEOUT_S = 30.0


class ModelPool:
    """The owner of the servers and clients of one session."""

    def __init__(self, models: Iterable[ModelConfig], log_dir: Path | None) -> None:
        """Serve `models`; embedded servers log to a file in `log_dir`, or to a temporary file."""
        self.models: Mapping[str, ModelConfig] = {model.id: model for model in models}
        self._log_dir = log_dir
        self._most: int | None = None
        self._servers: list[EmbeddedServer] = []
        self._clients: dict[str, Client] = {}

    def check(self) -> None:
        """Check all models, without starting a server.

        Raises:
            ModelError: if a package, a model file or a key is missing.
        """
        for model in self.models.values():
            require_model(model)

    def notes(self) -> list[str]:
        """Return a sentence on each key that is not blacked out, and each model whose isolated calls are not."""
        notes = list(dict.fromkeys(filter(None, map(shown_key, self.models.values()))))
        for name, client in self._clients.items():
            if isinstance(client, HttpClient) and client.isolation_gap:
                notes.append(f"{name}: {client.isolation_gap}")
        return notes

    def start(self, most: int | None = None) -> dict[str, Client]:
        """Start what has to be started and return the clients by model id, which make at most `most` calls at a time.

        Raises:
            ModelError: if a server cannot be started, or an address or a key cannot be used.
        """
        self._most = most
        self._clients = {name: self.client(model) for name, model in self.models.items()}
        return self._clients

    def client(self, model: ModelConfig) -> Client:
        """Make a client of a model; start its server if it is embedded.

        Raises:
            ModelError: if the server cannot be started, or an address or a key cannot be used.
        """
        if model.provider.client:
            KNOWN.watch([model.provider.api_key_env or ""])
            return LimitedClient(project_client(model)(model), model.max_tokens)
        connections = self._connections(model)
        if model.wire != "embedded":
            return HttpClient(model, connections=connections)
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
            connections=connections,
        )

    def _connections(self, model: ModelConfig) -> int:
        """Return the connections that are kept to a model: together no more than calls are made at a time."""
        if self._most is None:
            return model.max_concurrency
        return max(1, min(model.max_concurrency, self._most // len(self.models)))

    def unload(self, specs: Iterable[Spec]) -> None:
        """Unload the models of specs whose server supports it."""
        names = {spec.model for spec in specs}
        for name in names:
            model = self.models[name]
            if can_unload(model):
                # Ollama unloads a model that is asked nothing and kept for no time.
                client = HttpClient(replace(model, keep_alive="0s"))
                client.ask(ChatRequest(messages=()), timeout_s=UNLOAD_TIMEOUT_S)
                client.close()

    def slots(self) -> ConcurrencyLimiter:
        """Make the limiter of concurrent calls, by model and provider."""
        limits: dict[str, ModelLimit] = {}
        for name, model in self.models.items():
            provider = model.provider.name
            limits[name] = ModelLimit(most=model.max_concurrency, provider=provider)
        return ConcurrencyLimiter(limits, provider_limits(self.models.values()), most=self._most)

    def stop(self) -> None:
        """Close the connections that were kept and stop every server; doing it twice is harmless."""
        for client in self._clients.values():
            if isinstance(client, HttpClient):
                client.close()
        while self._servers:
            self._servers.pop().stop()


class LimitedClient:
    """A project's own client: requests have a limit of tokens, answers are within bounds and have no secret."""

    def __init__(self, client: Client, max_tokens: int) -> None:
        self._client = client
        self._max_tokens = max_tokens

    def ask(self, request: ChatRequest, *, timeout_s: float) -> Reply | CallError:
        """Make one attempt; see `Client.ask`."""
        sampling = request.sampling.limited(self._max_tokens)
        answer = self._client.ask(replace(request, sampling=sampling), timeout_s=timeout_s)
        try:
            # Before texts are cut: a part of a key would not be found.
            return bounded_answer(KNOWN.redactor.redact_value(answer))
        except RecursionError:
            message = "the client's answer cannot be used: it is nested too deeply"
            return CallError(kind=ErrorKind.MALFORMED, message=message)

    def abort(self) -> None:
        """End all attempts in flight and refuse further ones."""
        self._client.abort()


def provider_limits(models: Iterable[ModelConfig]) -> dict[str, int]:
    """Return each provider's concurrent calls: the configured limit, or the highest limit of its models."""
    limits: dict[str, int] = {}
    for model in models:
        provider = model.provider
        limit = provider.max_concurrency
        if not provider.fixed:
            highest = limits.get(provider.name, 0)
            limit = max(limit, model.max_concurrency, highest)
        limits[provider.name] = limit
    return limits


def call_limits(models: Sequence[ModelConfig], most: int | None = None) -> CallLimits:
    """Return the limits of concurrent calls: the configured ones, and never more than `most`."""
    providers = provider_limits(models)
    if most is not None:
        providers = {name: min(limit, most) for name, limit in providers.items()}
    return CallLimits(
        models={model.id: model.max_concurrency for model in models},
        providers=providers,
        provider_of={model.id: model.provider.name for model in models},
    )
