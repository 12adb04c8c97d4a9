"""What a session came to, on the terminal: the verdict first, then what it rests on, and what comes next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_selfopt.loop.build_gate import status_of
from pytest_selfopt.loop.cycle import Conclusion
from pytest_selfopt.loop.gate import Judgement
from pytest_selfopt.loop.gates import GateResult, Verdict
from pytest_selfopt.session.terminal.headlines import COLOURS, change_of, headline, verdict_of
from pytest_selfopt.session.terminal.messages import (
    closing_lines,
    cost_line,
    diagnosis_line,
    not_gated,
    report_lines,
    undecided,
    warmup_line,
)
from pytest_selfopt.session.terminal.metrics_table import DISPENSABLE, rows_of, rows_of_phase
from pytest_selfopt.session.terminal.writer import StyledText, TerminalWriter

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from pytest_selfopt.cycle.cycle_run import Work
    from pytest_selfopt.cycle.gate import GateOutcome

_FAILED = {Verdict.REJECT: ("FAIL", "red"), Verdict.HOLD: ("UNSETTLED", "yellow"), Verdict.PROMOTE: ("FAIL", "red")}
_BUILD = {
    Verdict.PROMOTE: StyledText("the gate is passed; nothing was written", "green", bold=True),
    Verdict.REJECT: StyledText("the gate is not passed; nothing was written", "red", bold=True),
    Verdict.HOLD: StyledText("the evidence is too short to pass or fail; nothing was written", "yellow", bold=True),
}
_CHANGES = ("trial", "skip", "confirmed", "rolled_back")


def write_summary(terminal: TerminalReporter, work: Work) -> None:
    """Write what was decided and why; for a session without a decision, why there is none.

    With -q only the verdict, what is in force and where the report is; with -qq a line for each phase.
    """
    page = TerminalWriter(terminal)
    page.title(f"selfopt cycle {work.cycle}")
    if page.verbosity < -1:
        page.write_lines([*map(verdict_of, work.conclusions)] or [*_trouble(work)][:1])
    elif page.verbosity < 0:
        page.write_lines(_in_short(work))
    else:
        _write_in_full(page, work)


def _in_short(work: Work) -> Iterator[StyledText]:
    yield from _trouble(work)
    for conclusion in work.conclusions:
        yield verdict_of(conclusion)
        yield StyledText(f"in force now: {conclusion.in_force.id}")
    yield from map(StyledText, report_lines(work, _page_of(work)))


def _write_in_full(page: TerminalWriter, work: Work) -> None:
    for conclusion in work.conclusions:
        page.write_lines(headline(conclusion, work.cycle))
    if work.conclusions:
        page.write_lines([StyledText(cost_line(work))])
    page.write_lines(_trouble(work))
    page.write_lines(StyledText(warmup_line(one), "yellow" if one.result.reply is None else "") for one in work.warmups)
    for conclusion in work.conclusions:
        page.write_lines([StyledText(f"{conclusion.phase}: baseline {conclusion.baseline.id}", bold=True)])
        page.table(rows_of_phase(conclusion), dispensable=DISPENSABLE)
        page.write_lines(_details(conclusion, loud=page.verbosity > 0))
    page.write_lines(map(StyledText, closing_lines(work, _page_of(work))))


def _trouble(work: Work) -> Iterator[StyledText]:
    """What went wrong, and why there is no decision: the reason first."""
    if work.problem:
        yield StyledText(f"not everything could be written: {work.problem}", "red")
    elif work.status != "decided":
        for text in undecided(work.status, work.counts, work.stopped_because, work.flaws):
            yield StyledText(text, "yellow")
    for note in work.notes:
        yield StyledText(note, "yellow")


def _page_of(work: Work) -> Path | None:
    return work.published.page if work.published is not None else None


def _details(conclusion: Conclusion, *, loud: bool) -> Iterator[StyledText]:
    """What each verdict rests on, what was found, and what is put on trial; `loud` tells passed gates, too."""
    for judgement in conclusion.judgements:
        yield from _judged(conclusion, judgement, loud=loud)
    if conclusion.pick.winner is None and Verdict.PROMOTE in {one.verdict for one in conclusion.judgements}:
        yield StyledText(conclusion.pick.sentence)
    for gate in conclusion.gates:
        if loud:
            yield StyledText(f"gate {gate.name} {_mark(gate)}: {gate.sentence}")
        elif not gate.passed:
            yield StyledText(f"gate {gate.name}: {gate.sentence}")
    for diagnosis in conclusion.diagnoses:
        yield StyledText(diagnosis_line(diagnosis))
    for change in conclusion.changes:
        if change.kind in _CHANGES:
            yield StyledText(change.sentence)


def _judged(conclusion: Conclusion, judgement: Judgement, *, loud: bool) -> Iterator[StyledText]:
    name, verdict = change_of(conclusion, judgement), judgement.verdict
    yield StyledText(f"{verdict} {name}: {judgement.grounds}", COLOURS[verdict])
    for gate in judgement.gates if loud else ():
        yield StyledText(f"  {_mark(gate)} {gate.name}: {gate.sentence}")


def _mark(gate: GateResult) -> str:
    return "passed" if gate.passed else "FAILED" if gate.asks is Verdict.REJECT else "UNSETTLED"


def write_gate(terminal: TerminalReporter, work: Work) -> None:
    """Write how what is in force stands against the bars of a build: the verdict first, then each gate.

    With -q only the gates that are not passed; with -qq a line for each phase.
    """
    page = TerminalWriter(terminal)
    page.title("selfopt gate")
    if page.verbosity < -1 and work.gated:
        page.write_lines(map(_gated_in_short, work.gated))
        return
    if work.gated:
        page.write_lines([_BUILD[status_of([found for one in work.gated for found in one.gates])]])
    if work.problem:
        page.write_lines([StyledText(work.problem, "red")])
    elif work.status != "decided":
        page.write_lines(StyledText(text, "yellow") for text in not_gated(work))
    page.write_lines(StyledText(note, "yellow") for note in work.notes if page.verbosity >= -1)
    for one in work.gated:
        _write_gated(page, one)


def _write_gated(page: TerminalWriter, one: GateOutcome) -> None:
    if page.verbosity >= 0:
        page.write_lines([StyledText(f"{one.phase}: {one.spec}")])
        page.table(rows_of({"in force": one.metrics}), dispensable=DISPENSABLE)
    for found in one.gates:
        if page.verbosity >= 0 or not found.passed:
            word, colour = ("pass", "green") if found.passed else _FAILED[found.asks]
            page.write_lines([StyledText(f"{word} {found.name}: {found.sentence}", colour)])
    if page.verbosity >= 0:
        page.write_lines([StyledText(f"compared with {one.beside}")])


def _gated_in_short(one: GateOutcome) -> StyledText:
    if one.verdict is Verdict.PROMOTE:
        return StyledText(f"pass {one.phase}: {one.spec}", "green")
    word, colour = _FAILED[one.verdict]
    return StyledText(f"{word} {one.phase}: {', '.join(found.name for found in one.gates if not found.passed)}", colour)
