"""The backends that make the calls of a session: this process, or workers behind an engine."""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from pytest_selfopt.execution.call_room import CallRoom, HeldDescriptors, make_room
from pytest_selfopt.execution.model_pool import ModelPool, provider_limits
from pytest_selfopt.execution.passes import next_in_lanes
from pytest_selfopt.execution.project_runner import ProjectRunner, is_project_runner, refuse_budget
from pytest_selfopt.models.client import Client
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.planning.swarms import resolve_members, swarms_among
from pytest_selfopt.runners.budget import CallBudget
from pytest_selfopt.runners.cipher import Cipher
from pytest_selfopt.runners.local import LocalRunner
from pytest_selfopt.runners.remote import Engine, ProviderLimits, RemoteRunner
from pytest_selfopt.runners.runner import Finished, Runner
from pytest_selfopt.settings import Mode, Settings
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.swarm.runner import SwarmRunner
from pytest_selfopt.swarm.swarm import Swarm
from pytest_selfopt.trial import CallResult


@dataclass(frozen=True, slots=True, kw_only=True)
class RunnerPurpose:
    """The purpose of a runner: the calls of a `cycle` with a unique name.

    The runner continues from the `stored` results (by id). `on_parts` gets the calls to members of swarms; see
    `SwarmRunner`.
    """

    cycle: str
    budget: CallBudget | None
    stored: Mapping[str, CallResult]
    on_parts: Callable[[Sequence[Finished]], object]


class CallBackend(Protocol):
    """The means by which a session makes its calls."""

    def begin(self) -> None:
        """Start or find everything that is needed.

        Raises:
            SelfoptError: if a server, worker or model cannot be used.
        """

    def runner(self, purpose: RunnerPurpose) -> Runner:
        """Make a runner for a purpose.

        Raises:
            SelfoptError: if calls cannot be made.
        """

    def unload(self, specs: Iterable[Spec]) -> None:
        """Unload the models of specs, where the server supports it."""

    @property
    def most(self) -> int | None:
        """The most calls at a time for which there is room, once it has begun; None if nothing here bounds them."""

    def stop(self) -> None:
        """Release everything; doing it twice is harmless."""

    def notes(self) -> list[str]:
        """Return sentences for the summary."""


class LocalBackend:
    """A backend that makes calls in this process, and starts the servers that it needs."""

    def __init__(
        self,
        models: Sequence[ModelConfig],
        log_dir: Path | None,
        project_runner: Callable[[Mapping[str, Client]], Runner] | None = None,
        *,
        fits: bool,
    ) -> None:
        """Make calls with the local runner, or with the project's own.

        With `fits`, no more calls are made at a time than this process has descriptors and memory for.
        """
        self._models = models
        self._pool = ModelPool(models, log_dir)
        self._project_runner = project_runner
        self._fits = fits
        self._room = CallRoom()
        self._held: HeldDescriptors | None = None
        self._local: LocalRunner | None = None

    def begin(self) -> None:
        """Start the servers, and make the runner if it is the project's own."""
        self._pool.check()
        if self._fits:
            self._room = make_room(self._models, sum(provider_limits(self._models).values()))
            self._held = HeldDescriptors()
        self._clients = self._pool.start(self._room.most)
        self._runner: Runner | None = None
        if self._project_runner is not None:
            self._runner = self._project_runner(self._clients)

    def runner(self, purpose: RunnerPurpose) -> Runner:
        """Return the project's runner, or a new local one."""
        if self._runner is not None:
            return self._runner
        sequence = next_in_lanes(purpose.stored.values())
        self._local = LocalRunner(
            self._clients,
            self._pool.slots(),
            rng=random.Random(),
            budget=purpose.budget,
            sequence=sequence,
        )
        return self._local

    def unload(self, specs: Iterable[Spec]) -> None:
        """Unload the models of specs."""
        self._pool.unload(specs)

    @property
    def most(self) -> int | None:
        """The most calls at a time for which this process has descriptors and memory."""
        return self._room.most

    def stop(self) -> None:
        """Stop the servers, and release the descriptors that were held."""
        self._pool.stop()
        if self._held is not None:
            self._held.release()

    def notes(self) -> list[str]:
        """Return a sentence on each model whose isolated calls are not isolated, and on fewer calls at a time."""
        few = ""
        if self._local is not None:
            few = self._local.few_threads
        return [*self._pool.notes(), *filter(None, [self._room.sentence, few])]


