"""The clients of a session's models, and the embedded server that runs as long as they are needed."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from pathlib import Path

from pytest_selfopt.models.client import Client
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.models.embedded import EmbeddedServer, find_model_file
from pytest_selfopt.models.openai import OpenAIClient
from pytest_selfopt.runners.local import LocalRunner


class Serving:
    """Owns the servers and the runner of one session."""

    def __init__(self, models: Iterable[ModelConfig], log_dir: Path | None) -> None:
        """Serve `models`; what an embedded server says goes to a file in `log_dir`, or to a temporary one."""
        self._models = tuple(models)
        self._log_dir = log_dir
        self._servers: list[EmbeddedServer] = []

    def check(self) -> None:
        """Look whether everything that can be known without starting anything is in order.

        Raises:
            ModelError: when a package or a model file is missing.
        """
        for model in self._models:
            if model.provider == "embedded":
                find_model_file(model)

    def start(self) -> LocalRunner:
        """Start what has to be started and return the runner that makes the calls.

        Raises:
            ModelError: when a server cannot be started.
        """
        clients = {model.id: self._client(model) for model in self._models}
        limits = {model.id: model.max_concurrency for model in self._models}
        return LocalRunner(clients, limits, rng=random.Random(), clock=time.time)

    def stop(self) -> None:
        """End every server; doing it twice is harmless."""
        while self._servers:
            self._servers.pop().stop()

    def _client(self, model: ModelConfig) -> Client:
        if model.provider != "embedded":
            return OpenAIClient(model)
        server = EmbeddedServer(model, log_path=self._log_dir / "embedded.log" if self._log_dir else None)
        self._servers.append(server)
        server.start()
        return OpenAIClient(model, base_url=server.base_url, api_key=server.api_key)
