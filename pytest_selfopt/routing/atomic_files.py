"""Files that survive a crash: written beside, synced and renamed; what cannot be read is set aside, never lost."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

from pytest_selfopt.errors import StateError

MOST_BYTES = 32 * 1024 * 1024

T = TypeVar("T")


def write_atomically(path: Path, text: str) -> None:
    """Replace a file by `text` as a whole: after a crash there is the old one or the new one.

    Raises:
        StateError: when it cannot be written; nothing is left behind then.
    """
    write_pieces(path, (text,))


def write_pieces(path: Path, pieces: Iterable[str]) -> None:
    """Replace a file by the pieces of a text, one after the other, as `write_atomically` does.

    Raises:
        StateError: when it cannot be written; nothing is left behind then.
    """
    temporary: str | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace") as file:
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        if path.exists():
            Path(temporary).chmod(path.stat().st_mode & 0o777)
        else:
            Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
        temporary = None
        _sync_folder(path.parent)
    except (FileExistsError, NotADirectoryError):
        raise StateError(f"cannot write {path}: {path.parent} is no folder; move it away") from None
    except OSError as problem:
        raise StateError(f"cannot write {path}: {problem.strerror or problem}") from None
    finally:
        if temporary is not None:
            with contextlib.suppress(OSError):
                Path(temporary).unlink()


def to_text(document: Any) -> str:
    """A JSON document as the files of the state directory hold it."""
    return json.dumps(document, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def read_text(path: Path, most: int = MOST_BYTES) -> str:
    """The text of a file of at most so many bytes.

    Raises:
        FileNotFoundError: when there is none.
        ValueError: when it is too large or no UTF-8.
        StateError: when it cannot be read.
    """
    try:
        if path.stat().st_size > most:
            raise ValueError(f"it is larger than {most // 1024 // 1024} MiB")
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        raise
    except UnicodeDecodeError as problem:
        raise ValueError(f"it is not UTF-8 (byte {problem.start})") from None
    except OSError as problem:
        raise StateError(f"cannot read {path}: {problem.strerror or problem}") from None


def read_or_set_aside(path: Path, parse: Callable[[str], T], empty: T, *, most: int = MOST_BYTES) -> tuple[T, str]:
    """What `parse` makes of a file; `empty` when it is missing or unusable.

    An unusable file is set aside under a new name; the second value says so in a sentence (else it is empty).

    Raises:
        StateError: when it can be neither read nor set aside.
    """
    try:
        return parse(read_text(path, most)), ""
    except FileNotFoundError:
        return empty, ""
    except ValueError as problem:
        aside = set_aside(path)
        return empty, f"{path.name} could not be used ({problem}); it was set aside as {aside.name}"


def set_aside(path: Path) -> Path:
    """Give a file that cannot be used a name of its own, never one that is taken.

    Raises:
        StateError: when it cannot be renamed.
    """
    aside = free_name(path)
    try:
        path.rename(aside)
    except OSError as problem:
        raise StateError(f"cannot set {path} aside as {aside.name}: {problem.strerror or problem}") from None
    return aside


def free_name(path: Path) -> Path:
    """A name beside a file under which it can be set aside, one that is not taken."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    aside = path.with_name(f"{path.name}.corrupt-{stamp}")
    number = 1
    while os.path.lexists(aside):
        number += 1
        aside = path.with_name(f"{path.name}.corrupt-{stamp}-{number}")
    return aside


def remove_leftovers(path: Path) -> None:
    """Remove what a process that was killed has left beside a file; the caller holds the lock under which it writes."""
    for leftover in path.parent.glob(f".{path.name}.*.tmp"):
        with contextlib.suppress(OSError):
            leftover.unlink()


def timestamp(seconds: float) -> str:
    """Seconds since the epoch as ISO 8601 in UTC, such as 2026-11-21T05:45:03Z."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _sync_folder(folder: Path) -> None:
    with contextlib.suppress(OSError):  # not every file system can
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
