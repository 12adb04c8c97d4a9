"""The answers of a report's phases, from the ledger."""

from __future__ import annotations

from pathlib import Path

from pytest_selfopt.ledger.answers import each_answer
from pytest_selfopt.ledger.database import NO_VALUES, damaged
from pytest_selfopt.ledger.ledger import existing_ledger
from pytest_selfopt.report.answers.pack import MOST_PACKED, PackedAnswers, pack_answers
from pytest_selfopt.report.document import Report


def read_answers(path: Path, report: Report, *, room: int = MOST_PACKED) -> dict[str, PackedAnswers]:
    """Return the answers of the phases of a cycle, by phase; of a report over all cycles none.

    `room` is how many characters they may have, packed. Phases whose trials are no longer in the ledger at `path` are
    left out.

    Raises:
        StateError: if the ledger cannot be read.
    """
    if report.kind != "cycle" or report.cycle is None:
        return {}
    found: dict[str, PackedAnswers] = {}
    with existing_ledger(path) as ledger:
        if ledger is None:
            return {}
        for phase in report.phases:
            stored = each_answer(path, report.cycle, phase.phase)
            try:
                answers = pack_answers(stored, ledger.questions, room=room)
            except NO_VALUES as problem:
                raise damaged(path, f"{type(problem).__name__}: {problem}") from None
            room -= answers.size
            if answers.specs:
                found[phase.phase] = answers
    return found
