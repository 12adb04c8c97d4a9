"""Steps that change files and the ledger together, and what becomes of one that was interrupted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pytest_selfopt.errors import StateError
from pytest_selfopt.ledger.decision_log import held_log, trusted_log
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.routing.atomic_files import remove_leftovers
from pytest_selfopt.routing.decision_chain import hashes_of, read_log
from pytest_selfopt.routing.feedback import FEEDBACK
from pytest_selfopt.routing.history import DECISIONS, HISTORY, IGNORE, JOURNAL, LEARNED, LEDGER, prepare_state_dir
from pytest_selfopt.routing.lock import LOCK, Lease, LeaseLostError, LockHeldError, hold_lock
from pytest_selfopt.routing.ownership import require_access
from pytest_selfopt.routing.state_change import Journal, StateChange, close, read_journal, undo

PATIENCE_S = 10.0
"""Seconds for which a reader waits until another process has completed its step, which takes milliseconds."""
_PAUSE_S = 0.02


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldState:
    """A state directory whose lock this process holds, with sentences about what had to be put in order first."""

    lease: Lease
    notes: tuple[str, ...]


@contextmanager
def change_state(
    state_dir: Path, ledger: Ledger, what: str, lease: Lease, *, accepts_log: bool = False
) -> Iterator[StateChange]:
    """Write the files of the change, and what the block writes to the ledger, whole or not at all.

    `what` is the origin, such as "cycle 3"; `lease` is the hold on the state directory. Nobody appends to the decisions
    log until the block ends; the change has its entries, checked by the ledger, unless it `accepts_log` as it is. Files
    are put in place when the block ends, and the ledger commits last: until then everything can be undone.

    Raises:
        ChangedLogError: if the log is not as it was written.
        LeaseLostError: if another process has taken the lock; it undoes what was begun, if anything was.
        StateError: if something cannot be written; everything is as it was before.
    """
    change = StateChange(state_dir, what)
    with held_log(state_dir):
        if not accepts_log:
            log = trusted_log(state_dir, ledger, take_over=True)
            change.entries, change.notes = log.entries, [*log.notes]
        try:
            with ledger.step(change.id):
                yield change
                lease.check()
                change.apply()
                _anchor(change, ledger, state_dir / DECISIONS, accepts_log=accepts_log)
                lease.check()
        except LeaseLostError:
            raise
        except BaseException as problem:
            if not ledger.has_step(change.id):
                _undo(change, problem)
            raise
        # It holds already; if its journal stays, the next start removes it.
        with suppress(StateError):
            change.close()


def _anchor(change: StateChange, ledger: Ledger, log: Path, *, accepts_log: bool) -> None:
    """Let the ledger know the lines that are added to the log, or all of it."""
    if accepts_log:
        ledger.log.replace(hashes_of(read_log(log) or b""))
    elif change.lines:
        ledger.log.extend(hashes_of(change.lines.encode()))


def _undo(change: StateChange, problem: BaseException) -> None:
    """Undo a change that failed; if that fails, too, say both."""
    try:
        change.undo()
    except StateError as following:
        if not isinstance(problem, StateError):
            raise
        raise StateError(f"{problem}; {following}") from None


@contextmanager
def hold_state(state_dir: Path, routing_path: Path) -> Iterator[HeldState]:
    """Make a state directory, and hold its lock until the block ends; its files are whole from then on.

    What an interrupted write has left is undone, and its half-written files are removed.

    Raises:
        StateError: if another process holds the lock, or the directory cannot be used.
    """
    prepare_state_dir(state_dir)
    with hold_lock(state_dir) as lease:
        notes = filter(None, [lease.note, *settle(state_dir, routing_path)])
        for name in (IGNORE, HISTORY, DECISIONS, FEEDBACK, LEARNED, JOURNAL, LOCK):
            remove_leftovers(state_dir / name)
        remove_leftovers(routing_path)
        yield HeldState(lease=lease, notes=tuple(notes))


def settle(state_dir: Path, routing_path: Path) -> list[str]:
    """Undo a step that was interrupted, or end it if its ledger was committed; return sentences about that.

    The caller holds the lock of the state directory.

    Raises:
        StateError: if it cannot be undone.
    """
    journal, note = read_journal(state_dir, routing_path)
    if journal is None:
        return list(filter(None, [note]))
    with held_log(state_dir):
        if _was_committed(journal, state_dir / LEDGER):
            close(journal, state_dir)
            return []
        kept = undo(journal, state_dir)
    return [f"{journal.what} was interrupted while it wrote {journal.names}: that was undone", *kept]


def _was_committed(journal: Journal, path: Path) -> bool:
    if not journal.in_ledger or not path.exists():
        return False
    with Ledger(path) as ledger:
        return ledger.has_step(journal.id)


def settle_before_reading(state_dir: Path, routing_path: Path) -> list[str]:
    """Settle an interrupted step before something is read without the lock; wait for one that is under way.

    Raises:
        StateError: if it cannot be undone, or the directory cannot be read.
    """
    require_access(state_dir)
    waited = 0.0
    while (state_dir / JOURNAL).exists() and waited < PATIENCE_S:
        try:
            with hold_lock(state_dir):
                return settle(state_dir, routing_path)
        except LockHeldError:
            time.sleep(_PAUSE_S)
            waited += _PAUSE_S
    return []