class RemoteBackend:
    """A backend whose calls are made by workers."""

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
        """Connect to the server, and find workers."""
        self._engine.connect()

    def runner(self, purpose: RunnerPurpose) -> Runner:
        """Make a runner that sends calls to workers."""
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
        """Unload nothing: the servers of workers are not ours."""

    @property
    def most(self) -> int | None:
        """None: calls are bounded where they are made."""
        return None

    def stop(self) -> None:
        """Disconnect from the server."""
        self._engine.stop()

    def notes(self) -> list[str]:
        """Return a sentence on the calls that were made twice, and on each reason why messages were refused."""
        if self._runner is None:
            return []
        notes: list[str] = []
        twice = self._runner.made_twice
        if twice:
            notes.append(f"{twice:,} calls were made twice, because a worker was lost with them")
        for why, number in self._runner.refusals.items():
            notes.append(f"messages from the queue that were refused: {number:,} ({why})")
        return notes


class SwarmBackend:
    """A backend that passes calls to another one, and calls to swarms as calls to their members."""

    def __init__(
        self,
        inner: CallBackend,
        swarms: Mapping[str, Swarm],
        models: Sequence[ModelConfig],
        notes: Sequence[str],
    ) -> None:
        """Ask `swarms` by name; `notes` say which members are missing."""
        self._inner = inner
        self._swarms = swarms
        self._models = {model.id: model for model in models}
        self._notes = notes

    def begin(self) -> None:
        """Begin the inner backend."""
        self._inner.begin()

    def runner(self, purpose: RunnerPurpose) -> Runner:
        """Make a runner that can ask swarms."""
        inner = self._inner.runner(purpose)
        return SwarmRunner(
            inner,
            self._swarms,
            self._models,
            stored=purpose.stored,
            on_parts=purpose.on_parts,
        )

    def unload(self, specs: Iterable[Spec]) -> None:
        """Unload the models of specs that are no swarms."""
        single = [spec for spec in specs if spec.model not in self._swarms]
        self._inner.unload(single)

    @property
    def most(self) -> int | None:
        """The most calls at a time of the inner backend."""
        return self._inner.most

    def stop(self) -> None:
        """Stop the inner backend."""
        self._inner.stop()

    def notes(self) -> list[str]:
        """Return the notes on missing members, and those of the inner backend."""
        return [*self._notes, *self._inner.notes()]


def make_backend(
    settings: Settings,
    names: Iterable[str],
    log_dir: Path | None,
    project_runner: ProjectRunner,
) -> CallBackend:
    """Make the configured backend for calls to these models, which may be swarms.

    Raises:
        SelfoptError: if a model is unknown, the encryption key cannot be used, or the budget cannot be kept.
    """
    names = tuple(names)
    models = resolve_members(settings, names)
    swarms, notes = swarms_among(settings, names)
    backend = _inner_backend(settings, models, log_dir, project_runner)
    if not swarms:
        return backend
    return SwarmBackend(backend, swarms, models, notes)


def _inner_backend(
    settings: Settings,
    models: Sequence[ModelConfig],
    log_dir: Path | None,
    project_runner: ProjectRunner,
) -> CallBackend:
    # Plain sessions are tests like any others, which change nothing in their process.
    fits = settings.mode is not Mode.PLAIN
    if settings.runner == "local":
        return LocalBackend(models, log_dir, fits=fits)
    if is_project_runner(settings):
        refuse_budget(settings)
        return LocalBackend(models, log_dir, partial(project_runner, settings.runner), fits=fits)
    return RemoteBackend(_engine(settings, models), models)


def _engine(settings: Settings, models: Sequence[ModelConfig]) -> Engine:
    cipher = Cipher.of(os.environ)
    limits = ProviderLimits(
        limits=provider_limits(models),
        provider_of=lambda model: settings.model(model).provider.name,
        pinned=lambda model: settings.model(model).pinned,
    )
    if settings.runner == "nats":
        from pytest_selfopt.runners.nats.engine import NatsEngine

        return NatsEngine(settings.nats.with_environment(os.environ), cipher, limits)
    from pytest_selfopt.runners.temporal.engine import TemporalEngine

    return TemporalEngine(settings.temporal.with_environment(os.environ), cipher, limits)


def most_at_a_time(models: Sequence[ModelConfig], room: int | None = None) -> int:
    """Return the most calls to any one of the models that can be in flight, if there is `room` for them."""
    limits = provider_limits(models)
    most = max(min(model.max_concurrency, limits[model.provider.name]) for model in models)
    if room is None:
        return most
    return min(most, room)
