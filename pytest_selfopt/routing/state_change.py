"""Several files changed as one step: all of them or none, whatever ends the process.

`StateChange.apply` writes the new files beside the old ones, then a journal, then puts them in place. While the journal
is there, the step is open: whoever finds it undoes the step, unless the ledger, which commits last, has its id.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import uuid
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytest_selfopt.errors import StateError
from pytest_selfopt.redaction.known import redact_written
from pytest_selfopt.routing.atomic_files import (
    cannot_write,
    described,
    remove_quietly,
    set_aside,
    sync_folder,
    to_text,
    write_atomically,
    write_temporary,
)
from pytest_selfopt.routing.decisions import Decision, append_lines, chained
from pytest_selfopt.routing.history import JOURNAL
from pytest_selfopt.routing.ownership import reason
from pytest_selfopt.routing.regular_file import read_regular
from pytest_selfopt.routing.state_files import read_state_file, require_no_link

VERSION = 1
_PLACES = ("path", "temporary", "backup")


@dataclass(frozen=True, slots=True, kw_only=True)
class Replacement:
    """The replacement of a file: `old` and `new` are the hashes of its contents; `old` is None if there was no file."""

    path: Path
    temporary: Path
    """The new file, until it is put in place."""
    backup: Path
    """The old file, if there was one."""
    old: str | None
    new: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Addition:
    """Lines added to the end of a file that had `size` bytes; None if there was no file."""

    path: Path
    size: int | None
    lines: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Journal:
    """An open step: `what` was being written."""

    id: str
    what: str
    in_ledger: bool = True
    """Whether the ledger belongs to it; in some steps of earlier versions it did not."""
    replacements: tuple[Replacement, ...] = ()
    additions: tuple[Addition, ...] = ()

    @property
    def names(self) -> str:
        """The names of its files."""
        return ", ".join(path.name for path in self.paths)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The paths of its files."""
        replaced = (replacement.path for replacement in self.replacements)
        added = (addition.path for addition in self.additions)
        return (*replaced, *added)


class StateChange:
    """The new contents of files, collected and then written in one step.

    The caller holds the lock of the state directory, and until the end of the step the log (`hold_log`).
    """

    def __init__(self, state_dir: Path, what: str) -> None:
        """`what` is the origin of the change, such as "cycle 3"; the ledger commits its id."""
        self.id = uuid.uuid4().hex
        self.notes: list[str] = []
        """Sentences about a log that was taken over or had to be repaired."""
        self.entries: tuple[dict[str, Any], ...] = ()
        """The entries of the log before the change, oldest first."""
        self.lines = ""
        """The lines that `apply` has appended to the log."""
        self._state_dir = state_dir
        self._texts: dict[Path, str] = {}
        self._log: Path | None = None
        self._decisions: list[Decision] = []
        self._journal = Journal(id=self.id, what=what)

    def replace(self, path: Path, text: str) -> None:
        """Give a file a new content, without secrets; of a symbolic link, the file that it leads to.

        Raises:
            StateError: if it is a link in the state directory.
        """
        if path.parent == self._state_dir:
            require_no_link(path)
        self._texts[Path(os.path.realpath(path))] = redact_written(text)

    def log(self, path: Path, decision: Decision) -> None:
        """Append a decision to the log at `path`."""
        self._log = path
        self._decisions.append(decision)

    def apply(self) -> None:
        """Write all files, and the journal by which that can be undone; nothing of it holds before `close`.

        Raises:
            StateError: if something cannot be written; `undo` is to be called then.
        """
        addition = self._addition()
        self._journal = replace(self._journal, additions=addition)
        replacements: list[Replacement] = []
        for path, text in self._texts.items():
            replacement = self._prepared(path, text)
            replacements.append(replacement)
            self._journal = replace(self._journal, replacements=tuple(replacements))
        if not replacements and not addition:
            return
        for folder in self._folders():
            sync_folder(folder)
        write_atomically(self._state_dir / JOURNAL, to_text(_to_json(self._journal, self._state_dir)), state=True)
        for replacement in replacements:
            _put_in_place(replacement)
        for added in addition:
            _add(added)
        for folder in self._folders():
            sync_folder(folder)

    def undo(self) -> None:
        """Restore everything; harmless where nothing was written.

        Raises:
            StateError: if that is not possible now; the next start tries it again.
        """
        undo(self._journal, self._state_dir)

    def close(self) -> None:
        """End the step: from now on its files hold.

        Raises:
            StateError: if the journal cannot be removed; `undo` is to be called then, or the next start does it.
        """
        close(self._journal, self._state_dir)

    def _folders(self) -> set[Path]:
        return {path.parent for path in self._journal.paths}

    def _prepared(self, path: Path, text: str) -> Replacement:
        """Write a new file and keep the old one beside it."""
        state = path.parent == Path(os.path.realpath(self._state_dir))
        temporary = write_temporary(path, (text,), state=state)
        backup = path.with_name(f".{path.name}.{self.id}.old.tmp")
        try:
            old = _digest(path)
            if old is not None:
                _keep(path, backup)
        except OSError as problem:
            remove_quietly(temporary)
            remove_quietly(backup)
            raise cannot_write(path, problem) from None
        return Replacement(path=path, temporary=temporary, backup=backup, old=old, new=_hash(text))

    def _addition(self) -> tuple[Addition, ...]:
        if self._log is None:
            return ()
        try:
            lines, note = chained(self._log, self._decisions)
            size = None
            if self._log.exists():
                size = self._log.stat().st_size
        except OSError as problem:
            raise cannot_write(self._log, problem) from None
        if note:
            self.notes.append(note)
        self.lines = lines
        return (Addition(path=self._log, size=size, lines=lines),)


