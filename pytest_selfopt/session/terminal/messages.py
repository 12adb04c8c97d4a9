"""Sentences about a session: why nothing was decided, how a warm-up went, what was found, and where everything is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_selfopt.console.quantities import format_duration
from pytest_selfopt.cycle.phase_run import EvidenceProblem
from pytest_selfopt.ledger.ledger import Warmup
from pytest_selfopt.loop.diagnosis.kinds import Diagnosis
from pytest_selfopt.loop.evaluate import Metrics
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.settings import Mode
from pytest_selfopt.specs.spec import short_difference

if TYPE_CHECKING:
    from pytest_selfopt.cycle.result import CycleResult

NO_FLAWS: Mapping[EvidenceProblem, int] = MappingProxyType({})


def why_undecided(result: CycleResult) -> list[str]:
    """Why a cycle or a gate decided nothing, and how to go on."""
    if result.settings.mode is Mode.GATE:
        return _not_gated(result)
    return undecided(result.status, result.counts, result.stopped_because, result.evidence_problems)


def _not_gated(result: CycleResult) -> list[str]:
    """Why a gate decided nothing."""
    if result.status == "interrupted":
        return ["no decision: the session was interrupted"]
    if result.evidence_problems:
        return [f"no decision: the evidence is not whole (trials: {_flaws(result.evidence_problems)})"]
    return [f"no decision: {result.stopped_because or 'only some of the planned trials were selected'}"]


def _flaws(flaws: Mapping[EvidenceProblem, int]) -> str:
    return "; ".join(f"{number} {flaw}" for flaw, number in flaws.items())


def undecided(
    status: str, counts: Mapping[str, int], stopped_because: str = "", flaws: Mapping[EvidenceProblem, int] = NO_FLAWS
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


def cost_line(result: CycleResult) -> str:
    """What a cycle took."""
    metrics = [one for conclusion in result.conclusions for one in conclusion.metrics.values()]
    calls = sum(one.attempts for one in metrics)
    return f"{calls:,} calls in {format_duration(result.took_s)}, cost {_cost(metrics)}"


def _cost(metrics: Sequence[Metrics]) -> str:
    """What was spent: unknown is said to be unknown, never counted as nothing."""
    known, unpriced = sum(one.known_cost_usd for one in metrics), sum(one.unpriced for one in metrics)
    if not unpriced:
        return f"${known:.4f}"
    return f"at least ${known:.4f} and that of {unpriced:,} calls of unknown cost" if known else "unknown"


def closing_lines(result: CycleResult, report: Path | None = None) -> list[str]:
    """What was written where, what the next cycle does and, last of all, the page of the report, if there is one."""
    routing = result.settings.routing_path
    holds = f"{routing.name} holds what is in force" if routing.exists() else "no rule was written"
    lines = []
    if result.conclusions:
        lines.append(f"{holds}; history, decisions and ledger are in {result.settings.state_dir.name}/")
    for phase, plan in result.following.items():
        if phase in result.proven_next:
            lines.append(f"now, {phase}: proves {short_difference(plan.baseline, plan.candidates[0].spec)}")
        else:
            lines.append(f"next cycle, {phase}: {_next(plan)}")
    return [*lines, *report_lines(result, report)]


def report_lines(result: CycleResult, report: Path | None) -> list[str]:
    """The page of the report, as it is found from the rootdir; nothing where there is none."""
    if report is None:
        return []
    root = result.settings.rootdir
    return [f"report: {report.relative_to(root) if report.is_relative_to(root) else report}"]


def _next(plan: PhasePlan) -> str:
    if not plan.candidates:
        return "plateau, nothing untried is left around the configuration in force"
    tried = ", ".join(short_difference(plan.baseline, candidate.spec) for candidate in plan.candidates)
    return f"tries {tried} beside {plan.baseline.id}"
