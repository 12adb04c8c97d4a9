"""What a call costs through each engine, beside the local runner: `python -m tests.performance.runners`.

Two workers of 64 calls at a time; the model is a client that sleeps. Ideal is calls × seconds / 128.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from pytest_selfopt.bench.tools import Message
from pytest_selfopt.execution.backends import RunnerPurpose, make_backend
from pytest_selfopt.execution.dev_servers import SERVERS, DevServer
from pytest_selfopt.runners.runner import Call, Finished
from pytest_selfopt.settings import Mode, Overrides, load_settings
from pytest_selfopt.specs.request import ChatRequest
from tests.servers import free_port, started

WORKERS, EACH, CALLS = 2, 64, 512
CLIENT = """
import os, time
from pytest_selfopt import Reply


class Sleeper:
    def __init__(self, model):
        pass

    def ask(self, request, *, timeout_s):
        time.sleep(float(request.messages[-1].content))
        return Reply(text="done", tokens_in=1, tokens_out=1)

    def abort(self):
        pass
"""
MODEL = "near/model"


def settings_text(servers: Mapping[str, DevServer]) -> str:
    """A project whose model sleeps."""
    return (
        f'[tool.selfopt]\nmodel = "{MODEL}"\n[tool.selfopt.providers.near]\nclient = "sleeper:Sleeper"\n'
        f'max_concurrency = {WORKERS * EACH}\n[tool.selfopt.nats]\nservers = ["{servers["nats"].address}"]\n'
        f'[tool.selfopt.temporal]\ntarget = "{servers["temporal"].address}"\n'
    )


@contextmanager
def there(folder: Path, name: str, server: DevServer) -> Iterator[None]:
    """An engine's server and its workers."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [str(folder), *sys.path]))}
    with ExitStack() as held:
        held.enter_context(started(server))
        command = [sys.executable, "-m", "pytest_selfopt.cli", "worker", name, "--models", MODEL]
        for _ in range(WORKERS):
            worker = subprocess.Popen(
                [*command, "--concurrency", str(EACH)],
                cwd=folder,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
            held.callback(worker.wait)
            held.callback(worker.kill)
            assert worker.stdout is not None
            assert "makes calls to" in worker.stdout.readline()
        yield


def measured(folder: Path, runner: str, seconds: float) -> float:
    """The seconds that a batch of calls takes, once everything is there."""
    settings = load_settings(folder, Mode.PLAIN, Overrides(runner=runner))
    calling = make_backend(settings, [MODEL], None, lambda _name, _clients: sys.exit("no such runner"))
    calling.begin()
    try:
        purpose = RunnerPurpose(cycle=uuid.uuid4().hex[:16], budget=None, stored={}, on_parts=lambda _: None)
        runs = calling.runner(purpose)
        request = ChatRequest(messages=(Message(role="user", content=str(seconds)),))
        calls = [Call(id=f"call-{number}", model=MODEL, request=request, lane=MODEL) for number in range(CALLS)]
        results: list[Finished] = []
        began = time.perf_counter()
        runs.run_batch(calls, results.extend)
        took = time.perf_counter() - began
        assert len(results) == CALLS
        assert all(one.result.reply is not None for one in results), results[0]
        return took
    finally:
        calling.stop()


def main() -> None:
    """Print how long each runner takes, and what it adds to a call."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, nargs="*", default=[0.1, 3.0])
    parser.add_argument("--turns", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        servers = {name: make(folder, free_port()) for name, make in SERVERS.items()}
        (folder / "pyproject.toml").write_text(settings_text(servers))
        (folder / "sleeper.py").write_text(CLIENT)
        sys.path.insert(0, str(folder))
        _measure(folder, "local", options)
        for name, server in servers.items():
            with there(folder, name, server):
                _measure(folder, name, options)


def _measure(folder: Path, runner: str, options: argparse.Namespace) -> None:
    for seconds in options.seconds:
        ideal = CALLS * seconds / (WORKERS * EACH)
        took = min(measured(folder, runner, seconds) for _ in range(options.turns))
        added_ms = (took - ideal) / CALLS * 1e3
        print(
            f"{CALLS} calls of {seconds:g} s, {runner}: {took:.2f} s, {took / ideal:.3f} × the ideal "
            f"{ideal:.1f} s, {added_ms:.2f} ms a call",
            flush=True,
        )


if __name__ == "__main__":
    main()
