"""`selfopt engine`: the server of an engine on loopback."""

from __future__ import annotations

import argparse
import time
from typing import TYPE_CHECKING

from pytest_selfopt import clock
from pytest_selfopt.commands.common.arguments import Subparsers
from pytest_selfopt.commands.common.exit_status import EXIT_DONE
from pytest_selfopt.commands.common.printing import write_line
from pytest_selfopt.commands.common.project import add_project_options, load_project
from pytest_selfopt.errors import RunnerError, SettingsError
from pytest_selfopt.runners.engines import ENGINES

if TYPE_CHECKING:
    import subprocess

    from pytest_selfopt.execution.dev_servers import DevServer

MAX_PORT = 65_535
LISTENING_INTERVAL_S = 0.05
LISTENING_S = 60.0


def add_parser(subparsers: Subparsers) -> None:
    """Add `selfopt engine`."""
    parser = subparsers.add_parser(
        "engine",
        help="run the server of an engine on loopback, to try it out",
        epilog="example: selfopt engine nats",
    )
    parser.add_argument("engine", choices=ENGINES, help="the engine")
    parser.add_argument(
        "--port",
        type=int,
        help="the port (default: the engine's own)",
    )
    add_project_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Run the server until it ends, or the command is told to end.

    Raises:
        RunnerError: when the server cannot start, or ends by itself.
        SettingsError: when there is no such port.
    """
    from pytest_selfopt.deferred_signals import interrupted_when_ended
    from pytest_selfopt.execution.dev_servers import SERVERS

    port = args.port
    if port is not None and not 1 <= port <= MAX_PORT:
        raise SettingsError(f"--port {port}: must be 1 to {MAX_PORT}")
    server = SERVERS[args.engine](load_project(args, makes_state=True).state_dir, port)
    if server.is_occupied():
        raise RunnerError(f"{server.address} is already in use; choose another port with --port")
    # Whatever signal ends this command, it ends the server, too.
    with interrupted_when_ended():
        status = _serve(args.engine, server)
    if status != 0:
        raise RunnerError(_describe_end(server, status))
    return EXIT_DONE


def _serve(engine: str, server: DevServer) -> int:
    """Run the server to its end; its exit status, which is 0 when it was told to end."""
    with server.start() as process:
        try:
            _wait_until_listening(process, server)
            if process.returncode is None:
                # Within the `try`, so that a Ctrl-C meanwhile ends the server as any other does.
                use = f"selfopt worker {engine}, and pytest --selfopt-runner {engine}"
                write_line(f"{server.address} (Ctrl-C ends it); then: {use}")
            return process.wait()
        except KeyboardInterrupt:
            return 0
        finally:
            process.terminate()


def _wait_until_listening(process: subprocess.Popen[bytes], server: DevServer) -> None:
    """Wait until the server listens, or has ended.

    Raises:
        RunnerError: if it does neither for a long time.
    """
    until = clock.monotonic() + LISTENING_S
    while process.poll() is None and not server.listens(process):
        if clock.monotonic() > until:
            raise RunnerError(f"the server does not listen after {LISTENING_S:g} s (full log: {server.log})")
        time.sleep(LISTENING_INTERVAL_S)


def _describe_end(server: DevServer, status: int) -> str:
    log = server.log.read_text(errors="replace")
    lines = log.strip().splitlines()
    last = ""
    if lines:
        last = f": {lines[-1]}"
    return f"the server ended with status {status}{last} (full log: {server.log})"
