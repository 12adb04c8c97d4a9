"""A worker for sessions on other machines: it makes calls with the settings and the keys of its own machine."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from pytest_selfopt.errors import RunnerError, SettingsError
from pytest_selfopt.execution.call_room import make_room
from pytest_selfopt.execution.model_pool import ModelPool
from pytest_selfopt.runners.cipher import Cipher
from pytest_selfopt.runners.local import LocalRunner
from pytest_selfopt.runners.temporal.connection import MISSING
from pytest_selfopt.runners.worker_executor import Executor, WorkerConfig
from pytest_selfopt.settings import Mode, Overrides, Settings, load_settings
from pytest_selfopt.suggest import did_you_mean


def run_worker(
    engine: str,
    folder: Path,
    *,
    target: str | None,
    models: str | None,
    concurrency: int,
    say: Callable[[str], None],
) -> None:
    """Take calls from an engine ("nats" or "temporal") and make them, until the process is terminated.

    `folder` is that of the project's settings.
    `target` is the server's address (None: as configured), `models` names providers or their models, separated by
    commas (None: all that can be asked from here).

    Raises:
        SelfoptError: if something is configured wrongly, or there is no server.
    """
    settings = load_settings(folder, Mode.PLAIN, Overrides())
    providers = _providers(settings, models)
    room = make_room(
        [model for model in settings.models.values() if model.provider.name in providers], concurrency * len(providers)
    )
    if room.most is not None:
        say(room.sentence)
        concurrency = max(1, min(concurrency, room.most // len(providers)))
    pools: list[ModelPool] = []
    worker_config = WorkerConfig(
        executor=Executor(lambda model: _runner(settings, model, providers, pools)),
        providers=providers,
        concurrency=concurrency,
        variant=settings.variant,
        say=say,
    )
    worker = _worker(engine, settings, target, worker_config)
    try:
        asyncio.run(worker.run())
    finally:
        for pool in pools:
            pool.stop()


class EngineWorker(Protocol):
    """A worker that makes calls until it is terminated."""

    async def run(self) -> None:
        """Take calls and make them.

        Raises:
            RunnerError: if there is no server to take calls from.
        """


def _worker(
    engine: str,
    settings: Settings,
    target: str | None,
    worker_config: WorkerConfig,
) -> EngineWorker:
    if engine == "nats":
        return _nats_worker(settings, target, worker_config)
    return _temporal_worker(settings, target, worker_config)


def _nats_worker(
    settings: Settings,
    target: str | None,
    worker_config: WorkerConfig,
) -> EngineWorker:
    from pytest_selfopt.runners.nats.worker import NatsWorker

    config = settings.nats.with_environment(os.environ)
    if target is not None:
        config = replace(config, servers=(target,))
    return NatsWorker(config, Cipher.of(os.environ), worker_config)


def _temporal_worker(
    settings: Settings,
    target: str | None,
    worker_config: WorkerConfig,
) -> EngineWorker:
    try:
        from pytest_selfopt.runners.temporal.worker import TemporalWorker
    except ImportError:
        raise RunnerError(MISSING) from None

    config = settings.temporal.with_environment(os.environ)
    if target is not None:
        config = replace(config, target=target)
    return TemporalWorker(config, Cipher.of(os.environ), worker_config)


def _runner(
    settings: Settings,
    name: str,
    providers: Sequence[str],
    pools: list[ModelPool],
) -> LocalRunner:
    """Make a runner for one model of these providers; start its server if needed."""
    provider = settings.model(name).provider.name
    if provider not in providers:
        # Whoever can write to a queue must not spend what others pay for.
        raise SettingsError(f"it makes calls to {', '.join(providers)}, not to {provider}")
    log_dir: Path | None = None
    if settings.state_dir.is_dir():
        log_dir = settings.state_dir
    pool = ModelPool([settings.model(name)], log_dir)
    pool.check()
    pools.append(pool)
    return LocalRunner(pool.start(), pool.slots(), rng=random.Random())


def _providers(settings: Settings, models: str | None) -> Sequence[str]:
    of_models = [model.provider.name for model in settings.models.values()]
    known = list(dict.fromkeys([*settings.providers, *of_models]))
    if models is None:
        return known
    chosen: dict[str, None] = {}
    for name in filter(None, map(str.strip, models.split(","))):
        if name in known:
            chosen[name] = None
        elif "/" in name:
            provider = settings.model(name).provider
            chosen[provider.name] = None
        else:
            raise SettingsError(f"--models: unknown provider {name!r}{did_you_mean(name, known)}")
    if not chosen:
        raise SettingsError(f"--models {models!r} matches no provider; available: {', '.join(known)}")
    return list(chosen)
