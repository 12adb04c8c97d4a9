"""Real servers of engines on loopback, for tests and measurements."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

from pytest_selfopt.execution.dev_servers import DevServer


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


def listens(port: int) -> bool:
    """Whether somebody listens on a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def started(server: DevServer) -> Iterator[str]:
    """A server that runs; its address."""
    with server.start() as running:
        deadline = time.monotonic() + 20
        while not server.listens(running) and time.monotonic() < deadline:
            time.sleep(0.02)
        try:
            yield server.address
        finally:
            running.kill()
