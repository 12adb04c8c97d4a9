"""`routing_decisions.jsonl`: every decision about routing, append-only, each line sealed by the one before."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_selfopt.errors import StateError
from pytest_selfopt.routing.atomic_files import free_name, write_atomically

GENESIS = "0" * 64
"""What the first line names as the hash of the line before it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One decision about routing. `model` is what was asked for, `effective` what is in effect from now on.

    `cycle` is 0 for what happened outside of one.
    """

    timestamp: str
    cycle: int
    kind: str
    phase: str
    model: str
    effective: str
    reason: str
    evidence: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Whether a log is whole; `broken_line` is the first line (from 1) that does not fit the one before it."""

    lines: int
    broken_line: int | None
    sentence: str

    @property
    def ok(self) -> bool:
        """Whether every line is sealed."""
        return self.broken_line is None


def append_decision(path: Path, decision: Decision) -> str:
    """Append a decision and sync it; processes that append at the same time take turns.

    A last line that a crash left unfinished is set aside first; the returned sentence says so (else it is empty).

    Raises:
        StateError: when the log cannot be read or written.
    """
    try:
        with _turn(path.parent):
            previous, note = _last_hash(path)
            _append_line(path, json.dumps(_entry(decision, previous), ensure_ascii=True, allow_nan=False))
    except OSError as problem:
        raise StateError(f"cannot write {path}: {problem.strerror or problem}") from None
    return note


def _entry(decision: Decision, previous: str) -> dict[str, Any]:
    return {
        "timestamp": decision.timestamp,
        "cycle": decision.cycle,
        "kind": decision.kind,
        "phase": decision.phase,
        "original_model": decision.model,
        "effective_model": decision.effective,
        "reason": decision.reason,
        "evidence": dict(decision.evidence),
        "previous": previous,
    }


@contextlib.contextmanager
def _turn(folder: Path) -> Iterator[None]:
    """Hold the folder: a log that has to be repaired is replaced, so that a lock on itself would be on the old one."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _append_line(path: Path, line: str) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
    try:
        os.write(handle, f"{line}\n".encode())
        os.fsync(handle)
    finally:
        os.close(handle)


def read_decisions(path: Path) -> list[dict[str, Any]]:
    """The decisions in the log, oldest first; lines that nobody can read are left out."""
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError:
        return []
    entries = map(_read_entry, lines)
    return [entry for entry in entries if entry is not None]


def decisions_of(path: Path, cycle: int) -> frozenset[tuple[str, str, str]]:
    """Kind, phase and original model of the decisions that a cycle has logged already."""
    decisions = set()
    for entry in _entries_of(path, cycle):
        kind = str(entry.get("kind"))
        phase = str(entry.get("phase"))
        model = str(entry.get("original_model"))
        decisions.add((kind, phase, model))
    return frozenset(decisions)


def reasons_of(path: Path, cycle: int) -> frozenset[str]:
    """The reasons of the decisions that are logged of a cycle."""
    return frozenset(str(entry.get("reason")) for entry in _entries_of(path, cycle))


def _entries_of(path: Path, cycle: int) -> list[dict[str, Any]]:
    """The entries of a cycle, oldest first."""
    return [entry for entry in read_decisions(path) if entry.get("cycle") == cycle]


def verify_log(path: Path) -> Verification:
    """Check the seal of every line.

    Raises:
        StateError: when the log cannot be read.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except FileNotFoundError:
        return Verification(lines=0, broken_line=None, sentence=f"there is no {path.name}")
    except OSError as problem:
        raise StateError(f"cannot read {path}: {problem.strerror or problem}") from None
    unfinished = lines.pop()
    previous = GENESIS
    for number, line in enumerate(lines, start=1):
        if _previous(line) != previous:
            return _broken(path, len(lines), number)
        previous = _hash(line)
    if unfinished:
        return _broken(path, len(lines) + 1, len(lines) + 1)
    return Verification(
        lines=len(lines), broken_line=None, sentence=f"{path.name}: all {len(lines)} lines fit each other"
    )


def _broken(path: Path, lines: int, number: int) -> Verification:
    return Verification(
        lines=lines,
        broken_line=number,
        sentence=f"{path.name}: line {number} of {lines} does not fit the line before it; "
        "one of the two was changed or removed",
    )


def _last_hash(path: Path) -> tuple[str, str]:
    """The hash that the next line has to name, after an unfinished last line was set aside."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return GENESIS, ""
    whole, _, unfinished = content.rpartition(b"\n")
    kept, last_hash = b"", GENESIS
    if whole:
        kept = whole + b"\n"
        last_hash = _hash(whole.rpartition(b"\n")[2])
    note = ""
    if unfinished:
        # A copy, so that a crash in between leaves the log where it is.
        aside = free_name(path)
        aside.write_bytes(content)
        write_atomically(path, kept.decode("utf-8", "backslashreplace"))
        note = f"the last line of {path.name} was unfinished; the file as it was is {aside.name}"
    return last_hash, note


def _hash(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _previous(line: bytes) -> str | None:
    entry = _read_entry(line)
    if entry is None:
        return None
    return entry.get("previous")


def _read_entry(line: bytes) -> dict[str, Any] | None:
    """The decision in a line; None when nobody can read it."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict):
        return None
    return entry
