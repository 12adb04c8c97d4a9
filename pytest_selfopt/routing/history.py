"""The state directory, and the history of cycles in it."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from operator import itemgetter
from pathlib import Path
from typing import Any

from pytest_selfopt.errors import StateError
from pytest_selfopt.routing.atomic_files import (
    ELSEWHERE,
    described,
    read_or_set_aside,
    read_text,
    to_text,
    write_atomically,
)
from pytest_selfopt.routing.state_files import close_to_others, make_state_folder, read_state_file
from pytest_selfopt.strict_json import parse_json

HISTORY = "meta_loop_history.json"
DECISIONS = "routing_decisions.jsonl"
LEARNED = "LEARNED.md"
LEDGER = "ledger.sqlite"
JOURNAL = "journal.json"
IGNORE = ".gitignore"
REPORTS = "reports"
"""The folder of the pages."""
VERSION = 1
MOST_BYTES = 1024 * 1024 * 1024
"""Bytes of a history, which grows with every cycle: enough for many thousands."""

_EVERYTHING = "# everything here is made by pytest-selfopt\n*\n"


def prepare_state_dir(state_dir: Path) -> None:
    """Create the state directory, closed to other users, with a .gitignore that keeps it out of git.

    Raises:
        StateError: if it cannot be created or written to.
    """
    try:
        make_state_folder(state_dir)
        ignore = state_dir / IGNORE
        if not os.path.lexists(ignore):
            write_atomically(ignore, _EVERYTHING, state=True)
        elif read_state_file(ignore) == _EVERYTHING.encode():
            # An earlier version made it; a folder of the user's own, with other things in it, stays as it is.
            close_to_others(state_dir)
        reports = state_dir / REPORTS
        if reports.exists() and not reports.is_symlink():
            # The folder is always ours, and so are the pages in it that no later cycle writes again.
            close_to_others(reports)
    except OSError as problem:
        raise StateError(
            f"cannot use {state_dir} as the state directory: {described(problem, state_dir.parent)}{ELSEWHERE}"
        ) from None


def load_history(path: Path) -> tuple[dict[str, Any], str]:
    """Return the history (empty if the file is missing), and a sentence if an unusable file was set aside.

    Raises:
        StateError: if the file can be neither read nor set aside.
    """
    return read_or_set_aside(path, _parse_history, {"version": VERSION, "cycles": []}, most=MOST_BYTES)


def read_history(path: Path) -> list[dict[str, Any]]:
    """Read the entries of the history, oldest first, without changing the file; none if the file is missing.

    Entries that are not objects are skipped: no version wrote them.

    Raises:
        StateError: if the file is unusable.
    """
    try:
        cycles = _parse_history(read_text(path, MOST_BYTES, state=True))["cycles"]
    except FileNotFoundError:
        return []
    except ValueError as problem:
        raise StateError(f"{path} cannot be used: {problem}") from None
    return [entry for entry in cycles if isinstance(entry, dict)]


def with_cycles(path: Path, entries: Sequence[Mapping[str, Any]]) -> tuple[str | None, str]:
    """Return the history at `path` with the entries of one cycle, one per phase; None if it has them already.

    Existing entries stay, except those of a stopped cycle. The second value is a sentence if an unusable file was set
    aside, else empty.

    Raises:
        StateError: if the file can be neither read nor set aside.
    """
    history, note = load_history(path)
    addresses = set(map(itemgetter("cycle", "phase"), entries))
    kept = [known for known in history["cycles"] if not _is_replaced(known, addresses)]
    taken = set(map(_address, kept))
    new = [dict(entry) for entry in entries if (entry["cycle"], entry["phase"]) not in taken]
    if not new:
        return None, note
    return to_text({**history, "cycles": [*kept, *new]}), note


def _is_replaced(entry: Any, addresses: set[Any]) -> bool:
    """Whether an entry is of a stopped cycle and has a new version."""
    return _address(entry) in addresses and entry.get("status") == "stopped"


def _address(entry: Any) -> tuple[Any, Any]:
    if not isinstance(entry, dict):
        return None, None
    return entry.get("cycle"), entry.get("phase")


def _parse_history(text: str) -> dict[str, Any]:
    document = parse_json(text)
    if not isinstance(document, dict) or not isinstance(document.get("cycles"), list):
        raise ValueError("it must contain an object with a list of cycles")
    version = document.get("version", VERSION)
    if not isinstance(version, int) or isinstance(version, bool):
        raise ValueError("'version' must be a number")
    if version > VERSION:
        raise StateError(
            f"the history has version {version}, but this pytest-selfopt reads up to {VERSION}; "
            "use the newer pytest-selfopt that wrote it"
        )
    return document
