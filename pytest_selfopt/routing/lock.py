"""One cycle at a time in a state directory.

The kernel's file lock decides wherever holder and newcomer share a kernel: it ends with its holder, however that ended,
so process ids that are used again do not matter. The text in the file names the holder, and is a lease: the holder
renews it, and a newcomer from another kernel, which no file lock may keep out and which cannot look a process up, takes
the lock once it was not renewed for as long as a lease lasts. A holder that was stopped for longer finds that out
before it writes anything (`Lease.check`).
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shlex
import socket
import stat
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from pytest_selfopt import clock
from pytest_selfopt.errors import StateError
from pytest_selfopt.redaction.known import redact_written
from pytest_selfopt.routing import lease
from pytest_selfopt.routing.atomic_files import ELSEWHERE, described, remove_quietly
from pytest_selfopt.routing.lease import MOST_TEXT, Holder, Silence, parse_holder, pause_note, silence_needed, still_for
from pytest_selfopt.routing.ownership import reason
from pytest_selfopt.routing.state_files import open_state_file

LOCK = "lock"
SETTLE_S = 0.1
"""Seconds after which a lock that was taken over is looked at again: another newcomer may have been as fast."""
_PAUSE_S = 0.02
_MOST_BYTES = 65_536


class LockHeldError(StateError):
    """Another process holds the lock."""


class LeaseLostError(StateError):
    """Another process has taken the lock of this one, which was stopped or cut off for too long."""


class Lease:
    """The hold on a state directory, renewed by a thread of its own until it ends."""

    def __init__(self, path: Path, handle: int, holder: Holder, note: str = "") -> None:
        """Hold the lock at `path`, whose open file is `handle`, as `holder`."""
        self.note = note
        """A sentence about the holder from which the lock was taken over; empty without one."""
        self.lost = ""
        """Why this process does not hold the lock any more; empty while it does."""
        self._stood_still_s = 0.0
        self._path = path
        self._handle = handle
        self._holder = holder
        self._turn = threading.Lock()
        self._ended = threading.Event()
        self._renewing = threading.Thread(target=self._beat, name="selfopt-lease", daemon=True)

    @property
    def pause_note(self) -> str:
        """A sentence if this process was stopped meanwhile; empty if not."""
        return pause_note(self._stood_still_s)

    def check(self) -> None:
        """Make sure that this process still holds the lock.

        Raises:
            LeaseLostError: if another one has taken it.
            StateError: if the lock cannot be read.
        """
        try:
            with self._turn:
                self._look()
        except OSError as problem:
            raise StateError(f"cannot read the lock {self._path}: {reason(problem, self._path)}") from None
        self.require()

    def require(self) -> None:
        """Refuse to go on if a renewal has found that another process has taken the lock; reads no file.

        Raises:
            LeaseLostError: if so.
        """
        if self.lost:
            raise LeaseLostError(self.lost)

    def keep(self) -> None:
        """Renew the lease until `end`; the text is written only while it is this holder's."""
        self._renewing.start()

    def end(self) -> None:
        """Free the lock if this process holds it."""
        self._ended.set()
        if os.getpid() != self._holder.pid:
            # A forked child has the file, too, but the lock is its parent's.
            os.close(self._handle)
            return
        with self._turn:
            # The lock is free in any case; who held it last matters to nobody.
            with suppress(OSError):
                self._look()
                if not self.lost:
                    os.ftruncate(self._handle, 0)
            # Closing alone would leave it to the children that this process forked.
            with suppress(OSError):
                fcntl.flock(self._handle, fcntl.LOCK_UN)
            os.close(self._handle)
        # Not for ever: a network's file system may hold a write back.
        self._renewing.join(lease.BEAT_S)

    def _beat(self) -> None:
        last = clock.monotonic()
        while not self._ended.wait(lease.BEAT_S):
            now = clock.monotonic()
            self._stood_still_s += still_for(now - last)
            last = now
            # What cannot be written now may be at the next beat, and `check` reads the lock in any case.
            with suppress(OSError), self._turn:
                self._renew()

    def _renew(self) -> None:
        if self._ended.is_set():
            return
        self._look()
        if not self.lost:
            self._holder = replace(self._holder, renewals=self._holder.renewals + 1)
            _write(self._handle, self._holder)

    def _look(self) -> None:
        """Note whether another process has taken the lock."""
        if self.lost:
            return
        present = _holder_at(self._path)
        if present is not None and present.token == self._holder.token and _leads_to(self._path, self._handle):
            return
        taken, advice = "its file was deleted or changed", "run it again"
        if present is not None:
            taken, advice = f"{present} has taken it", "run it again when that one has ended"
        self.lost = (
            f"process {self._holder.pid} has lost the lock {self._path}: {taken}, which is possible when a process was "
            f"stopped for {lease.LEASE_S:g} s or longer; it changes nothing any more; {advice}"
        )


