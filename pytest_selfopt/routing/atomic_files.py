"""Crash-safe files: written next to the old one, synced, renamed; unreadable files are set aside, never lost."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import stat
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pytest_selfopt import clock
from pytest_selfopt.errors import StateError
from pytest_selfopt.redaction.known import redact_written
from pytest_selfopt.routing.ownership import reason
from pytest_selfopt.routing.state_files import FILE_MODE, make_state_folder, open_state_file

MOST_BYTES = 32 * 1024 * 1024
USUAL_MODE = 0o666
"""The mode of a file that anybody may read as far as the umask allows."""

ELSEWHERE = ", or choose another state directory with --selfopt-state-dir"
"""The way out for files of the state directory."""

T = TypeVar("T")


def write_atomically(path: Path, text: str, *, state: bool = False) -> None:
    """Replace a file by `text` atomically: a crash leaves either the old file or the new one.

    `state` says that it belongs to the state directory, so that only its owner can read it.

    Raises:
        StateError: if it cannot be written; no partial file is left behind.
    """
    write_pieces(path, (text,), state=state)


def write_pieces(path: Path, pieces: Iterable[str], *, state: bool = False) -> None:
    """Replace a file by the pieces of a text, in order, like `write_atomically`.

    Raises:
        StateError: if it cannot be written; no partial file is left behind.
    """
    temporary = write_temporary(path, pieces, state=state)
    try:
        temporary.replace(path)
        sync_folder(path.parent)
    except OSError as problem:
        raise cannot_write(path, problem) from None
    finally:
        # It is gone if it has become the file.
        remove_quietly(temporary)


def write_temporary(path: Path, pieces: Iterable[str], *, state: bool) -> Path:
    """Write the new content of a file to a temporary file beside it, with its mode, and sync it; return its path.

    Secrets of this process are blacked out.

    Raises:
        StateError: if it cannot be written; no partial file is left behind.
    """
    try:
        if state:
            make_state_folder(path.parent)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
        mode = _mode_of(path, state=state)
        temporary, handle = _new_file(path, mode)
    except OSError as problem:
        raise cannot_write(path, problem) from None
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(map(redact_written, pieces))
            file.flush()
            os.fsync(file.fileno())
        if path.exists() and not state:
            # What it is, it stays, whatever the umask.
            temporary.chmod(mode)
    except BaseException as problem:
        remove_quietly(temporary)
        if isinstance(problem, OSError):
            raise cannot_write(path, problem) from None
        raise
    return temporary


def _mode_of(path: Path, *, state: bool) -> int:
    """Return the mode that a file is to have, before the umask; never more than what is there has."""
    if state:
        return FILE_MODE
    if not path.exists():
        return USUAL_MODE
    return stat.S_IMODE(path.stat().st_mode)


def _new_file(path: Path, mode: int) -> tuple[Path, int]:
    """Create a file beside another one, with a name that is not taken, as the umask allows; return it, open."""
    while True:
        temporary = path.with_name(f".{path.name}.{os.urandom(6).hex()}.tmp")
        with contextlib.suppress(FileExistsError):
            return temporary, os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)


def cannot_write(path: Path, problem: OSError) -> StateError:
    """Return the error of a file that cannot be written."""
    if isinstance(problem, FileExistsError | NotADirectoryError):
        return StateError(f"cannot write {path}: {path.parent} is not a folder; move it away")
    return StateError(f"cannot write {path}: {described(problem, path.parent)}")


_NO_SPACE = (errno.ENOSPC, errno.EDQUOT)
_NOT_ALLOWED = (errno.EACCES, errno.EPERM)
_NO_DESCRIPTOR = (errno.EMFILE, errno.ENFILE)


def described(problem: OSError, folder: Path, name: str = "") -> str:
    """Say why something in a folder, or the file of this name, cannot be written, and what to do about it."""
    why = reason(problem, folder / name)
    if problem.errno in _NO_SPACE:
        return f"{why}; free space for {folder}"
    if problem.errno == errno.EROFS:
        return f"{why}; {folder} has to be on a file system that can be written to"
    if problem.errno in _NOT_ALLOWED:
        return f"{why}; {folder} and its files have to be writable for this user"
    if problem.errno in _NO_DESCRIPTOR:
        return f"{why}; this process has to be allowed more of them (ulimit -n)"
    return why


def why_not_writable(path: Path) -> OSError | None:
    """Return the problem of opening a file for writing, or of making one in its folder; None if there is none."""
    place = path
    if not path.exists():
        place = path.parent
    if not _is_writable(place) or not _is_writable(path.parent):
        number = errno.EACCES
        with contextlib.suppress(OSError):
            if os.statvfs(path.parent).f_flag & os.ST_RDONLY:
                number = errno.EROFS
        return OSError(number, os.strerror(number))
    try:
        os.close(os.open(path.parent, os.O_RDONLY | os.O_CLOEXEC))
    except OSError as problem:
        return problem
    return None


def _is_writable(path: Path) -> bool:
    """Whether the user that this process acts as may write to a path, as far as its modes say."""
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def remove_quietly(path: Path) -> None:
    """Remove a file that nothing needs, if that is possible."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)


