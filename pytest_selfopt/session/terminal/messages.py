"""Sentences about a session: why nothing was decided, how a warm-up went, what was found, and where everything is."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_selfopt.console.quantities import format_chance, format_duration, format_known_cost
from pytest_selfopt.console.verdict_text import NEXT_STEPS, UNDECIDED
from pytest_selfopt.cycle.phase_run import EvidenceProblem
from pytest_selfopt.ledger.ledger import Warmup
from pytest_selfopt.ledger.records import CycleTotals
from pytest_selfopt.loop.diagnosis.kinds import Diagnosis
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.settings import Mode
from pytest_selfopt.specs.spec import short_difference

if TYPE_CHECKING:
    from pytest_selfopt.cycle.result import CycleResult

NO_FLAWS: Mapping[EvidenceProblem, int] = MappingProxyType({})
_UNCHANGED = "nothing was promoted or rewritten"


def why_undecided(result: CycleResult) -> list[str]:
    """Why a cycle or a gate decided nothing, and how to go on."""
    if result.settings.mode is Mode.GATE:
        return _not_gated(result)
    return undecided(result.status, result.counts, result.stopped_because, result.evidence_problems)


def _not_gated(result: CycleResult) -> list[str]:
    """Why a gate decided nothing."""
    if result.status == "interrupted":
        return [f"no decision: {UNDECIDED['interrupted']}"]
    if result.evidence_problems:
        flaws = _flaws(result.evidence_problems)
        return [f"no decision: the evidence is not whole (trials: {flaws})"]
    return [f"no decision: {result.stopped_because or UNDECIDED['partial']}"]


def _flaws(flaws: Mapping[EvidenceProblem, int]) -> str:
    return "; ".join(f"{number} {flaw}" for flaw, number in flaws.items())


def undecided(
    status: str,
    counts: Mapping[str, int],
    stopped_because: str = "",
    flaws: Mapping[EvidenceProblem, int] = NO_FLAWS,
) -> list[str]:
    """Why a session that recorded trials decided nothing, and how to go on."""
    kept = f"kept in the ledger: {_booked(counts)}"
    if flaws:
        problem = f"the evidence is not whole (trials: {_flaws(flaws)})"
        next_step = NEXT_STEPS["interrupted"]
        return [f"no decision: {problem}; {_UNCHANGED}", f"{kept}; {next_step}"]
    next_step = NEXT_STEPS.get(status, "")
    if status == "stopped":
        return [f"HOLD: {stopped_because}; {_UNCHANGED}", f"{kept}; {next_step}"]
    reason = UNDECIDED.get(status, status)
    return [f"no decision: {reason}; {_UNCHANGED}", f"{kept}; {next_step}"]


def _booked(counts: Mapping[str, int]) -> str:
    amounts = [f"{number} {name}" for name, number in sorted(counts.items())]
    return ", ".join(amounts) or "no calls"


def warmup_line(warmup: Warmup) -> str:
    """How the warm-up call of a spec went."""
    result = warmup.result
    took = f"{result.ended - result.started:.2f} s"
    subject = f"warm-up of {warmup.spec}"
    if result.reply is None:
        error = result.error
        assert error is not None
        return f"{subject} failed after {took}: {error.kind}: {error.message}"
    load_s = result.reply.load_s
    if load_s:
        took += f", {load_s:.2f} s of it loading"
    return f"{subject}: answered in {took}"


def diagnosis_line(diagnosis: Diagnosis) -> str:
    """A finding with the trials it rests on, and how likely they would be by chance."""
    line = f"diagnosis: {diagnosis.kind}: {diagnosis.sentence}"
    grounds: list[str] = []
    if diagnosis.trials:
        grounds.append(f"{diagnosis.trials:,} trials")
    if diagnosis.chance is not None:
        grounds.append(f"by chance {format_chance(diagnosis.chance)}")
    if grounds:
        line += f" ({', '.join(grounds)})"
    return line


def cost_line(totals: CycleTotals) -> str:
    """The calls, the time and the money of a cycle."""
    took = format_duration(totals.seconds)
    cost = format_known_cost(totals.known_cost_usd, totals.unpriced)
    return f"{totals.calls:,} calls in {took}, cost {cost}"


def closing_lines(result: CycleResult, report: Path | None = None) -> list[str]:
    """What was written where, what the next cycle does and, last of all, the page of the report, if there is one."""
    lines: list[str] = []
    if result.conclusions:
        holds = _describe_rules(result.settings.routing_path)
        state_dir = result.settings.state_dir.name
        lines.append(f"{holds}; history, decisions and ledger are in {state_dir}/")
    for phase, plan in result.following.items():
        if phase in result.proven_next:
            change = short_difference(plan.baseline, plan.candidates[0].spec)
            lines.append(f"now, {phase}: proves {change}")
        else:
            lines.append(f"next cycle, {phase}: {_next(plan)}")
    lines += report_lines(result, report)
    return lines


def _describe_rules(routing: Path) -> str:
    if routing.exists():
        return f"{routing.name} holds what is in force"
    return "no rule was written"


def report_lines(result: CycleResult, report: Path | None) -> list[str]:
    """The page of the report, as it is found from the rootdir; nothing where there is none."""
    if report is None:
        return []
    root = result.settings.rootdir
    if report.is_relative_to(root):
        report = report.relative_to(root)
    return [f"report: {report}"]


def _next(plan: PhasePlan) -> str:
    if not plan.candidates:
        return "plateau, nothing untried is left around the configuration in force"
    changes: list[str] = []
    for candidate in plan.candidates:
        change = short_difference(plan.baseline, candidate.spec)
        changes.append(change)
    return f"tries {', '.join(changes)} beside {plan.baseline.id}"