def _keep(path: Path, backup: Path) -> None:
    """Keep a file under a second name."""
    try:
        os.link(path, backup)
    except OSError:
        # Not every file system has a second name for a file.
        shutil.copy2(path, backup)
        with backup.open("rb") as copy:
            os.fsync(copy.fileno())


def _put_in_place(replacement: Replacement) -> None:
    try:
        replacement.temporary.replace(replacement.path)
    except OSError as problem:
        raise cannot_write(replacement.path, problem) from None


def _add(addition: Addition) -> None:
    try:
        append_lines(addition.path, addition.lines)
    except OSError as problem:
        raise cannot_write(addition.path, problem) from None


def read_journal(state_dir: Path, routing_path: Path) -> tuple[Journal | None, str]:
    """Return the journal of an open step, or None; and a sentence if an unusable journal was set aside.

    A journal is written whole, so that only an unfinished step of another program, or a hand, leaves an unusable one.
    So is one that names other files than those of the state directory and the routing configuration: undoing it could
    replace any file.

    Raises:
        StateError: if it can be neither read nor set aside, or a newer version wrote it.
    """
    path = state_dir / JOURNAL
    try:
        document = json.loads(read_state_file(path))
        journal = _from_json(document, state_dir)
        _require_own_files(journal, state_dir.resolve(), Path(os.path.realpath(routing_path)))
    except FileNotFoundError:
        return None, ""
    except OSError as problem:
        raise StateError(f"cannot read {path}: {reason(problem, path)}") from None
    except (ValueError, TypeError, KeyError, RecursionError):
        aside = set_aside(path)
        return None, f"{path.name} of an interrupted write cannot be used; it was set aside as {aside.name}"
    return journal, ""


def _require_own_files(journal: Journal, state_dir: Path, routing_path: Path) -> None:
    """Refuse a journal of other files than the product's own.

    Raises:
        ValueError: if there is one.
    """
    for path in journal.paths:
        if path.parent != state_dir and path != routing_path:
            raise ValueError(f"{path} is no file of the state")
    for replacement in journal.replacements:
        for beside in (replacement.temporary, replacement.backup):
            if beside.parent != replacement.path.parent or not beside.name.startswith(f".{replacement.path.name}."):
                raise ValueError(f"{beside} is no copy of {replacement.path.name}")