def to_text(document: Any) -> str:
    """Format a JSON document for the state directory."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_text(path: Path, most: int = MOST_BYTES, *, state: bool = False) -> str:
    """Read the text of a file of at most `most` bytes; with `state` of one in the state directory.

    Raises:
        FileNotFoundError: if the file does not exist.
        ValueError: if it is too large or not UTF-8.
        StateError: if it cannot be read.
    """
    try:
        opened = open_state_file if state else os.open
        with os.fdopen(opened(path, os.O_RDONLY), "rb") as file:
            if os.fstat(file.fileno()).st_size > most:
                raise ValueError(f"it is larger than {most // 1024 // 1024} MiB")
            return file.read().decode("utf-8")
    except FileNotFoundError:
        raise
    except UnicodeDecodeError as problem:
        raise ValueError(f"it is not valid UTF-8 (byte {problem.start})") from None
    except OSError as problem:
        raise StateError(f"cannot read {path}: {reason(problem, path)}") from None


def read_or_set_aside(path: Path, parse: Callable[[str], T], empty: T, *, most: int = MOST_BYTES) -> tuple[T, str]:
    """Parse a file of the state directory with `parse`; return `empty` if the file is missing or unusable.

    An unusable file is renamed; the second value is a sentence about it (else empty).

    Raises:
        StateError: if the file can be neither read nor renamed.
    """
    try:
        return parse(read_text(path, most, state=True)), ""
    except FileNotFoundError:
        return empty, ""
    except ValueError as problem:
        aside = set_aside(path)
        return empty, f"{path.name} could not be used ({problem}); it was set aside as {aside.name}"


def set_aside(path: Path) -> Path:
    """Rename an unusable file to a name that is not taken.

    Raises:
        StateError: if it cannot be renamed.
    """
    aside = free_name(path)
    try:
        path.rename(aside)
    except OSError as problem:
        raise StateError(f"cannot set {path} aside as {aside.name}: {described(problem, path.parent)}") from None
    return aside


def copy_aside(path: Path) -> Path:
    """Copy an unusable file to a name that is not taken, and leave it in place until it is replaced.

    Raises:
        StateError: if it cannot be copied.
    """
    aside = free_name(path)
    try:
        aside.write_bytes(path.read_bytes())
    except OSError as problem:
        raise StateError(f"cannot copy {path} as {aside.name}: {described(problem, path.parent)}") from None
    return aside


def free_name(path: Path) -> Path:
    """Return a free name in the same folder, under which a file can be set aside."""
    stamp = datetime.fromtimestamp(clock.now(), UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.corrupt-{stamp}")
    number = 1
    while os.path.lexists(aside):
        number += 1
        aside = path.with_name(f"{path.name}.corrupt-{stamp}-{number}")
    return aside


def remove_leftovers(path: Path) -> None:
    """Remove the temporary files that a killed process left; the caller must hold the lock for writing."""
    for leftover in path.parent.glob(f".{path.name}.*.tmp"):
        remove_quietly(leftover)


def timestamp(seconds: float) -> str:
    """Format seconds since the epoch as ISO 8601 in UTC, such as 2026-11-21T05:45:03Z."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def sync_folder(folder: Path) -> None:
    """Let the file system have the names in a folder, where it supports that."""
    with contextlib.suppress(OSError):  # Not every file system supports this.
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
