"""The process that warm ones are forked from.

It has one thread and imports everything once. For each connection it forks the Python process that is asked for, tells
its pid, and its status at the end.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import inspect
import io
import marshal
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import tempfile
import threading
from typing import NoReturn

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
    with socket.socket(fileno=int(sys.argv[1])) as listener:
        import_everything()
        gc.collect()
        gc.freeze()
        Server(listener).serve()


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
    # Finds the file of every module, once, instead of in each session that looks for a line of source.
    inspect.getmodule(main.__code__)
    # Not above, for pytest is to import the plugins first.
    remember = importlib.import_module("tests.warm.remember")
    remember.remember_plugins()
    remember.find_hooks_directly()
    remember.remember_packages()


class Server:
    """Forks the processes that are asked for, tells their pids, and their statuses when they have ended."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._running: dict[int, socket.socket] = {}
        """Who asked for a process, by its pid."""
        self._ended, self._wake_up = socket.socketpair()
        self._wake_up.setblocking(False)
        self._ended.setblocking(False)

    def serve(self) -> None:
        """Serve until standard input ends."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(self._wake_up.fileno(), warn_on_full_buffer=False)
        while True:
            asked = {connection.fileno(): pid for pid, connection in self._running.items()}
            ready = select.select([0, self._listener.fileno(), self._ended.fileno(), *asked], [], [])[0]
            if 0 in ready:
                return
            for descriptor in asked.keys() & ready:
                # Who was to stand in for it was killed.
                os.kill(asked[descriptor], signal.SIGKILL)
                self._running.pop(asked[descriptor]).close()
            if self._ended.fileno() in ready:
                self._tell_ended()
            if self._listener.fileno() in ready:
                self._fork(self._listener.accept()[0])

    def _fork(self, connection: socket.socket) -> None:
        length, streams, _, _ = socket.recv_fds(connection, relay.NUMBER_BYTES, 3)
        with connection.makefile("rb") as file:
            arguments, environment, folder = marshal.loads(file.read(relay.from_bytes(length)))
        pid = os.fork()
        if pid == 0:
            for one in (self._listener, self._ended, self._wake_up, connection, *self._running.values()):
                one.close()
            become(arguments, environment, folder, streams)
        for descriptor in streams:
            os.close(descriptor)
        self._running[pid] = connection
        connection.sendall(relay.to_bytes(pid))

    def _tell_ended(self) -> None:
        with contextlib.suppress(BlockingIOError):
            self._ended.recv(4096)
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                connection = self._running.pop(ended[0], None)
                if connection is not None:
                    with connection, contextlib.suppress(OSError):  # nobody waits any more
                        connection.sendall(relay.to_bytes(os.waitstatus_to_exitcode(ended[1])))


def become(arguments: list[str], environment: dict[str, str], folder: str, streams: list[int]) -> NoReturn:
    """Be `python ARGUMENTS` in a folder, with an environment and standard streams, to its end."""
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, descriptor in enumerate(streams):
        os.dup2(descriptor, number)
        os.close(descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    open_streams(unbuffered=arguments[0] == "-u" or bool(os.environ.get("PYTHONUNBUFFERED")))
    kind, what, *rest = arguments[1:] if arguments[0] == "-u" else arguments
    folders = os.environ.get("PYTHONPATH", "").split(os.pathsep)
    sys.path[0:1] = [folder if kind == "-m" else "", *filter(None, folders)]
    # xdist gives its workers the path as it was when it was imported; not above, for pytest is to import xdist first.
    vars(importlib.import_module("xdist.workermanage"))["_sys_path"] = list(sys.path)
    sys.executable = str(PROGRAM)
    sys.argv = [what if kind == "-m" else kind, *rest]
    status = 0
    try:
        if kind == "-m":
            sys.modules.pop(what, None)
            runpy.run_module(what, run_name="__main__", alter_sys=True)
        else:
            exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})
    except SystemExit as end:
        status = status_of(end)
    except BaseException:  # noqa: BLE001  # as an interpreter does
        sys.excepthook(*sys.exc_info())
        status = 1
    leave(status)


def status_of(end: SystemExit) -> int:
    """The status of a process that ends by an exception; as an interpreter does it, with a text said as an error."""
    if end.code is None:
        return 0
    if isinstance(end.code, int):
        return end.code & 0xFF
    sys.stderr.write(f"{end.code}\n")
    return 1


def leave(status: int) -> NoReturn:
    """End as an interpreter does, but for taking down its modules: that would copy every page of the server."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    with contextlib.suppress(OSError, ValueError):
        sys.stderr.flush()
    os._exit(status)


def open_streams(*, unbuffered: bool) -> None:
    """Open the standard streams, as an interpreter does at its start."""
    sys.stdin = sys.__stdin__ = os.fdopen(0, encoding="utf-8", closefd=False)  # type: ignore[misc]
    for number, name, errors in ((1, "stdout", "strict"), (2, "stderr", "backslashreplace")):
        by_line = number == 2 or os.isatty(number)
        stream = os.fdopen(number, "w", 1 if by_line else -1, encoding="utf-8", errors=errors, closefd=False)
        stream.reconfigure(write_through=unbuffered)
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
