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
    report_lines,
    warmup_line,
    why_undecided,
)
from pytest_selfopt.session.terminal.metrics_table import DISPENSABLE, rows_of, rows_of_phase
from pytest_selfopt.session.terminal.writer import StyledText, TerminalWriter

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from pytest_selfopt.cycle.gate import GateOutcome
    from pytest_selfopt.cycle.result import CycleResult

_FAILED = {Verdict.REJECT: ("FAIL", "red"), Verdict.HOLD: ("UNSETTLED", "yellow"), Verdict.PROMOTE: ("FAIL", "red")}
_BUILD = {
    Verdict.PROMOTE: StyledText("the gate is passed; nothing was written", "green", bold=True),
    Verdict.REJECT: StyledText("the gate is not passed; nothing was written", "red", bold=True),
    Verdict.HOLD: StyledText("the evidence is too short to pass or fail; nothing was written", "yellow", bold=True),
}
_CHANGES = ("trial", "skip", "confirmed", "rolled_back")


def write_summary(terminal: TerminalReporter, result: CycleResult, report: Path | None) -> None:
    """Write what was decided and why; for a session without a decision, why there is none.

    With -q only the verdict, what is in force and where the report is; with -qq a line for each phase.
    """
    page = TerminalWriter(terminal)
    page.title(f"selfopt cycle {result.cycle}")
    if page.verbosity < -1:
        page.write_lines([*map(verdict_of, result.conclusions)] or [*_trouble(result)][:1])
    elif page.verbosity < 0:
        page.write_lines(_in_short(result, report))
    else:
        _write_in_full(page, result, report)


def _in_short(result: CycleResult, report: Path | None) -> Iterator[StyledText]:
    yield from _trouble(result)
    for conclusion in result.conclusions:
        yield verdict_of(conclusion)
        yield StyledText(f"in force now: {conclusion.in_force.id}")
    yield from map(StyledText, report_lines(result, report))


def _write_in_full(page: TerminalWriter, result: CycleResult, report: Path | None) -> None:
    for conclusion in result.conclusions:
        page.write_lines(headline(conclusion, result.cycle))
    if result.conclusions:
        page.write_lines([StyledText(cost_line(result))])
    page.write_lines(_trouble(result))
    page.write_lines(
        StyledText(warmup_line(one), "yellow" if one.result.reply is None else "") for one in result.warmups
    )
    for conclusion in result.conclusions:
        page.write_lines([StyledText(f"{conclusion.phase}: baseline {conclusion.baseline.id}", bold=True)])
        page.table(rows_of_phase(conclusion), dispensable=DISPENSABLE)
        page.write_lines(_details(conclusion, loud=page.verbosity > 0))
    page.write_lines(map(StyledText, closing_lines(result, report)))


def _trouble(result: CycleResult) -> Iterator[StyledText]:
    """What went wrong, and why there is no decision: the reason first."""
    if result.problem:
        yield StyledText(f"not everything could be written: {result.problem}", "red")
    elif result.status != "decided":
        for text in why_undecided(result):
            yield StyledText(text, "yellow")
    for note in result.notes:
        yield StyledText(note, "yellow")


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


def write_gate(terminal: TerminalReporter, result: CycleResult) -> None:
    """Write how what is in force stands against the bars of a build: the verdict first, then each gate.

    With -q only the gates that are not passed; with -qq a line for each phase.
    """
    page = TerminalWriter(terminal)
    page.title("selfopt gate")
    if page.verbosity < -1 and result.gated:
        page.write_lines(map(_gated_in_short, result.gated))
        return
    if result.gated:
        page.write_lines([_BUILD[status_of([found for one in result.gated for found in one.gates])]])
    if result.problem:
        page.write_lines([StyledText(result.problem, "red")])
    elif result.status != "decided":
        page.write_lines(StyledText(text, "yellow") for text in why_undecided(result))
    page.write_lines(StyledText(note, "yellow") for note in result.notes if page.verbosity >= -1)
    for one in result.gated:
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