@contextmanager
def hold_lock(state_dir: Path) -> Iterator[Lease]:
    """Hold the lock of a state directory until the block ends.

    Raises:
        LockHeldError: if another process holds it; the message names process, start and command.
        StateError: if it cannot be created.
    """
    held = _take(state_dir / LOCK)
    held.keep()
    try:
        yield held
    finally:
        held.end()


def _take(path: Path) -> Lease:
    """Take the lock, or refuse to: at once, unless the holder cannot be seen.

    Raises:
        LockHeldError: if another process holds it.
        StateError: if it cannot be opened, locked or written.
    """
    ourselves = _ourselves()
    silence = Silence(lease.LEASE_S + lease.SHORTEST_SILENCE_S, _PAUSE_S)
    while True:
        with ExitStack() as opened:
            handle = _open(path)
            opened.callback(os.close, handle)
            try:
                taken = _attempt(path, handle, ourselves, silence)
            except OSError as problem:
                raise _unusable(path, problem) from None
        if taken is not None:
            return taken
        time.sleep(_PAUSE_S)


def _attempt(path: Path, handle: int, ourselves: Holder, silence: Silence) -> Lease | None:
    """Take the lock if that is possible now; None if it has to be tried again.

    Raises:
        LockHeldError: if another process holds it.
    """
    is_free = _lock(handle)
    if not _leads_to(path, handle):
        return None
    text = _read(handle)
    holder = parse_holder(text)
    if is_free and (holder is None or ourselves.shares_kernel(holder)):
        _write(handle, ourselves)
        return Lease(path, os.dup(handle), ourselves)
    if is_free:
        # Holding the lock meanwhile, so that no other newcomer of this kernel takes it over as well.
        if not _stays_silent(path, handle, Silence(silence_needed(_age(path, handle)), _PAUSE_S)):
            return None
    else:
        if holder is not None:
            if silence.is_broken(text):
                raise LockHeldError(_held(path, holder))
            _refuse_if_seen(path, handle, holder, ourselves, is_new=silence.is_new(text))
        if not silence.lasts(text):
            return None
    return _take_over(path, handle, ourselves, holder)


def _stays_silent(path: Path, handle: int, silence: Silence) -> bool:
    """Watch a lock whose holder cannot be seen; whether it may be taken, or has changed hands meanwhile.

    Raises:
        LockHeldError: if its holder renews it.
    """
    text = _read(handle)
    while not silence.lasts(text):
        time.sleep(_PAUSE_S)
        now = _read(handle)
        if not _leads_to(path, handle):
            return False
        if now != text:
            holder = parse_holder(now)
            if holder is not None:
                raise LockHeldError(_held(path, holder))
            return False
    return True


def _refuse_if_seen(path: Path, handle: int, holder: Holder, ourselves: Holder, *, is_new: bool) -> None:
    """Refuse if the holder of a locked file is running, or has renewed it lately.

    The text may also be of the holder before, while the next one writes its own, or of a process that is gone, whose
    children have the file.

    Raises:
        LockHeldError: if so.
    """
    if ourselves.sees(holder):
        state = _state_of(holder)
        if state:
            raise LockHeldError(_held(path, holder, is_stopped=state == "stopped"))
    elif is_new and 0 <= _age(path, handle) < lease.LEASE_S:
        raise LockHeldError(_held(path, holder))


