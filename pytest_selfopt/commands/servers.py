"""The commands that run until they are told to end."""

from __future__ import annotations

import argparse
import signal
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from pytest_selfopt.commands.common import AddCommand, add_places, settings_of
from pytest_selfopt.errors import RunnerError, SettingsError

MOST_PORT = 65_535


def add_commands(add: AddCommand) -> None:
    """Add them to the parser."""
    _add_worker(add)
    _add_engine(add)
    _add_scripted(add)


def _add_worker(add: AddCommand) -> None:
    """Add `selfopt worker`."""
    from pytest_selfopt.settings import ENGINES

    worker = add(
        "worker",
        help="make the calls of sessions that run with --selfopt-runner, here",
        epilog="example: selfopt worker nats --target nats://queue.example.com:4222 --models ollama --concurrency 8",
    )
    worker.add_argument(
        "engine",
        choices=ENGINES,
        help="where the calls come from",
    )
    worker.add_argument(
        "--target",
        help="the server's address (default: as configured)",
    )
    worker.add_argument(
        "--models",
        help="to which providers, separated by commas (default: to all)",
    )
    worker.add_argument(
        "--concurrency",
        type=int,
        default=64,
        help="calls at a time, of each provider (default: 64)",
    )
    worker.add_argument(
        "--rootdir",
        type=Path,
        default=Path(),
        help="where selfopt.toml or pyproject.toml is",
    )
    worker.set_defaults(command=_work)


def _add_engine(add: AddCommand) -> None:
    """Add `selfopt engine`."""
    from pytest_selfopt.settings import ENGINES

    engine = add(
        "engine", help="run the server of an engine on loopback, for a trial", epilog="example: selfopt engine nats"
    )
    engine.add_argument("engine", choices=ENGINES, help="which")
    engine.add_argument(
        "--port",
        type=int,
        help="the port (default: the engine's own)",
    )
    add_places(engine)
    engine.set_defaults(command=_run_engine)


def _add_scripted(add: AddCommand) -> None:
    """Add `selfopt scripted`."""
    scripted = add(
        "scripted",
        help="serve a scripted model on loopback in the OpenAI, Ollama and Anthropic formats",
        epilog="example: selfopt scripted script.yaml --port 8765",
    )
    scripted.add_argument(
        "script",
        type=Path,
        help="a YAML file that says how the model behaves",
    )
    scripted.add_argument(
        "--port",
        type=int,
        default=0,
        help="the port (default: a free one)",
    )
    scripted.set_defaults(command=_scripted)


def _work(options: argparse.Namespace) -> Iterable[str]:
    from pytest_selfopt.execution.worker_process import run_worker

    if options.concurrency < 1:
        raise SettingsError(f"--concurrency {options.concurrency}: expected at least 1")
    run_worker(
        options.engine,
        options.rootdir,
        target=options.target,
        models=options.models,
        concurrency=options.concurrency,
        say=lambda line: print(f"selfopt: {line}", flush=True),
    )
    return []


def _run_engine(options: argparse.Namespace) -> list[str]:
    from pytest_selfopt.execution.dev_servers import SERVERS

    name, port = options.engine, options.port
    if port is not None and not 1 <= port <= MOST_PORT:
        raise SettingsError(f"--port {port}: expected 1 to {MOST_PORT}")
    server = SERVERS[name](settings_of(options).state_dir, port)
    if server.listens():
        raise RunnerError(f"somebody listens at {server.address} already; choose another one by --port")
    # Whoever ends this ends the server, by whatever signal.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    with server.start() as running:
        try:
            while running.poll() is None and not server.listens():
                time.sleep(0.05)
            if running.returncode is None:
                # Not left to the caller, who would be interrupted in place of this.
                use = f"selfopt worker {name}, and pytest --selfopt-runner {name}"
                print(f"{server.address} (Ctrl-C ends it); then: {use}", flush=True)
            status = running.wait()
        except KeyboardInterrupt:
            return []
        finally:
            running.terminate()
    if status == 0:
        return []  # it was told to end, as Ctrl-C in a terminal tells it, too
    log = server.log.read_text(errors="replace")
    lines = log.strip().splitlines()
    last = ""
    if lines:
        last = f": {lines[-1]}"
    raise RunnerError(f"the server ended with status {status}{last} (all it said: {server.log})")


def _scripted(options: argparse.Namespace) -> Iterator[str]:
    from pytest_selfopt.models.scripted import ScriptedServer, load_script

    with ScriptedServer(load_script(options.script), port=options.port, remember=False) as server:
        yield f"{server.base_url} (OpenAI format; Ollama's and Anthropic's at {server.address}), Ctrl-C ends it"
        threading.Event().wait()
