"""One cycle at a time in a state directory.

The kernel's file lock decides: it ends with its holder, however that ended, so there is no stale lock for two processes
to clear, and reused process ids do not matter. The text in the file only names the holder.
"""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pytest_selfopt import clock
from pytest_selfopt.errors import StateError
from pytest_selfopt.routing.atomic_files import timestamp


class LockHeldError(StateError):
    """Another process holds the lock."""


@contextmanager
def hold_lock(state_dir: Path) -> Iterator[None]:
    """Hold the lock of a state directory until the block ends.

    Raises:
        LockHeldError: if another process holds it; the message names process, start and command.
        StateError: if it cannot be created.
    """
    path = state_dir / "lock"
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as problem:
        raise StateError(f"cannot create the lock {path}: {problem.strerror or problem}") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise LockHeldError(_held(state_dir, _holder(handle))) from None
        except OSError as problem:
            raise StateError(f"cannot lock {path}: {problem.strerror or problem}") from None
        _refuse_other_host(state_dir, _holder(handle))
        try:
            _write(handle, _ourselves())
        except OSError as problem:
            raise StateError(f"cannot write the lock {path}: {problem.strerror or problem}") from None
        try:
            yield
        finally:
            # The lock is free in any case; who held it last matters to nobody.
            with suppress(OSError):
                _write(handle, {})
    finally:
        os.close(handle)


def _refuse_other_host(state_dir: Path, holder: dict[str, Any]) -> None:
    """Refuse if another host claims the lock: the kernel's lock may not work across hosts.

    Raises:
        LockHeldError: if so; the message says how to clear the lock.
    """
    host = holder.get("host")
    if host and host != socket.gethostname():
        raise LockHeldError(
            f"{_held(state_dir, holder)}. This host cannot check whether that process is still running; "
            f"if it is not, delete {state_dir / 'lock'}"
        )


def _ourselves() -> dict[str, Any]:
    import psutil

    process = psutil.Process()
    return {
        "pid": process.pid,
        "created": process.create_time(),
        "host": socket.gethostname(),
        "since": clock.now(),
        "command": shlex.join(process.cmdline())[:500],
    }


def _holder(handle: int) -> dict[str, Any]:
    try:
        value = json.loads(os.pread(handle, 65_536, 0) or b"{}")
    except ValueError:
        return {}
    if not isinstance(value, dict):
        return {}
    return value


def _held(state_dir: Path, holder: dict[str, Any]) -> str:
    who = f"process {holder.get('pid', 'unknown')} on {holder.get('host', 'this machine')}"
    since, command = holder.get("since"), holder.get("command")
    if isinstance(since, int | float):
        who += f", since {timestamp(since)}"
    if command:
        who += f", running `{command}`"
    return (
        f"another cycle is running in {state_dir} ({who}); "
        "wait until it ends, or give this cycle another --selfopt-state-dir"
    )


def _write(handle: int, value: dict[str, Any]) -> None:
    os.ftruncate(handle, 0)
    if value:
        os.pwrite(handle, json.dumps(value).encode(), 0)
