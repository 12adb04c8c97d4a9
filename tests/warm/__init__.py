"""An interpreter that starts warm: with pytest, the plugin and its libraries already imported.

To start an interpreter, pytest and the plugin takes three times as long as a small session. `python()` is the path of a
program that is called as any Python and has the process forked from one that has imported them. What is forked has
memory, descriptors and an exit status of its own, and gets the signals that are sent to the program. Where the start
itself, kill -9 from outside or the tree of processes is what a test is about, it takes `sys.executable`.
"""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import pytest

from tests.warm import relay

PROGRAM = Path(__file__).with_name("python")
SECONDS = 170
"""How long a process may take."""


@cache
def python() -> str:
    """The path of the program; the process that others are forked from is started once, also for processes of xdist.

    It ends with the one that started it. Whoever asks it for a process before it has imported everything waits.
    """
    if "PYTEST_XDIST_WORKER" in os.environ and relay.SOCKET in os.environ:
        return str(PROGRAM)
    path = f"{tempfile.mkdtemp(prefix='warm-')}/socket"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        command = [sys.executable, "-c", "from tests.warm.server import main; main()", str(listener.fileno())]
        folder, inherited = PROGRAM.parents[2], [listener.fileno()]
        server = subprocess.Popen(command, stdin=subprocess.PIPE, cwd=folder, pass_fds=inherited)
    # Its input stays open for as long as this process lives; that tells it when to end.
    atexit.register(_end, server, Path(path).parent)
    os.environ.update({relay.SOCKET: path, relay.COLD: sys.executable})
    return str(PROGRAM)


def _end(server: subprocess.Popen[bytes], folder: Path) -> None:
    server.communicate()
    shutil.rmtree(folder)


def run(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """What `python ARGUMENTS` says in a folder, with more variables, and how it ends; nobody can answer it.

    Without the program in between, which would take a tenth of the time of a small session.
    """
    program = python()
    environment = {**os.environ, **variables}
    if relay.HEEDED_AT_START & environment.keys():
        return subprocess.run(
            [program, *arguments],
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
    return _forked(folder, [program, *arguments], environment)


def run_and_kill(folder: Path, *arguments: str, after_s: float, **variables: str) -> subprocess.CompletedProcess[str]:
    """The same, but killed (kill -9) after some seconds if it has not ended by then."""
    program = python()
    return _forked(folder, [program, *arguments], {**os.environ, **variables}, kill_after_s=after_s)


def _forked(
    folder: Path, command: Sequence[str], environment: Mapping[str, str], kill_after_s: float | None = None
) -> subprocess.CompletedProcess[str]:
    with (
        socket.socket(socket.AF_UNIX) as connection,
        Path(os.devnull).open("rb") as nobody,
        tempfile.TemporaryFile("w+", encoding="utf-8") as output,
        tempfile.TemporaryFile("w+", encoding="utf-8") as errors,
    ):
        streams = [nobody.fileno(), output.fileno(), errors.fileno()]
        pid = relay.start(connection, list(command[1:]), dict(environment), str(folder), streams)
        try:
            status = _status_of(connection, pid, kill_after_s)
        except TimeoutError:
            raise subprocess.TimeoutExpired(list(command), SECONDS) from None
        output.seek(0)
        errors.seek(0)
        return subprocess.CompletedProcess(list(command), status, output.read(), errors.read())


def _status_of(connection: socket.socket, pid: int, kill_after_s: float | None) -> int:
    """Wait for the status of a process, which is killed after some seconds.

    Raises:
        TimeoutError: when it does not end.
    """
    if kill_after_s is not None:
        connection.settimeout(kill_after_s)
        try:
            return relay.from_bytes(connection.recv(relay.NUMBER_BYTES))
        except TimeoutError:
            os.kill(pid, signal.SIGKILL)
    connection.settimeout(SECONDS)
    return relay.from_bytes(connection.recv(relay.NUMBER_BYTES))


def run_pytest(pytester: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    """A session in the folder of a test; as `runpytest_subprocess`, but warm."""
    base = pytester.path / f"base-{time.monotonic_ns()}"
    path = os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH")]))
    began = time.perf_counter()
    done = run(Path.cwd(), "-m", "pytest", *arguments, f"--basetemp={base}", PYTHONPATH=path)
    sys.stdout.write(done.stdout)
    sys.stderr.write(done.stderr)
    seconds = time.perf_counter() - began
    return pytest.RunResult(done.returncode, done.stdout.splitlines(), done.stderr.splitlines(), seconds)
