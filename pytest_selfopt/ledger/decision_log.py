"""The decisions log and what the ledger knows of it: checked before anything is decided by it, appended together."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_selfopt.console.quantities import counted
from pytest_selfopt.errors import StateError
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.routing.atomic_files import ELSEWHERE, cannot_write, described
from pytest_selfopt.routing.decision_chain import (
    Anchor,
    ChangedLogError,
    Verification,
    entries_in,
    hashes_of,
    read_log,
    verify_content,
    verify_log,
)
from pytest_selfopt.routing.decisions import Decision, append_lines, chained, hold_log
from pytest_selfopt.routing.history import DECISIONS, LEDGER

ADVICE = (
    "nothing is decided or undone by such a log; compare it with a copy, or take it as it is and say why: "
    'selfopt verify --accept "why"'
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustedLog:
    """The entries of a log that is as it was written, oldest first, and sentences about what the ledger took over."""

    entries: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    known: bool = True
    """Whether the ledger knows all of its lines."""


def verify(state_dir: Path) -> Verification:
    """Check the log in a state directory by its hashes and by the ledger, if there is one.

    Raises:
        StateError: if a file cannot be used.
    """
    path = state_dir / DECISIONS
    if not (state_dir / LEDGER).exists():
        return verify_log(path, Anchor())
    with Ledger(state_dir / LEDGER) as ledger, held_log(state_dir):
        return verify_log(path, ledger.log.read())


def trusted_log(state_dir: Path, ledger: Ledger | None, *, take_over: bool = False) -> TrustedLog:
    """Return the log, checked by what the ledger knows; without a ledger, only a log that holds no rules is trusted.

    The caller holds the log (`held_log`). `take_over` lets the ledger know from now on what it need not have known so
    far: the log of an earlier version, or of plain sessions without a ledger.

    Raises:
        ChangedLogError: if it is not as it was written; the message says what to do.
        StateError: if a file cannot be used.
    """
    path = state_dir / DECISIONS
    anchor: Anchor | None = Anchor()
    if ledger is not None:
        anchor = _settled(path, ledger)
    content = read_log(path)
    verification = _require_trusted(path, content, anchor)
    known, notes = not verification.unanchored, list[str]()
    if ledger is not None and take_over and not known:
        notes += _take_over(path, content or b"", ledger)
        known = True
    return TrustedLog(entries=tuple(entries_in(content or b"")), notes=tuple(notes), known=known)


def check_log(state_dir: Path, ledger: Ledger | None, *, take_over: bool = False) -> TrustedLog:
    """Return the log as `trusted_log` does, for a caller who does not hold it.

    Raises:
        ChangedLogError: if it is not as it was written; the message says what to do.
        StateError: if a file cannot be used.
    """
    if ledger is None and not (state_dir / DECISIONS).exists():
        return TrustedLog()
    with held_log(state_dir):
        return trusted_log(state_dir, ledger, take_over=take_over)


def append_decision(state_dir: Path, ledger: Ledger | None, decision: Decision) -> str:
    """Append a decision outside of a step and sync it; concurrent processes wait for each other.

    The ledger knows the line before the log has it, and whoever comes next completes what was cut off in between. If it
    is not open (None), it is opened meanwhile; if there is none, only the log is appended to. If a crash of an earlier
    version left the last line unfinished, the log is repaired first, and the returned sentence says so (else empty).

    Raises:
        ChangedLogError: if the log is not as it was written.
        StateError: if a file cannot be read or written.
    """
    path = state_dir / DECISIONS
    if ledger is None and (state_dir / LEDGER).exists():
        with Ledger(state_dir / LEDGER) as opened:
            return append_decision(state_dir, opened, decision)
    with held_log(state_dir):
        known = False
        if ledger is None:
            _require_trusted(path, read_log(path), None)
        else:
            known = trusted_log(state_dir, ledger).known
        try:
            line, note = chained(path, [decision])
            if ledger is not None and known:
                _append_known(path, line, ledger)
            else:
                append_lines(path, line)
        except OSError as problem:
            raise cannot_write(path, problem) from None
    return note


@contextmanager
def held_log(state_dir: Path) -> Iterator[None]:
    """Let no other process append to the log in a state directory until the block ends; it comes before the ledger.

    Raises:
        StateError: if another process keeps it for too long, or the directory cannot be used.
    """
    with ExitStack() as held:
        try:
            held.enter_context(hold_log(state_dir))
        except OSError as problem:
            raise StateError(f"cannot use {state_dir}: {described(problem, state_dir)}{ELSEWHERE}") from None
        yield


def _require_trusted(path: Path, content: bytes | None, anchor: Anchor | None) -> Verification:
    verification = verify_content(path.name, content, anchor)
    if not verification.trusted:
        raise ChangedLogError(f"{verification.sentence}; {ADVICE}")
    return verification


def _append_known(path: Path, line: str, ledger: Ledger) -> None:
    (hashed,) = hashes_of(line.encode())
    ledger.log.expect(hashed, line)
    try:
        append_lines(path, line)
    except OSError:
        ledger.log.give_up()
        raise
    ledger.log.arrived()


def _settled(path: Path, ledger: Ledger) -> Anchor | None:
    """Complete the line of a writer that was cut off; return what the ledger knows."""
    anchor = ledger.log.read()
    if anchor is None or anchor.expected is None:
        return anchor
    content = read_log(path) or b""
    if not verify_content(path.name, content, anchor).ok:
        return anchor
    if len(hashes_of(content)) < len(anchor.hashes):
        have = len(content.rpartition(b"\n")[2])
        try:
            append_lines(path, anchor.expected[have:])
        except OSError as problem:
            raise cannot_write(path, problem) from None
    ledger.log.arrived()
    return ledger.log.read()


def _take_over(path: Path, content: bytes, ledger: Ledger) -> Iterator[str]:
    """Let the ledger know all whole lines of a log from now on; yield a sentence about it if there are any."""
    hashes = hashes_of(content)
    ledger.log.replace(hashes)
    if hashes:
        yield (
            f"{path.name}: the ledger takes over {counted(len(hashes), 'line')} whose hashes it did not keep "
            "so far, as they are; selfopt verify finds every change from now on"
        )
