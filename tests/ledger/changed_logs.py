"""Ways in which a decisions log is not as it was written: each changes a state directory whose log has three lines."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pytest_selfopt.routing.decision_chain import GENESIS, line_hash
from pytest_selfopt.routing.history import DECISIONS, LEDGER

FORGED = "ollama/forged:1b"
"""The fallback that a forged line would bring into the routing configuration."""


def entries_of(state_dir: Path) -> list[dict[str, Any]]:
    """Return the entries of a log."""
    return [json.loads(line) for line in (state_dir / DECISIONS).read_bytes().splitlines()]


def write_chained(state_dir: Path, entries: list[dict[str, Any]]) -> None:
    """Write entries as a log whose hashes match."""
    previous, lines = GENESIS, list[str]()
    for entry in entries:
        line = json.dumps({**entry, "previous": previous})
        previous = line_hash(line.encode())
        lines.append(f"{line}\n")
    (state_dir / DECISIONS).write_text("".join(lines))


def forged(entry: dict[str, Any]) -> dict[str, Any]:
    """Return an entry by whose rollback a forged fallback would come into force."""
    after = entry["evidence"]["rule_after"]
    before = {**after, "fallback_model": FORGED, "reason": "forged"}
    return {**entry, "evidence": {**entry["evidence"], "rule_before": before}}


def _edit_last_line(state_dir: Path) -> None:
    entries = entries_of(state_dir)
    write_chained(state_dir, [*entries[:-1], forged(entries[-1])])


def _rechain(state_dir: Path) -> None:
    entries = entries_of(state_dir)
    write_chained(state_dir, [forged(entries[0]), *entries[1:]])


def _append_chained(state_dir: Path) -> None:
    entries = entries_of(state_dir)
    write_chained(state_dir, [*entries, {**forged(entries[-1]), "cycle": 9}])


def _edit_in_place(state_dir: Path) -> None:
    log = state_dir / DECISIONS
    log.write_bytes(log.read_bytes().replace(b"0 of 7", b"7 of 7", 1))


def _cut_last_line(state_dir: Path) -> None:
    write_chained(state_dir, entries_of(state_dir)[:-1])


def _tear_last_line(state_dir: Path) -> None:
    log = state_dir / DECISIONS
    log.write_bytes(log.read_bytes()[:-20])


def _empty(state_dir: Path) -> None:
    (state_dir / DECISIONS).write_bytes(b"")


def _delete(state_dir: Path) -> None:
    (state_dir / DECISIONS).unlink()


def _delete_ledger(state_dir: Path) -> None:
    _rechain(state_dir)
    for path in state_dir.glob(f"{LEDGER}*"):
        path.unlink()


def _merge_branches(state_dir: Path) -> None:
    """Keep a line of another branch after the same predecessor, as `merge=union` of git does."""
    log = state_dir / DECISIONS
    first, second, third = log.read_text().splitlines(keepends=True)
    theirs = {**json.loads(second), "reason": "decided in another branch"}
    log.write_text(f"{first}{second}{third}{json.dumps(theirs)}\n")


def _rotate(state_dir: Path) -> None:
    log = state_dir / DECISIONS
    shutil.move(log, log.with_suffix(".jsonl.1"))
    write_chained(state_dir, [])


CHANGES: Mapping[str, Callable[[Path], None]] = {
    "last line edited": _edit_last_line,
    "first line edited, and all chained again": _rechain,
    "a line appended that fits": _append_chained,
    "a line edited": _edit_in_place,
    "last line cut": _cut_last_line,
    "last line torn": _tear_last_line,
    "emptied": _empty,
    "deleted": _delete,
    "chained again, and the ledger deleted": _delete_ledger,
    "branches merged": _merge_branches,
    "rotated": _rotate,
}
