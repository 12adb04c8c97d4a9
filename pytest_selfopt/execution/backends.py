"""Where the calls of a session are made: in this process, or by workers that an engine carries them to."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from pytest_selfopt.execution.model_pool import ModelPool, provider_limits
from pytest_selfopt.execution.passes import next_in_lanes
from pytest_selfopt.execution.project_runner import ProjectRunner, refuse_budget
from pytest_selfopt.models.client import Client
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.planning.swarms import resolve_members, swarms_among
from pytest_selfopt.runners.budget import CallBudget
from pytest_selfopt.runners.cipher import Cipher
from pytest_selfopt.runners.local import LocalRunner
from pytest_selfopt.runners.remote import Engine, ProviderLimits, RemoteRunner
from pytest_selfopt.runners.runner import Finished, Runner
from pytest_selfopt.settings import RUNNERS, Settings
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.swarm.runner import SwarmRunner
from pytest_selfopt.swarm.swarm import Swarm
from pytest_selfopt.trial import CallResult


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerPurpose:
    """What a runner is for: the calls of a `cycle` of a name that no other has.

    It goes on from the `stored` results (by id). `on_parts` is told of the calls that members of swarms were asked; see
    `SwarmRunner`.
    """

    cycle: str
    budget: CallBudget | None
    stored: Mapping[str, CallResult]
    on_parts: Callable[[Sequence[Finished]], None]


class CallBackend(Protocol):
    """What a session makes its calls with."""

    def begin(self) -> None:
        """Start or find everything that is needed.

        Raises:
            SelfoptError: when that is not possible.
        """

    def runner(self, purpose: RunnerPurpose) -> Runner:
        """A runner for a purpose.

        Raises:
            SelfoptError: when calls cannot be made.
        """

    def unload(self, specs: Iterable[Spec]) -> None:
        """Let the models of specs be cold, where that can be told."""

    def stop(self) -> None:
        """Release everything; doing it twice is harmless."""

    def notes(self) -> list[str]:
        """Sentences for the summary."""


class LocalBackend:
    """Calls are made in this process, which starts the servers that it has to."""

    def __init__(
        self,
        models: Sequence[ModelConfig],
        log_dir: Path | None,
        own_runner: Callable[[Mapping[str, Client]], Runner] | None = None,
    ) -> None:
        """Make calls with the local runner, or with one of the project's own."""
        self._serving = ModelPool(models, log_dir)
        self._own_runner = own_runner

    def begin(self) -> None:
        """Start the servers, and make the runner if it is the project's own."""
        self._serving.check()
        self._clients = self._serving.start()
        self._own: Runner | None = None
        if self._own_runner is not None:
            self._own = self._own_runner(self._clients)

    def runner(self, purpose: RunnerPurpose) -> Runner:
        """The runner."""
        if self._own is not None:
            return self._own
        sequence = next_in_lanes(purpose.stored.values())
        return LocalRunner(
            self._clients,
            self._serving.slots(),
            rng=random.Random(),
            budget=purpose.budget,
            sequence=sequence,
        )

    def unload(self, specs: Iterable[Spec]) -> None:
        """Let the models of specs be cold."""
        self._serving.unload(specs)

    def stop(self) -> None:
        """End the servers."""
        self._serving.stop()

    def notes(self) -> list[str]:
        """Nothing to say."""
        return []


