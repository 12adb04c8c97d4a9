"""What a session came to, on the terminal: the verdict first, then what it rests on, and what comes next."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_selfopt.ledger.ledger import Warmup
from pytest_selfopt.loop.bars import status_of
from pytest_selfopt.loop.cycle import Conclusion
from pytest_selfopt.loop.diagnosis import Diagnosis
from pytest_selfopt.loop.evaluate import Metrics
from pytest_selfopt.loop.gate import Judgement
from pytest_selfopt.loop.gates import GateResult, Verdict
from pytest_selfopt.report.columns import aligned
from pytest_selfopt.session.phases import Flaw
from pytest_selfopt.session.planned import PhasePlan
from pytest_selfopt.session.progress import minutes
from pytest_selfopt.session.writing import Page
from pytest_selfopt.specs.spec import parse_spec, short_difference

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from pytest_selfopt.session.gating import Gated
    from pytest_selfopt.session.work import Work

NO_FLAWS: Mapping[Flaw, int] = MappingProxyType({})
COLOURS = {Verdict.PROMOTE: "green", Verdict.HOLD: "yellow", Verdict.REJECT: "red"}

_COLUMNS: dict[str, Callable[[Metrics], str]] = {
    "accuracy": lambda one: f"{one.accuracy:.3f}",
    "restraint": lambda one: "-" if one.restraint is None else f"{one.restraint:.2f}",
    "errors": lambda one: str(one.errors),
    "no call": lambda one: str(one.silent_misses),
    "wrong call": lambda one: str(one.wrong_calls),
    "median": lambda one: "-" if one.latency_median_s is None else f"{one.latency_median_s:.2f} s",
    "passes": lambda one: str(len(one.runs)),
}
_DISPENSABLE = ("no call", "wrong call", "1st attempt", "passes", "median", "restraint", "errors")
"""Columns that a narrow terminal does without, in this order."""


def write_summary(terminal: TerminalReporter, work: Work) -> None:
    """Write what was decided and why; for a session without a decision, why there is none.

    With -q only the verdict, what is in force and where the report is; with -qq the verdict alone.
    """
    page = Page(terminal)
    page.title(f"selfopt cycle {work.cycle}")
    _write_trouble(page, work)
    for conclusion in work.conclusions:
        text, verdict = result_of(conclusion)
        page.say(text, bold=True, **{COLOURS[verdict]: True})
        if page.loudness == -1:
            page.say(f"in force now: {conclusion.in_force.id}")
    if page.loudness >= 0:
        for warmup in work.warmups:
            page.say(warmup_line(warmup), yellow=warmup.result.reply is None)
        for conclusion in work.conclusions:
            _write_phase(page, conclusion)
        for line in closing_lines(work) if work.conclusions else []:
            page.say(line)
    if page.loudness >= -1 and work.published is not None and work.published.page is not None:
        page.rows([f"report: {_from_here(work.published.page)}"])


def result_of(conclusion: Conclusion) -> tuple[str, Verdict]:
    """What came of a phase in a sentence that needs no other, and the verdict that it is."""
    phase, winner = conclusion.phase, conclusion.pick.winner
    if winner is not None:
        before = conclusion.metrics[conclusion.baseline.id].accuracy
        after = conclusion.metrics[winner.spec].accuracy
        name = _change(conclusion, winner)
        return f"PROMOTE {phase}: {name}, {after:.3f} of answers right instead of {before:.3f}", Verdict.PROMOTE
    named: dict[Verdict, list[str]] = {verdict: [] for verdict in Verdict}
    for one in conclusion.judgements:
        named[one.verdict].append(_change(conclusion, one))
    if named[Verdict.PROMOTE]:
        better = ", ".join(named[Verdict.PROMOTE])
        return f"HOLD {phase}: {better} is better, and promoting is switched off", Verdict.HOLD
    if named[Verdict.HOLD]:
        return f"HOLD {phase}: the evidence on {', '.join(named[Verdict.HOLD])} is short", Verdict.HOLD
    tried = len(conclusion.judgements)
    if not tried:
        return f"REJECT {phase}: nothing was left to try; what is in force stays", Verdict.REJECT
    which = "the candidate is not" if tried == 1 else f"none of {tried} candidates is"
    return f"REJECT {phase}: {which} better than what is in force", Verdict.REJECT


def _write_trouble(page: Page, work: Work) -> None:
    """What went wrong, and why there is no decision."""
    for note in work.notes:
        page.say(note, yellow=True)
    if work.problem:
        page.say(f"not everything could be written: {work.problem}", red=True)
    if work.status != "decided" and not work.problem:
        for text in undecided(work.status, work.counts, work.stopped_because, work.flaws):
            page.say(text, yellow=True)


def _from_here(path: Path) -> str:
    """A path as one types it here: relative where it lies below the current folder."""
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def write_gate(terminal: TerminalReporter, work: Work) -> None:
    """Write how what is in force stands against the bars of a build: the verdict first, then each gate.

    With -q only the gates that are not passed.
    """
    page = Page(terminal)
    page.title("selfopt gate")
    for note in work.notes:
        page.say(note, yellow=True)
    if work.problem:
        page.say(work.problem, red=True)
    elif work.status != "decided":
        for text in not_gated(work):
            page.say(text, yellow=True)
    if work.gated:
        text, colour = _BUILD[status_of([found for one in work.gated for found in one.gates])]
        page.say(text, bold=True, **{colour: True})
    for one in work.gated:
        _write_gated(page, one)


def _write_gated(page: Page, one: Gated) -> None:
    if page.loudness >= 0:
        page.say(f"{one.phase}: {one.spec}")
        page.rows(_aligned({"in force": one.metrics}, page.width))
    for found in one.gates:
        if page.loudness >= 0 or not found.passed:
            word, colour = ("pass", "green") if found.passed else _FAILED[found.asks]
            page.say(f"{word} {found.name}: {found.sentence}", **{colour: True})
    if page.loudness >= 0:
        page.say(f"compared with {one.beside}")


_FAILED = {Verdict.REJECT: ("FAIL", "red"), Verdict.HOLD: ("UNSETTLED", "yellow"), Verdict.PROMOTE: ("FAIL", "red")}
_BUILD = {
    Verdict.PROMOTE: ("the gate is passed; nothing was written", "green"),
    Verdict.REJECT: ("the gate is not passed; nothing was written", "red"),
    Verdict.HOLD: ("the evidence is too short to pass or fail; nothing was written", "yellow"),
}


def not_gated(work: Work) -> list[str]:
    """Why a gate decided nothing."""
    if work.status == "interrupted":
        return ["no decision: the session was interrupted"]
    if work.flaws:
        return [f"no decision: the evidence is not whole (trials: {_flaws(work.flaws)})"]
    return [f"no decision: {work.stopped_because or 'only some of the planned trials were selected'}"]


def _flaws(flaws: Mapping[Flaw, int]) -> str:
    return "; ".join(f"{number} {flaw}" for flaw, number in flaws.items())


def undecided(
    status: str, counts: dict[str, int], stopped_because: str = "", flaws: Mapping[Flaw, int] = NO_FLAWS
) -> list[str]:
    """Why a session that recorded trials decided nothing, and how to go on."""
    booked = ", ".join(f"{number} {name}" for name, number in sorted(counts.items())) or "no calls"
    kept = f"kept in the ledger: {booked}"
    if flaws:
        return [
            f"no decision: the evidence is not whole (trials: {_flaws(flaws)}); nothing was promoted or rewritten",
            f"{kept}; --selfopt-cycle --selfopt-resume makes only the calls that are missing",
        ]
    if status == "stopped":
        return [
            f"HOLD: {stopped_because}; nothing was promoted or rewritten",
            f"{kept}; --selfopt-cycle --selfopt-resume with a larger budget goes on from there",
        ]
    if status == "interrupted":
        return [
            "no decision: the session was interrupted; nothing was promoted or rewritten",
            f"{kept}; --selfopt-cycle --selfopt-resume goes on from there",
        ]
    reason = "only some of the planned trials were selected"
    return [f"no decision: {reason}; nothing was promoted or rewritten", kept]


def warmup_line(warmup: Warmup) -> str:
    """How the warm-up call of a spec went."""
    result = warmup.result
    took = f"{result.ended - result.started:.2f} s"
    if result.reply is None:
        assert result.error is not None
        return f"warm-up of {warmup.spec} failed after {took}: {result.error.kind}: {result.error.message}"
    load_s = result.reply.load_s
    return f"warm-up of {warmup.spec}: answered in {took}{f', {load_s:.2f} s of it loading' if load_s else ''}"


def table(conclusion: Conclusion, width: int) -> list[str]:
    """The specs side by side, aligned: what was measured of each, and how its misses came about."""
    names = {conclusion.baseline.id: "baseline"}
    names |= {judgement.spec: _change(conclusion, judgement) for judgement in conclusion.judgements}
    return _aligned({name: conclusion.metrics[spec] for spec, name in names.items()}, width)


def _aligned(named: Mapping[str, Metrics], width: int) -> list[str]:
    columns = dict(_COLUMNS)
    if any(one.first_attempt_passes < one.passes for one in named.values()):
        columns["1st attempt"] = lambda one: f"{one.first_attempt_accuracy:.3f}"
    rows: list[tuple[str, ...]] = [("", *columns)]
    rows += [(name, *(cell(metrics) for cell in columns.values())) for name, metrics in named.items()]
    return aligned(rows, width, dispensable=_DISPENSABLE)


def diagnosis_line(diagnosis: Diagnosis) -> str:
    """A finding with the trials it rests on, and how likely they would be by chance."""
    rests = f"{diagnosis.trials:,} trials" if diagnosis.trials else ""
    chance = "" if diagnosis.chance is None else f"by chance {_chance(diagnosis.chance)}"
    grounds = ", ".join(filter(None, (rests, chance)))
    return f"diagnosis: {diagnosis.kind}: {diagnosis.sentence}{f' ({grounds})' if grounds else ''}"


def _chance(share: float) -> str:
    if share >= 0.001:
        return f"{share:.1%}"
    return "less than 1 in 10^9" if share < 1e-9 else f"1 in {round(1 / share):,}"


def closing_lines(work: Work) -> list[str]:
    """What was written where, what the next cycle does, and what this one took."""
    metrics = [one for conclusion in work.conclusions for one in conclusion.metrics.values()]
    calls = sum(one.attempts for one in metrics)
    routing = work.settings.routing_path
    holds = f"{routing.name} holds what is in force" if routing.exists() else "no rule was written"
    lines = [
        f"{holds}; history, decisions and ledger are in {work.settings.state_dir.name}/",
        f"{calls:,} calls in {minutes(work.took_s)}, cost {_cost(metrics)}",
    ]
    for phase, plan in work.following.items():
        if phase in work.proven_next:
            lines.append(f"now, {phase}: proves {short_difference(plan.baseline, plan.candidates[0].spec)}")
        else:
            lines.append(f"next cycle, {phase}: {_next(plan)}")
    return lines


def _write_phase(page: Page, conclusion: Conclusion) -> None:
    page.say(f"{conclusion.phase}: baseline {conclusion.baseline.id}", bold=True)
    page.rows(table(conclusion, page.width))
    for judgement in conclusion.judgements:
        text = f"{judgement.verdict} {_change(conclusion, judgement)}: {judgement.grounds}"
        page.say(text, **{COLOURS[judgement.verdict]: True})
        for gate in judgement.gates if page.loudness > 0 else ():
            page.say(f"  {_mark(gate)} {gate.name}: {gate.sentence}")
    in_force = "the baseline" if conclusion.in_force == conclusion.baseline else "on trial"
    in_force = "the winner" if conclusion.pick.winner else in_force
    page.say(f"in force now: {conclusion.in_force.id} ({in_force})")
    if conclusion.pick.winner is None and Verdict.PROMOTE in {one.verdict for one in conclusion.judgements}:
        page.say(conclusion.pick.sentence)
    for gate in conclusion.gates:
        if not gate.passed or page.loudness > 0:
            page.say(f"gate {gate.name}: {gate.sentence}")
    for diagnosis in conclusion.diagnoses:
        page.say(diagnosis_line(diagnosis))
    for change in conclusion.changes:
        if change.kind in ("trial", "skip", "confirmed", "rolled_back"):
            page.say(change.sentence)


def _mark(gate: GateResult) -> str:
    return "passed" if gate.passed else "FAILED" if gate.asks is Verdict.REJECT else "UNSETTLED"


def _cost(metrics: Sequence[Metrics]) -> str:
    """What was spent: unknown is said to be unknown, never counted as nothing."""
    known, unpriced = sum(one.known_cost_usd for one in metrics), sum(one.unpriced for one in metrics)
    if not unpriced:
        return f"${known:.4f}"
    return f"at least ${known:.4f} and that of {unpriced:,} calls of unknown cost" if known else "unknown"


def _change(conclusion: Conclusion, judgement: Judgement) -> str:
    return short_difference(conclusion.baseline, parse_spec(judgement.spec))


def _next(plan: PhasePlan) -> str:
    if not plan.candidates:
        return "plateau, nothing untried is left around the configuration in force"
    tried = ", ".join(short_difference(plan.baseline, candidate.spec) for candidate in plan.candidates)
    return f"tries {tried} beside {plan.baseline.id}"
