"""`routing_decisions.jsonl`: all routing decisions, append-only, each line with the hash of the one before."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_selfopt.errors import StateError
from pytest_selfopt.redaction.known import redact_written
from pytest_selfopt.routing.atomic_files import free_name, write_atomically
from pytest_selfopt.routing.decision_chain import GENESIS, entries_in, line_hash
from pytest_selfopt.routing.state_files import open_state_file, read_state_file

ATTEMPTS = 500
"""The attempts to get the lock of another process that writes decisions, which takes milliseconds."""

_PAUSE_S = 0.02
"""The seconds between two attempts."""

Entry = Mapping[str, Any]
"""A line of the log."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One decision about routing. `model` is the requested model, `effective` the one in effect from now on.

    `cycle` is 0 for decisions outside a cycle.
    """

    timestamp: str
    cycle: int
    kind: str
    phase: str
    model: str
    effective: str
    reason: str
    evidence: Mapping[str, Any]


def chained(path: Path, decisions: Iterable[Decision]) -> tuple[str, str]:
    """Return the lines that decisions are in the log, and a sentence if it had to be repaired before (else empty).

    The caller holds the log (`hold_log`).

    Raises:
        StateError: if the log cannot be repaired.
        OSError: if it cannot be read.
    """
    previous, note = _last_hash(path)
    lines: list[str] = []
    for decision in decisions:
        line = redact_written(json.dumps(entry_of(decision, previous), ensure_ascii=True, allow_nan=False))
        previous = line_hash(line.encode())
        lines.append(f"{line}\n")
    return "".join(lines), note


def entry_of(decision: Decision, previous: str = GENESIS) -> dict[str, Any]:
    """Return a decision in the form of the log; `previous` is the hash of the line before."""
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
def hold_log(folder: Path) -> Iterator[None]:
    """Let no other process append to the log in a folder until the block ends.

    The folder is locked, not the log: a repair replaces the log, and a lock on it would stay on the old file.

    Raises:
        StateError: if another process keeps it for too long.
        OSError: if the folder cannot be opened.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        _lock(handle, folder)
        yield
    finally:
        os.close(handle)


def _lock(handle: int, folder: Path) -> None:
    """Wait for the lock on an open folder.

    Raises:
        StateError: if another process keeps it for too long.
    """
    for _ in range(ATTEMPTS):
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(_PAUSE_S)
    raise StateError(
        f"{folder} is locked by another process that writes decisions, and does not end; end it, or try again later"
    )


def append_lines(path: Path, lines: str) -> None:
    """Append whole lines to the log and sync it; if that fails, it has none of them.

    Raises:
        OSError: if they cannot be written.
    """
    handle = open_state_file(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        before = os.fstat(handle).st_size
        try:
            rest = lines.encode()
            # A disk that gets full takes a part first.
            while rest:
                rest = rest[os.write(handle, rest) :]
            os.fsync(handle)
        except OSError:
            os.ftruncate(handle, before)
            raise
    finally:
        os.close(handle)


def read_decisions(path: Path) -> list[dict[str, Any]]:
    """Return the decisions in the log, oldest first; skip unreadable lines."""
    try:
        return entries_in(read_state_file(path))
    except OSError:
        return []


def decisions_of(entries: Iterable[Entry], cycle: int) -> frozenset[tuple[str, str, str]]:
    """Return kind, phase and original model of the decisions that a cycle has already logged."""
    decisions = set()
    for entry in _of_cycle(entries, cycle):
        kind = str(entry.get("kind"))
        phase = str(entry.get("phase"))
        model = str(entry.get("original_model"))
        decisions.add((kind, phase, model))
    return frozenset(decisions)


def reasons_of(entries: Iterable[Entry], cycle: int) -> frozenset[tuple[str, str, str]]:
    """Return phase, original model and reason of the decisions that a cycle has logged."""
    reasons = set()
    for entry in _of_cycle(entries, cycle):
        reasons.add((str(entry.get("phase")), str(entry.get("original_model")), str(entry.get("reason"))))
    return frozenset(reasons)


def _of_cycle(entries: Iterable[Entry], cycle: int) -> list[Entry]:
    """Return the entries of a cycle, oldest first."""
    return [entry for entry in entries if entry.get("cycle") == cycle]


def _last_hash(path: Path) -> tuple[str, str]:
    """Return the hash for the next line, after removing an unfinished last line."""
    try:
        content = read_state_file(path)
    except FileNotFoundError:
        return GENESIS, ""
    whole, _, unfinished = content.rpartition(b"\n")
    kept, last_hash = b"", GENESIS
    if whole:
        kept = whole + b"\n"
        last_hash = line_hash(whole.rpartition(b"\n")[2])
    note = ""
    if unfinished:
        # A copy, so that a crash in between leaves the log in place.
        aside = free_name(path)
        with os.fdopen(open_state_file(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as copy:
            copy.write(content)
        write_atomically(path, kept.decode("utf-8", "backslashreplace"), state=True)
        note = f"the last line of {path.name} was unfinished and has been removed; the old file is kept as {aside.name}"
    return last_hash, note
