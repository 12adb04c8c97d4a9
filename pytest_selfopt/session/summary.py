"""The decision section at the end of a session's output."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_selfopt.loop.cycle import Conclusion
from pytest_selfopt.loop.evaluate import Metrics
from pytest_selfopt.loop.gate import Verdict
from pytest_selfopt.session.progress import minutes
from pytest_selfopt.specs.spec import Spec, difference, parse_spec

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from pytest_selfopt.session.phases import PhaseRun
    from pytest_selfopt.session.work import Work

COLOURS = {Verdict.PROMOTE: "green", Verdict.HOLD: "yellow", Verdict.REJECT: "red"}


def write_summary(terminal: TerminalReporter, work: Work) -> None:
    """Write what was decided and why; for a session without a decision, why there is none."""
    terminal.write_sep("=", f"selfopt cycle {work.cycle}")
    for note in work.notes:
        terminal.write_line(note, yellow=True)
    if work.problem:
        terminal.write_line(f"nothing was decided: {work.problem}", red=True)
        return
    if work.status != "decided":
        for line in undecided(work.status, work.counts()):
            terminal.write_line(line, yellow=True)
        return
    for conclusion in work.conclusions:
        _write_phase(terminal, conclusion, work.phases[conclusion.phase])
    terminal.write_line("")
    for line in closing_lines(work):
        terminal.write_line(line)


def undecided(status: str, counts: dict[str, int]) -> list[str]:
    """Why a session that recorded trials decided nothing."""
    booked = ", ".join(f"{number} {name}" for name, number in sorted(counts.items())) or "no calls"
    reason = {
        "interrupted": "the session was interrupted",
        "partial": "only some of the planned trials were selected",
    }.get(status, status)
    return [
        f"no decision: {reason}, so nothing was promoted and no file was rewritten",
        f"in the ledger: {booked}",
    ]


def table(conclusion: Conclusion, phase: PhaseRun) -> list[str]:
    """The specs side by side: what was measured of each, aligned, at most 80 columns wide where names allow."""
    names = {conclusion.baseline.id: "baseline"}
    names |= {
        judgement.spec: difference(conclusion.baseline, parse_spec(judgement.spec))
        for judgement in conclusion.judgements
    }
    rows = [("", "accuracy", "restraint", "errors", "median", "tokens out", "passes")]
    rows += [_row(name, conclusion.metrics[spec]) for spec, name in names.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]


def _row(name: str, metrics: Metrics) -> tuple[str, ...]:
    return (
        name,
        f"{metrics.accuracy:.3f}",
        "-" if metrics.restraint is None else f"{metrics.restraint:.2f}",
        str(metrics.errors),
        "-" if metrics.latency_median_s is None else f"{metrics.latency_median_s:.2f} s",
        str(metrics.tokens_out or 0),
        str(len(metrics.runs)),
    )
