"""The process that warm ones are forked from.

It has one thread and imports everything once. For each connection it forks a keeper, which forks the Python process
that was asked for, tells its pid, waits for its end and tells its status.
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import json
import os
import pkgutil
import runpy
import select
import shutil
import signal
import socket
import sys
import tempfile
from pathlib import Path
from typing import Any

from xdist import workermanage

from tests.warm import PROGRAM, relay

LIBRARIES = (
    "requests",
    "jsonschema",
    "yaml",
    "jinja2",
    "sqlite3",
    "xdist.dsession",
    "xdist.workermanage",
    "xdist.remote",
)
COLD = ("pytest_selfopt.models.embedded_server",)
"""Its library takes long to import, and few processes need it."""


def main() -> None:
    """Serve until the test's process is gone; in a process that was asked for, be that one to its end."""
    path = sys.argv[1]
    import_everything()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen(64)
        gc.collect()
        gc.freeze()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        while 0 not in select.select([0, listener.fileno()], [], [])[0]:
            connection, _ = listener.accept()
            with connection:
                if os.fork() == 0:
                    listener.close()
                    return keep(connection)
            reap()
    shutil.rmtree(Path(path).parent)
    return None


def import_everything() -> None:
    """Import what sessions and commands import; plugins as pytest does it, which rewrites their assertions."""
    import pytest

    with tempfile.TemporaryDirectory() as empty, contextlib.chdir(empty), contextlib.redirect_stdout(io.StringIO()):
        pytest.main(["-p", "no:hypothesispytest", "-p", "no:cacheprovider", "--help"])
    import pytest_selfopt

    for module in pkgutil.walk_packages(pytest_selfopt.__path__, "pytest_selfopt."):
        if not module.name.startswith(COLD):
            importlib.import_module(module.name)
    for name in LIBRARIES:
        importlib.import_module(name)


def reap() -> None:
    """Collect the keepers that have ended."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def keep(connection: socket.socket) -> None:
    """Fork the process that is asked for, tell its pid, and at its end its status; returns when that process ends."""
    _, streams, _, _ = socket.recv_fds(connection, 1, 3)
    with connection.makefile("rb") as lines:
        request = json.loads(lines.readline())
    ended, wake_up = socket.socketpair()
    wake_up.setblocking(False)
    child = os.fork()
    if child == 0:
        for one in (connection, ended, wake_up):
            one.close()
        become(request, streams)
        return
    for descriptor in (0, 1, 2, *streams):
        os.close(descriptor)
    # Ctrl-C is for the process; who waits for it has to outlive it.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wake_up.fileno())
    relay.send(connection, child)
    while not (done := os.waitpid(child, os.WNOHANG))[0]:
        if connection in select.select([connection, ended], [], [])[0]:
            # Whoever was told to stand in for it was killed.
            os.kill(child, signal.SIGKILL)
            os._exit(0)
        ended.recv(1)
    relay.send(connection, os.waitstatus_to_exitcode(done[1]))
    os._exit(0)


def become(request: dict[str, Any], streams: list[int]) -> None:
    """Be `python ARGUMENTS` in a folder, with an environment and standard streams."""
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    arguments = request["arguments"]
    open_streams(unbuffered=arguments[0] == "-u" or bool(os.environ.get("PYTHONUNBUFFERED")))
    kind, what, *rest = arguments[1:] if arguments[0] == "-u" else arguments
    folders = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[0:1] = [request["folder"] if kind == "-m" else "", *filter(None, folders)]
    # xdist gives its workers the path as it was when it was imported.
    workermanage._sys_path = list(sys.path)
    sys.executable = str(PROGRAM)
    if kind == "-m":
        sys.argv = [what, *rest]
        sys.modules.pop(what, None)
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.argv = [kind, *rest]
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})


def open_streams(*, unbuffered: bool) -> None:
    """Open the standard streams, as an interpreter does at its start."""
    sys.stdin = sys.__stdin__ = os.fdopen(0, encoding="utf-8", closefd=False)  # type: ignore[misc]
    for number, name, errors in ((1, "stdout", "strict"), (2, "stderr", "backslashreplace")):
        by_line = number == 2 or os.isatty(number)
        stream = os.fdopen(number, "w", 1 if by_line else -1, encoding="utf-8", errors=errors, closefd=False)
        stream.reconfigure(write_through=unbuffered)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
