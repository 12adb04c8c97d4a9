"""Whether the decisions log is as it was written: each line by the one before it, and all by what the ledger knows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_selfopt.errors import StateError
from pytest_selfopt.routing.ownership import reason
from pytest_selfopt.routing.state_files import read_state_file

GENESIS = "0" * 64
"""The previous hash in the first line."""
ACCEPTED = "accepted"
"""The kind of an entry by which a person took all lines before it as they were."""
COVERS = "covers"
"""In the evidence of such an entry: the hash of all that was before it in the log."""
NOTES = ("route", "forced")
"""The kinds of entries that plain sessions write, also without a ledger; they change no rule."""


_TEXTS = ("timestamp", "kind", "phase", "original_model", "effective_model", "reason", "previous")


class ChangedLogError(StateError):
    """The decisions log is not as it was written, so that nothing may be decided or undone by it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """What a ledger knows of the log: the hash of each line."""

    hashes: tuple[str, ...] = ()
    expected: str | None = None
    """The last of these lines, if it may not have got into the log yet: its writer was cut off, or is about to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verification:
    """Whether a log is intact; `broken_line` is the first line (from 1) that is not the one that was written there."""

    lines: int
    broken_line: int | None
    sentence: str
    unfinished: bool = False
    """Whether only the end of the last line is missing, which the ledger does not know: a write was cut off."""
    unanchored: bool = False
    """Whether it has lines that the ledger does not know and may take over, because of when or by whom they came."""

    @property
    def ok(self) -> bool:
        """Whether all hashes match."""
        return self.broken_line is None

    @property
    def trusted(self) -> bool:
        """Whether its whole lines can be decided by."""
        return self.ok or self.unfinished


def verify_log(path: Path, anchor: Anchor | None = None) -> Verification:
    """Check every line; without an anchor, only by the hash in it of the line before.

    Raises:
        StateError: if the log cannot be read.
    """
    return verify_content(path.name, read_log(path), anchor)


def read_log(path: Path) -> bytes | None:
    """Return the content of the log; None if it does not exist.

    Raises:
        StateError: if it cannot be read.
    """
    try:
        return read_state_file(path)
    except FileNotFoundError:
        return None
    except OSError as problem:
        raise StateError(f"cannot read {path}: {reason(problem, path)}") from None


def verify_content(name: str, content: bytes | None, anchor: Anchor | None) -> Verification:
    """Check the content of the log `name` (None if it does not exist)."""
    if content is None and (anchor is None or not anchor.hashes):
        return Verification(lines=0, broken_line=None, sentence=f"{name} does not exist", unanchored=anchor is None)
    lines = (content or b"").split(b"\n")
    unfinished = lines.pop()
    if anchor is not None and anchor.expected is not None and _is_awaited(lines, unfinished, anchor):
        anchor, unfinished = Anchor(hashes=anchor.hashes[:-1]), b""
    unanchored = anchor is None or _are_notes(lines, anchor)
    found = None
    if anchor is not None and not unanchored:
        found = _difference(lines, anchor.hashes, exists=content is not None)
    found = found or _chain_break(lines)
    if found is not None:
        number, words = found
        return Verification(lines=len(lines), broken_line=number, sentence=f"{name}: {words}")
    if unfinished:
        number = len(lines) + 1
        words = f"line {number} is unfinished; its writer was cut off, and the next one removes it"
        sentence = f"{name}: {words}"
        return Verification(lines=number, broken_line=number, sentence=sentence, unfinished=True, unanchored=unanchored)
    sentence = f"{name}: the hashes of all {len(lines)} lines match"
    if len(lines) == 1:
        sentence = f"{name}: the hash of its line matches"
    if anchor is not None and not unanchored:
        sentence += ", and the ledger knows all of it"
    elif lines:
        sentence += "; no ledger knows the file yet: the next that writes takes it as it is"
    return Verification(lines=len(lines), broken_line=None, sentence=sentence, unanchored=unanchored)


def entries_in(content: bytes) -> list[dict[str, Any]]:
    """Return the decisions in a log, oldest first; skip unreadable lines."""
    entries = map(read_entry, content.split(b"\n"))
    return [entry for entry in entries if entry is not None]


def read_entry(line: bytes) -> dict[str, Any] | None:
    """Return the decision in a line; None if it is unreadable, or lacks what every decision has."""
    try:
        entry = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(entry, dict) or not isinstance(entry.get("cycle"), int):
        return None
    if not all(isinstance(entry.get(name), str) for name in _TEXTS):
        return None
    return entry


def line_hash(line: bytes) -> str:
    """Return the hash of a line, or of several."""
    return hashlib.sha256(line).hexdigest()


def hashes_of(content: bytes) -> tuple[str, ...]:
    """Return the hash of each whole line of a log."""
    return tuple(map(line_hash, content.split(b"\n")[:-1]))


def _is_awaited(lines: Sequence[bytes], unfinished: bytes, anchor: Anchor) -> bool:
    """Whether the last line that the ledger knows is still to come, or has come in part."""
    expected = (anchor.expected or "").encode()
    return len(lines) == len(anchor.hashes) - 1 and expected.startswith(unfinished)


def _are_notes(lines: Sequence[bytes], anchor: Anchor) -> bool:
    """Whether a ledger knows nothing of the log, and plain sessions alone have written it."""
    if anchor.hashes or not lines:
        return False
    return all(_kind(line) in NOTES for line in lines)


def _kind(line: bytes) -> Any:
    return (read_entry(line) or {}).get("kind")


def _difference(lines: Sequence[bytes], hashes: Sequence[str], *, exists: bool) -> tuple[int, str] | None:
    """Return the first line that is not the one that the ledger knows, and what is wrong; None if there is none."""
    have, known = len(lines), len(hashes)
    for number, (line, hashed) in enumerate(zip(lines, hashes, strict=False), start=1):
        if line_hash(line) != hashed:
            return number, (
                f"line {number} of {have} is not the one that was written there: it was changed, or lines were "
                "removed, added or moved"
            )
    if have < known:
        gone = f"{known - have} lines are"
        if known - have == 1:
            gone = "line is"
        words = f"the last {gone} missing: the ledger knows {known}"
        if not exists:
            words = f"it is missing, and the ledger knows what stood in it (lines: {known})"
        elif not have:
            words = f"it is empty, and the ledger knows what stood in it (lines: {known})"
        return have + 1, words
    if have > known:
        which = f"line {have} is"
        if have > known + 1:
            which = f"lines {known + 1} to {have} are"
        return known + 1, (
            f"{which} unknown to the ledger: added by hand, brought by git or a copy, or the ledger is a new one"
        )
    return None


def _chain_break(lines: Iterable[bytes]) -> tuple[int, str] | None:
    """Return the first line that does not fit the one before it, unless a person took it as it was."""
    previous, found, before = GENESIS, None, hashlib.sha256()
    for number, line in enumerate(lines, start=1):
        entry = read_entry(line) or {}
        if entry.get("previous") != previous:
            found = found or number
        elif found and _covers(entry) == before.hexdigest():
            found = None
        previous = line_hash(line)
        before.update(line + b"\n")
    if found is None:
        return None
    return found, (f"the hash in line {found} does not match the line before it; one of the two was changed or removed")


def _covers(entry: dict[str, Any]) -> Any:
    evidence = entry.get("evidence")
    if entry.get("kind") != ACCEPTED or not isinstance(evidence, dict):
        return None
    return evidence.get(COVERS)
