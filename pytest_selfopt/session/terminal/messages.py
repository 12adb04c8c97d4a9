"""Sentences about a session: why it is undecided, its warm-ups, diagnoses and cost, and where its files are."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from pytest_selfopt.console.quantities import describe_chance, format_duration, format_known_cost
from pytest_selfopt.console.verdict_text import NEXT_STEPS, NOTHING_DECIDED, UNDECIDED, describe_saved
from pytest_selfopt.cycle.phase_run import EvidenceProblem
from pytest_selfopt.ledger.ledger import Warmup
from pytest_selfopt.ledger.records import CycleTotals
from pytest_selfopt.loop.cycle import Conclusion
from pytest_selfopt.loop.diagnosis.kinds import Diagnosis
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.settings import Mode, Settings
from pytest_selfopt.settings_lookup import shown_path
from pytest_selfopt.specs.spec import short_difference
from pytest_selfopt.trial import BLOCKED

if TYPE_CHECKING:
    from pytest_selfopt.cycle.result import CycleResult

NO_PROBLEMS: Mapping[EvidenceProblem, int] = MappingProxyType({})
_UNCHANGED = "nothing was promoted or rewritten"


def files_line(settings: Settings) -> str:
    """Return which settings, state directory and routing configuration are used, and which settings are not."""
    cwd = Path.cwd()
    source = "none, so the defaults hold"
    if settings.settings_path is not None:
        source = shown_path(settings.settings_path, cwd)
    state, routing = shown_path(settings.state_dir, cwd), shown_path(settings.routing_path, cwd)
    line = f"settings: {source}; state: {state}; routing: {routing}"
    if settings.unused_settings:
        line += f"; not used: {', '.join(shown_path(path, cwd) for path in settings.unused_settings)}"
    return line


def why_undecided(result: CycleResult) -> list[str]:
    """Return why a cycle or a gate decided nothing, and how to continue."""
    if result.settings.mode is Mode.GATE:
        return _not_gated(result)
    return undecided(result.status, result.counts, result.stopped_because, result.evidence_problems)


def _not_gated(result: CycleResult) -> list[str]:
    """Return why a gate decided nothing."""
    if result.status == "interrupted":
        return [f"no decision: {UNDECIDED['interrupted']}"]
    if result.evidence_problems:
        problems = _describe_problems(result.evidence_problems)
        return [f"no decision: the evidence is not whole (trials: {problems})"]
    return [f"no decision: {result.stopped_because or UNDECIDED['partial']}"]


def _describe_problems(problems: Mapping[EvidenceProblem, int]) -> str:
    return "; ".join(f"{number} {problem}" for problem, number in problems.items())


def undecided(
    status: str,
    counts: Mapping[str, int],
    stopped_because: str = "",
    problems: Mapping[EvidenceProblem, int] = NO_PROBLEMS,
) -> list[str]:
    """Return why a session that recorded trials decided nothing, and how to continue."""
    kept = f"kept in the ledger: {_describe_counts(counts)}"
    if problems:
        problem = f"the evidence is not whole (trials: {_describe_problems(problems)})"
        next_step = NEXT_STEPS["interrupted"]
        return [f"no decision: {problem}; {_UNCHANGED}", f"{kept}; {next_step}"]
    next_step = NEXT_STEPS.get(status, "")
    if BLOCKED in stopped_because:
        next_step = NEXT_STEPS["interrupted"]
    if NOTHING_DECIDED in stopped_because:
        return [stopped_because, f"{kept}; {NEXT_STEPS['interrupted']}"]
    if status == "stopped":
        return [f"HOLD: {stopped_because}; {_UNCHANGED}", f"{kept}; {next_step}"]
    reason = UNDECIDED.get(status, status)
    return [f"no decision: {reason}; {_UNCHANGED}", f"{kept}; {next_step}"]


def _describe_counts(counts: Mapping[str, int]) -> str:
    amounts = [f"{number} {name}" for name, number in sorted(counts.items())]
    return ", ".join(amounts) or "no calls"


def warmup_line(warmup: Warmup) -> str:
    """Describe the warm-up call of a spec."""
    result = warmup.result
    took = f"{result.ended - result.started:.2f} s"
    subject = f"warm-up of {warmup.spec}"
    reply = result.received
    if reply is None:
        error = result.error
        assert error is not None
        return f"{subject} failed after {took}: {error.kind}: {error.message}"
    load_s = reply.load_s
    if load_s:
        took += f", {load_s:.2f} s of it loading"
    return f"{subject}: answered in {took}"


def diagnosis_line(diagnosis: Diagnosis) -> str:
    """Describe a diagnosis, with its trials and their probability by chance."""
    line = f"diagnosis: {diagnosis.kind}: {diagnosis.sentence}"
    grounds: list[str] = []
    if diagnosis.trials:
        grounds.append(f"{diagnosis.trials:,} trials")
    grounds.append(describe_chance(diagnosis.chance))
    shown = ", ".join(filter(None, grounds))
    if shown:
        line += f" ({shown})"
    return line


def cost_line(totals: CycleTotals) -> str:
    """Describe the calls, the time and the cost of a cycle."""
    took = format_duration(totals.seconds)
    cost = format_known_cost(totals.known_cost_usd, totals.unpriced)
    return f"{totals.calls:,} calls in {took}, cost {cost}"


def saved_lines(conclusions: Iterable[Conclusion]) -> Iterator[str]:
    """Yield what candidates that left early saved, for each phase."""
    for conclusion in conclusions:
        specs = (conclusion.baseline.id, *(judgement.spec for judgement in conclusion.judgements))
        measured = [conclusion.metrics[spec] for spec in specs]
        saved = describe_saved([metrics.trials for metrics in measured], measured[0].cases)
        if saved:
            yield f"{conclusion.phase}: {saved}"


def closing_lines(result: CycleResult, report: Path | None = None) -> list[str]:
    """Return lines on the files written, the next cycle and, last, the page of the report, if any."""
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
    lines += report_lines(report)
    return lines


def _describe_rules(routing: Path) -> str:
    if routing.exists():
        return f"{routing.name} holds what is in force"
    return "no rule was written"


def report_lines(report: Path | None) -> list[str]:
    """Return a line with the page of the report; nothing without a page."""
    if report is None:
        return []
    return [f"report: {shown_path(report, Path.cwd())}"]


def _next(plan: PhasePlan) -> str:
    if not plan.candidates:
        return f"plateau, {plan.plateau}"
    changes: list[str] = []
    for candidate in plan.candidates:
        change = short_difference(plan.baseline, candidate.spec)
        changes.append(change)
    return f"tries {', '.join(changes)} beside {plan.baseline.id}"