def undo(journal: Journal, state_dir: Path) -> list[str]:
    """Restore the files of an open step, and end it; return a sentence for each file that was changed since.

    Such a file is kept. Undoing twice is harmless, so that an interrupted undoing is repeated.

    Raises:
        StateError: if a file cannot be restored; the step stays open.
    """
    notes: list[str] = []
    try:
        notes += map(_take_off, reversed(journal.additions))
        notes += map(_restore, reversed(journal.replacements))
    except OSError as problem:
        raise StateError(
            f"what {journal.what} had begun to write cannot be undone: {problem.filename or problem}: "
            f"{described(problem, state_dir)}; the next start tries it again"
        ) from None
    close(journal, state_dir)
    return list(filter(None, notes))


def _restore(replacement: Replacement) -> str:
    path, current = replacement.path, _digest(replacement.path)
    if current == replacement.old:
        return ""
    if current != replacement.new:
        return f"{path.name} was changed after that, and is kept as it is"
    if replacement.old is None:
        path.unlink()
    elif not replacement.backup.exists():
        return f"{path.name} stays new, because the copy of the old one is gone"
    else:
        replacement.backup.replace(path)
    sync_folder(path.parent)
    return ""


def _take_off(addition: Addition) -> str:
    """Take lines off the end of a file again, even if only a part of them was written."""
    path, before = addition.path, addition.size or 0
    try:
        added = read_state_file(path)[before:]
    except FileNotFoundError:
        return ""
    if not addition.lines.encode().startswith(added):
        return f"{path.name} was changed after that, and is kept as it is"
    if addition.size is None:
        path.unlink()
    elif added:
        os.truncate(path, before)
    return ""


def close(journal: Journal, state_dir: Path) -> None:
    """End a step: remove its journal, then what it kept.

    Raises:
        StateError: if the journal cannot be removed.
    """
    path = state_dir / JOURNAL
    try:
        # A read-only file system refuses to remove even what is not there.
        if path.exists():
            path.unlink(missing_ok=True)
    except OSError as problem:
        raise StateError(f"cannot remove {path}: {described(problem, state_dir)}") from None
    sync_folder(state_dir)
    for replacement in journal.replacements:
        remove_quietly(replacement.temporary)
        remove_quietly(replacement.backup)


def _digest(path: Path) -> str | None:
    """Return the hash of a file; None if there is none."""
    try:
        return hashlib.sha256(read_regular(path)).hexdigest()
    except FileNotFoundError:
        return None


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()


def _to_json(journal: Journal, state_dir: Path) -> dict[str, Any]:
    """Return a journal in the form of its file, whose paths begin at the state directory: a project can be moved."""

    def place(path: Path) -> str:
        return os.path.relpath(path, state_dir.resolve())

    replaced: list[dict[str, Any]] = []
    for replacement in journal.replacements:
        names = {name: place(getattr(replacement, name)) for name in _PLACES}
        replaced.append({**names, "old": replacement.old, "new": replacement.new})
    added: list[dict[str, Any]] = []
    for addition in journal.additions:
        row = {"path": place(addition.path.resolve()), "size": addition.size, "lines": addition.lines}
        added.append(row)
    return {
        "version": VERSION,
        "id": journal.id,
        "what": journal.what,
        "in_ledger": journal.in_ledger,
        "replaced": replaced,
        "added": added,
    }


def _from_json(document: dict[str, Any], state_dir: Path) -> Journal:
    if document["version"] != VERSION:
        raise StateError(
            f"a write of {document.get('what')} was interrupted, and its journal {state_dir / JOURNAL} has version "
            f"{document['version']}; use the pytest-selfopt that wrote it to finish"
        )
    folder = state_dir.resolve()

    def place(name: str) -> Path:
        return Path(os.path.normpath(folder / name))

    replacements: list[Replacement] = []
    for row in document["replaced"]:
        places = {name: place(row[name]) for name in _PLACES}
        replacements.append(Replacement(**places, old=row["old"], new=row["new"]))
    additions: list[Addition] = []
    for row in document["added"]:
        addition = Addition(path=place(row["path"]), size=row["size"], lines=row["lines"])
        additions.append(addition)
    return Journal(
        id=document["id"],
        what=document["what"],
        in_ledger=document["in_ledger"],
        replacements=tuple(replacements),
        additions=tuple(additions),
    )