def _take_over(path: Path, handle: int, ourselves: Holder, holder: Holder | None) -> Lease | None:
    """Replace the file of a lock by our own, so that its former holder cannot write to ours; None if it has changed."""
    with ExitStack() as opened:
        new, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        opened.callback(os.close, new)
        temporary = Path(name)
        opened.callback(remove_quietly, temporary)
        fcntl.flock(new, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.fchmod(new, stat.S_IMODE(os.fstat(handle).st_mode))
        _write(new, ourselves)
        if not _leads_to(path, handle):
            return None
        temporary.replace(path)
        time.sleep(SETTLE_S)
        if not _leads_to(path, new):
            return None
        note = f"the lock of {holder or 'a process that is gone'} was taken over: it was not renewed any more"
        return Lease(path, os.dup(new), ourselves, note)


def _open(path: Path) -> int:
    """Open the file of a lock, creating it if it is missing.

    Raises:
        StateError: if that is impossible, or it is no file.
    """
    try:
        return open_state_file(path, os.O_RDWR | os.O_CREAT)
    except (StateError, IsADirectoryError):
        raise StateError(f"cannot use the lock {path}: it is no regular file; move it away") from None
    except OSError as problem:
        raise _unusable(path, problem) from None


def _unusable(path: Path, problem: OSError) -> StateError:
    return StateError(f"cannot use the lock {path}: {described(problem, path.parent, path.name)}{ELSEWHERE}")


def _lock(handle: int) -> bool:
    """Take the kernel's lock on an open file; whether it was free."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _leads_to(path: Path, handle: int) -> bool:
    """Whether a path is still that of an open file."""
    try:
        return os.path.samestat(path.stat(follow_symlinks=False), os.fstat(handle))
    except FileNotFoundError:
        return False


def _age(path: Path, handle: int) -> float:
    """Return the seconds since the last renewal, by the clock of the file system, which all its hosts share."""
    with tempfile.TemporaryFile(dir=path.parent) as probe:
        return os.fstat(probe.fileno()).st_mtime - os.fstat(handle).st_mtime


def _state_of(holder: Holder) -> str:
    """Return "running" or "stopped", or an empty text if the process is gone."""
    import psutil

    try:
        process = psutil.Process(holder.pid)
        status = process.status()
        if not holder.began_at(process.create_time()) or status in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return ""
    except psutil.Error:
        return ""
    if status in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP):
        return "stopped"
    return "running"


def _ourselves() -> Holder:
    import psutil

    process = psutil.Process()
    boot = namespace = ""
    with suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = str(Path("/proc/self/ns/pid").readlink())
    return Holder(
        pid=process.pid,
        created=process.create_time(),
        host=socket.gethostname(),
        boot=boot,
        pid_namespace=namespace,
        token=secrets.token_hex(16),
        since=clock.now(),
        command=redact_written(shlex.join(process.cmdline()))[:MOST_TEXT],
    )


def _held(path: Path, holder: Holder, *, is_stopped: bool = False) -> str:
    what_to_do = "wait until it ends"
    if is_stopped:
        what_to_do = f"it is stopped: continue it by `kill -CONT {holder.pid}`, or end it"
    return (
        f"another cycle is running in {path.parent} ({holder}); "
        f"{what_to_do}, or give this cycle another --selfopt-state-dir"
    )


def _holder_at(path: Path) -> Holder | None:
    """Return the holder that a lock names now; None if there is no such file, or it names nobody."""
    try:
        handle = open_state_file(path, os.O_RDONLY)
    except (FileNotFoundError, StateError):
        return None
    try:
        return parse_holder(_read(handle))
    finally:
        os.close(handle)


def _read(handle: int) -> bytes:
    return os.pread(handle, _MOST_BYTES, 0)


def _write(handle: int, holder: Holder) -> None:
    """Write the holder over the text before, without a moment in which the file is empty."""
    text = holder.to_text()
    os.pwrite(handle, text, 0)
    os.ftruncate(handle, len(text))
