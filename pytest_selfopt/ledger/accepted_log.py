"""`selfopt verify --accept`: a decisions log that is not as it was written is taken as it is, and the log says why."""

from __future__ import annotations

from pathlib import Path

from pytest_selfopt.console.quantities import counted
from pytest_selfopt.errors import StateError
from pytest_selfopt.ledger.decision_log import held_log
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.ledger.steps import change_state, hold_state
from pytest_selfopt.routing.decision_chain import (
    ACCEPTED,
    COVERS,
    GENESIS,
    hashes_of,
    line_hash,
    read_log,
    verify_content,
)
from pytest_selfopt.routing.decisions import Decision
from pytest_selfopt.routing.history import DECISIONS, LEDGER


def accept_log(state_dir: Path, routing_path: Path, why: str, *, now: str) -> list[str]:
    """Take the decisions log as it is, and append an entry that says why; return sentences about it.

    The entry holds what was wrong, and how many lines the ledger knew up to which hash, so that the log of before can
    be recognized.

    Raises:
        StateError: if there is nothing to accept, no reason is given, or a file cannot be used.
    """
    if not why.strip():
        raise StateError("--accept needs the reason why the log is to be taken as it is")
    path = state_dir / DECISIONS
    if not state_dir.is_dir():
        raise StateError(f"there is nothing to accept: {state_dir} does not exist")
    with hold_state(state_dir, routing_path) as state, Ledger(state_dir / LEDGER) as ledger:
        with held_log(state_dir):
            anchor, content = ledger.log.read(), read_log(path)
            verification = verify_content(path.name, content, anchor)
        if verification.trusted:
            raise StateError(f"there is nothing to accept: {verification.sentence}")
        known: tuple[str, ...] = ()
        if anchor is not None:
            known = anchor.hashes
        whole = (content or b"").rpartition(b"\n")
        decision = Decision(
            timestamp=now,
            cycle=0,
            kind=ACCEPTED,
            phase="",
            model="",
            effective="",
            reason=why.strip(),
            evidence={
                "problem": verification.sentence,
                "known_lines": len(known),
                "known_hash": (GENESIS, *known)[-1],
                COVERS: line_hash(whole[0] + whole[1]),
            },
        )
        with change_state(state_dir, ledger, "selfopt verify --accept", state.lease, accepts_log=True) as written:
            written.log(path, decision)
        count = len(hashes_of(read_log(path) or b"")) - 1
    return [
        *state.notes,
        *written.notes,
        f"{path.name}: {counted(count, 'line')} accepted; the reason is in the log",
    ]