class RemoteBackend:
    """Calls are made by workers."""

    def __init__(self, engine: Engine, models: Sequence[ModelConfig]) -> None:
        self._engine = engine
        limits = provider_limits(models)
        self._most: dict[str, int] = {}
        for model in models:
            limit = limits[model.provider.name]
            if model.max_concurrency < limit:
                self._most[model.id] = model.max_concurrency
        self._runner: RemoteRunner | None = None

    def begin(self) -> None:
        """Find a server and workers."""
        self._engine.connect()

    def runner(self, purpose: RunnerPurpose) -> Runner:
        """The runner that sends calls to workers."""
        sequence = next_in_lanes(purpose.stored.values())
        self._runner = RemoteRunner(
            self._engine,
            cycle=purpose.cycle,
            budget=purpose.budget,
            most=self._most,
            sequence=sequence,
        )
        return self._runner

    def unload(self, specs: Iterable[Spec]) -> None:
        """Leave what workers serve as it is."""

    def stop(self) -> None:
        """Release the server."""
        self._engine.stop()

    def notes(self) -> list[str]:
        """How many calls were made twice."""
        if self._runner is None or not self._runner.made_twice:
            return []
        twice = self._runner.made_twice
        return [f"{twice:,} calls were made twice, because a worker was lost with them"]


class SwarmBackend:
    """Calls are made by another calling, those to swarms by way of their members."""

    def __init__(
        self,
        inner: CallBackend,
        swarms: Mapping[str, Swarm],
        models: Sequence[ModelConfig],
        notes: Sequence[str],
    ) -> None:
        """Ask `swarms` by name; `notes` say who of them is missing."""
        self._inner = inner
        self._swarms = swarms
        self._models = {model.id: model for model in models}
        self._notes = notes

    def begin(self) -> None:
        """Start or find everything."""
        self._inner.begin()

    def runner(self, purpose: RunnerPurpose) -> Runner:
        """The runner that can ask swarms."""
        inner = self._inner.runner(purpose)
        return SwarmRunner(
            inner,
            self._swarms,
            self._models,
            stored=purpose.stored,
            on_parts=purpose.on_parts,
        )

    def unload(self, specs: Iterable[Spec]) -> None:
        """Let models be cold, but no swarm."""
        single = [spec for spec in specs if spec.model not in self._swarms]
        self._inner.unload(single)

    def stop(self) -> None:
        """Release everything."""
        self._inner.stop()

    def notes(self) -> list[str]:
        """Who was missing, and what else there is to say."""
        return [*self._notes, *self._inner.notes()]


def make_backend(
    settings: Settings,
    names: Iterable[str],
    log_dir: Path | None,
    own_runner: ProjectRunner,
) -> CallBackend:
    """What calls to models of these names, swarms among them, are made with, as configured.

    Raises:
        SelfoptError: when a model is not known, a key for sealing messages cannot be used, or a budget not be kept.
    """
    names = tuple(names)
    models = resolve_members(settings, names)
    swarms, notes = swarms_among(settings, names)
    calling = _calling(settings, models, log_dir, own_runner)
    if not swarms:
        return calling
    return SwarmBackend(calling, swarms, models, notes)


def _calling(
    settings: Settings,
    models: Sequence[ModelConfig],
    log_dir: Path | None,
    own_runner: ProjectRunner,
) -> CallBackend:
    if settings.runner == "local":
        return LocalBackend(models, log_dir)
    if settings.runner not in RUNNERS:
        refuse_budget(settings)
        return LocalBackend(models, log_dir, partial(own_runner, settings.runner))
    return RemoteBackend(_engine(settings, models), models)


def _engine(settings: Settings, models: Sequence[ModelConfig]) -> Engine:
    cipher = Cipher.of(os.environ)
    demand = ProviderLimits(
        limits=provider_limits(models),
        provider_of=lambda model: settings.model(model).provider.name,
        pinned=lambda model: settings.model(model).pinned,
    )
    if settings.runner == "nats":
        from pytest_selfopt.runners.nats.engine import NatsEngine

        return NatsEngine(settings.nats.with_environment(os.environ), cipher, demand)
    from pytest_selfopt.runners.temporal.engine import TemporalEngine

    return TemporalEngine(settings.temporal.with_environment(os.environ), cipher, demand)


def most_at_a_time(models: Sequence[ModelConfig]) -> int:
    """How many calls to the model that takes most can be under way."""
    limits = provider_limits(models)
    most = [min(model.max_concurrency, limits[model.provider.name]) for model in models]
    return max(most)
