"""The summary of a session on the terminal: the verdict first, then its evidence, and the next step."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_selfopt.console.verdict_text import describe_not_chosen
from pytest_selfopt.loop.build_gate import status_of
from pytest_selfopt.loop.cycle import Conclusion
from pytest_selfopt.loop.gate import CandidateJudgement
from pytest_selfopt.loop.gates.gate_result import GateResult, Verdict
from pytest_selfopt.session.terminal.headlines import COLOURS, change_of, headline, verdict_of
from pytest_selfopt.session.terminal.messages import (
    closing_lines,
    cost_line,
    diagnosis_line,
    files_line,
    report_lines,
    saved_lines,
    warmup_line,
    why_undecided,
)
from pytest_selfopt.session.terminal.metrics_table import DISPENSABLE, rows_of, rows_of_phase
from pytest_selfopt.session.terminal.writer import StyledText, TerminalWriter

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from pytest_selfopt.cycle.build_gate import GateOutcome
    from pytest_selfopt.cycle.result import CycleResult
    from pytest_selfopt.ledger.ledger import Warmup

_FAILED = {
    Verdict.REJECT: ("FAIL", "red"),
    Verdict.HOLD: ("UNSETTLED", "yellow"),
    Verdict.PROMOTE: ("FAIL", "red"),
}
_BUILD = {
    Verdict.PROMOTE: StyledText(
        "the gate is passed; nothing was written",
        "green",
        bold=True,
    ),
    Verdict.REJECT: StyledText(
        "the gate is not passed; nothing was written",
        "red",
        bold=True,
    ),
    Verdict.HOLD: StyledText(
        "the evidence is insufficient to pass or fail; nothing was written",
        "yellow",
        bold=True,
    ),
}
_CHANGES = ("trial", "skip", "confirmed", "rolled_back")


def write_summary(terminal: TerminalReporter, result: CycleResult, report: Path | None) -> None:
    """Write the decision and its reasons; for a session without a decision, why there is none.

    With -q only the verdict, the spec in force and the path of the report; with -qq a line for each phase.
    """
    page = TerminalWriter(terminal)
    page.title(f"selfopt cycle {result.cycle}")
    if page.verbosity < -1:
        page.write_lines(_verdicts(result))
    elif page.verbosity < 0:
        page.write_lines(_in_short(result, report))
    else:
        _write_in_full(page, result, report)


def _verdicts(result: CycleResult) -> list[StyledText]:
    """Return a line for each phase; without any, the first reason why there is no decision."""
    if result.conclusions:
        return [*map(verdict_of, result.conclusions), *_silent(result)]
    return list(_problems(result))[:1]


def _silent(result: CycleResult) -> Iterator[StyledText]:
    """Yield why nothing was decided in each phase in which no server answered."""
    for phase, reason in result.silent.items():
        yield _warning(f"{phase}: {reason}")


def _in_short(result: CycleResult, report: Path | None) -> Iterator[StyledText]:
    yield from _problems(result)
    for conclusion in result.conclusions:
        yield verdict_of(conclusion)
        yield StyledText(f"in force now: {conclusion.in_force.id}")
    yield from _silent(result)
    yield from map(StyledText, report_lines(report))


def _write_in_full(page: TerminalWriter, result: CycleResult, report: Path | None) -> None:
    page.write_lines([StyledText(files_line(result.settings))])
    for conclusion in result.conclusions:
        page.write_lines(headline(conclusion, result.cycle))
    page.write_lines(_silent(result))
    if result.totals is not None:
        page.write_lines([StyledText(cost_line(result.totals))])
        page.write_lines(map(StyledText, saved_lines(result.conclusions)))
    page.write_lines(_problems(result))
    page.write_lines(map(_warmup, result.warmups))
    for conclusion in result.conclusions:
        _write_phase(page, conclusion)
    page.write_lines(map(StyledText, closing_lines(result, report)))
    if page.has_scrolled:
        page.write_lines(map(verdict_of, result.conclusions))


def write_warmups(terminal: TerminalReporter, warmups: Sequence[Warmup]) -> None:
    """Write the warm-ups of a session that judges nothing; with -q only those that failed."""
    page = TerminalWriter(terminal)
    for warmup in warmups:
        if page.verbosity >= 0 or warmup.result.received is None:
            line = _warmup(warmup)
            page.write_lines([replace(line, text=f"selfopt: {line.text}")])


def _warmup(warmup: Warmup) -> StyledText:
    line = warmup_line(warmup)
    if warmup.result.received is None:
        return StyledText(line, "yellow")
    return StyledText(line)


def _write_phase(page: TerminalWriter, conclusion: Conclusion) -> None:
    title = f"{conclusion.phase}: baseline {conclusion.baseline.id}"
    page.write_lines([StyledText(title, bold=True)])
    rows = rows_of_phase(conclusion)
    page.table(rows, dispensable=DISPENSABLE)
    page.write_lines(_details(conclusion, loud=page.verbosity > 0))


def _problems(result: CycleResult) -> Iterator[StyledText]:
    """Yield what went wrong, and why there is no decision: the reason first."""
    if result.problem:
        yield StyledText(f"no decision, and nothing was written: {result.problem}", "red")
        if result.cycle:
            yield StyledText("  --selfopt-resume decides by the answers in the ledger, and asks only for missing ones")
    elif result.status != "decided":
        yield from map(_warning, why_undecided(result))
    yield from map(_warning, result.notes)


def _details(conclusion: Conclusion, *, loud: bool) -> Iterator[StyledText]:
    """Yield the evidence of each verdict, the diagnoses and the rules on trial; `loud` includes passed gates."""
    for judgement in conclusion.judgements:
        yield from _judged(conclusion, judgement, loud=loud)
    if conclusion.pick.winner is None and _has_better(conclusion):
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


def _has_better(conclusion: Conclusion) -> bool:
    """Whether a candidate was judged better than the baseline."""
    return any(judgement.verdict is Verdict.PROMOTE for judgement in conclusion.judgements)


def _judged(conclusion: Conclusion, judgement: CandidateJudgement, *, loud: bool) -> Iterator[StyledText]:
    verdict = judgement.verdict
    line = f"{verdict} {change_of(conclusion, judgement)}: {judgement.grounds}"
    if verdict is Verdict.PROMOTE and judgement is not conclusion.pick.winner:
        yield StyledText(_not_chosen(conclusion, judgement))
    else:
        yield StyledText(line, COLOURS[verdict])
    if not loud:
        return
    for gate in judgement.gates:
        yield StyledText(f"  {_mark(gate)} {gate.name}: {gate.sentence}")


def _not_chosen(conclusion: Conclusion, judgement: CandidateJudgement) -> str:
    """Describe a candidate that passed without winning: first how the winner did beside it."""
    beside = conclusion.beside_winner(judgement.spec)
    line = f"{change_of(conclusion, judgement)} {describe_not_chosen(beside)}"
    if beside is None:
        line += f"; {judgement.grounds}"
    return line


def _mark(gate: GateResult) -> str:
    if gate.passed:
        return "passed"
    if gate.asks is Verdict.REJECT:
        return "FAILED"
    return "UNSETTLED"


def write_gate(terminal: TerminalReporter, result: CycleResult) -> None:
    """Write the result of a gate: the verdict on the build first, then each gate.

    With -q only the gates that are not passed; with -qq a line for each phase.
    """
    page = TerminalWriter(terminal)
    page.title("selfopt gate")
    if page.verbosity < -1 and result.gated:
        page.write_lines(map(_gated_in_short, result.gated))
        return
    if page.verbosity >= 0:
        page.write_lines([StyledText(files_line(result.settings))])
    if result.gated:
        page.write_lines([_BUILD[_build_status(result)]])
    if result.problem:
        page.write_lines([StyledText(result.problem, "red")])
    elif result.status != "decided":
        page.write_lines(map(_warning, why_undecided(result)))
    if page.verbosity >= -1:
        page.write_lines(map(_warning, result.notes))
    if page.verbosity >= 0:
        page.write_lines(map(_warmup, result.warmups))
    for outcome in result.gated:
        _write_gated(page, outcome)


def _build_status(result: CycleResult) -> Verdict:
    """Return the verdict on a build: that of the gates of all phases."""
    gates: list[GateResult] = []
    for outcome in result.gated:
        gates.extend(outcome.gates)
    return status_of(gates)


def _warning(text: str) -> StyledText:
    return StyledText(text, "yellow")


def _write_gated(page: TerminalWriter, outcome: GateOutcome) -> None:
    in_full = page.verbosity >= 0
    if in_full:
        title = f"{outcome.phase}: {outcome.spec}"
        page.write_lines([StyledText(title)])
        rows = rows_of({"in force": outcome.metrics})
        page.table(rows, dispensable=DISPENSABLE)
    for gate in outcome.gates:
        if in_full or not gate.passed:
            page.write_lines([_gate_line(gate)])
    if in_full or outcome.compared.is_missing:
        page.write_lines(_compared_with(outcome))


def _compared_with(outcome: GateOutcome) -> Iterator[StyledText]:
    """Yield what a build was compared with, and which cases were not."""
    line = StyledText(f"compared with {outcome.compared.beside}")
    if outcome.compared.is_missing:
        line = replace(line, colour="yellow")
    yield line
    for change in outcome.compared.changes.lines:
        yield _warning(f"  {change}")


def _gate_line(gate: GateResult) -> StyledText:
    word, colour = "pass", "green"
    if not gate.passed:
        word, colour = _FAILED[gate.asks]
    return StyledText(f"{word} {gate.name}: {gate.sentence}", colour)


def _gated_in_short(outcome: GateOutcome) -> StyledText:
    if outcome.verdict is Verdict.PROMOTE:
        return StyledText(f"pass {outcome.phase}: {outcome.spec}", "green")
    word, colour = _FAILED[outcome.verdict]
    failed = [gate.name for gate in outcome.gates if not gate.passed]
    return StyledText(f"{word} {outcome.phase}: {', '.join(failed)}", colour)
