"""`selfopt decide`: judges the stored evidence of a cycle again, by the current gates, without a call."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_selfopt.cycle.finish import evidence_of
from pytest_selfopt.cycle.history_entry import verdict_entry
from pytest_selfopt.cycle.phase_run import PhaseRun
from pytest_selfopt.errors import NothingRecordedError, SpecError, StateError
from pytest_selfopt.ledger.comparisons import Comparison
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.ledger.schema import require_ledger
from pytest_selfopt.loop.cycle import Conclusion, conclude
from pytest_selfopt.loop.gates.gate_result import no_project_gates
from pytest_selfopt.loop.generate import Candidate
from pytest_selfopt.loop.thresholds import DecisionRule
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.routing.history import HISTORY, read_history
from pytest_selfopt.settings import Settings
from pytest_selfopt.specs.spec import parse_spec


@dataclass(frozen=True, slots=True, kw_only=True)
class RedecidedPhase:
    """A phase of a cycle judged again: `verdicts` now and as `recorded`, both in the form of the history."""

    cycle: int
    phase: str
    conclusion: Conclusion
    verdicts: tuple[dict[str, Any], ...]
    recorded: tuple[dict[str, Any], ...]

    @property
    def same(self) -> bool:
        """Whether the verdicts are identical, to the last digit."""
        return _agrees(list(self.verdicts), list(self.recorded))


def _agrees(now: Any, then: Any) -> bool:
    """Whether a value equals the recorded one; fields that an older version did not record are ignored."""
    if isinstance(then, dict) and isinstance(now, dict):
        if not set(then) <= set(now):
            return False
        return all(_agrees(now[name], value) for name, value in then.items())
    if isinstance(then, list) and isinstance(now, list):
        return len(now) == len(then) and all(map(_agrees, now, then))
    return bool(now == then)


def decide_again(settings: Settings, cycle: int | None) -> list[RedecidedPhase]:
    """Judge the last decided cycle, or the one with this number, by the gates that are configured now.

    Raises:
        StateError: if there is no such cycle, or its evidence cannot be used.
    """
    with Ledger(require_ledger(settings.ledger_path)) as ledger:
        row = _decided_cycle(ledger, cycle)
        history = read_history(settings.state_dir / HISTORY)
        phases: list[RedecidedPhase] = []
        for phase, stored in row["plan"].items():
            again = _again(ledger, settings, row["id"], phase, stored, history)
            phases.append(again)
        return phases


def _decided_cycle(ledger: Ledger, cycle: int | None) -> dict[str, Any]:
    """Return the ledger's row of a decided cycle; None means the last one.

    Raises:
        StateError: if there is no such cycle.
    """
    rows = ledger.cycles()
    if not rows:
        raise NothingRecordedError("cycle in the ledger", ledger.path.parent)
    decided = {row["id"]: row for row in rows if row["status"] == "decided"}
    if cycle is None:
        if not decided:
            raise StateError("no cycle was decided yet; run pytest with --selfopt-cycle first")
        cycle = max(decided)
    if cycle not in decided:
        known = ", ".join(map(str, decided)) or "none"
        raise StateError(f"cycle {cycle} was not decided; decided cycles: {known}")
    return decided[cycle]


def _again(
    ledger: Ledger,
    settings: Settings,
    cycle: int,
    phase: str,
    stored: Mapping[str, Any],
    history: Sequence[dict[str, Any]],
) -> RedecidedPhase:
    plan = _stored_plan(cycle, phase, stored)
    comparisons = _comparisons(ledger, phase, plan.baseline.id, cycle)
    _require_tests(comparisons.values(), settings, cycle)
    earlier: set[int] = set(plan.known_cycles)
    for comparison in comparisons.values():
        earlier.update(comparison.cycles)
    earlier.discard(cycle)
    by_cycle = ledger.trials([cycle, *sorted(earlier)], phase)
    trials = by_cycle.pop(cycle)
    run = PhaseRun(
        plan=plan,
        cases=sorted({trial.case for trial in trials}),
        suites=(),
        limits=settings.phase(phase).limits,
        comparisons=comparisons,
        earlier=by_cycle,
        project_gates=no_project_gates,
        churn=None,
        groups=stored.get("groups", {}),
    )
    for trial in trials:
        if trial.spec not in run.specs:
            raise StateError(
                f"cycle {cycle} has a trial of {trial.spec}, which its plan does not name, so the ledger is damaged; "
                "put a copy in its place"
            )
        run.add(trial)
    conclusion = conclude(evidence_of(run, cycle), (), now="")
    return RedecidedPhase(
        cycle=cycle,
        phase=phase,
        conclusion=conclusion,
        verdicts=tuple(map(verdict_entry, conclusion.judgements)),
        recorded=_recorded_verdicts(history, cycle, phase),
    )


def _stored_plan(cycle: int, phase: str, stored: Mapping[str, Any]) -> PhasePlan:
    """Return the plan of a phase from the ledger's JSON, without its passes, which all have been made.

    Raises:
        StateError: if a spec in it cannot be read.
    """
    candidates: list[Candidate] = []
    try:
        baseline = parse_spec(stored["baseline"])
        for row in stored["candidates"]:
            candidate = Candidate(spec=parse_spec(row["spec"]), why=row["why"])
            candidates.append(candidate)
    except SpecError as problem:
        raise StateError(f"cycle {cycle}: {problem}") from None
    return PhasePlan(
        phase=phase,
        baseline=baseline,
        candidates=tuple(candidates),
        least_passes=0,
        most_passes=0,
        known_cycles=tuple(stored.get("known_cycles", ())),
        leaves_early=stored.get("leaves_early", False),
        trial=stored.get("trial", ""),
        block_passes=stored.get("turns", 0),
    )


def _require_tests(comparisons: Iterable[Comparison], settings: Settings, cycle: int) -> None:
    """Refuse to judge comparisons of the classic rule by another: the odds they need follow from numbers they lack.

    Raises:
        StateError: if there are any; the message says how to judge them.
    """
    for comparison in comparisons:
        limits = settings.phase(comparison.phase).limits
        if comparison.test is None and limits.profile is not DecisionRule.CLASSIC:
            raise StateError(
                f'cycle {cycle} compared {comparison.candidate} by the profile "classic", which gives comparisons no '
                f"number in the error budget, so that the profile {str(limits.profile)!r} cannot judge it; set "
                f'profile = "classic" in {settings.place} to judge it again'
            )


def _recorded_verdicts(history: Sequence[dict[str, Any]], cycle: int, phase: str) -> tuple[dict[str, Any], ...]:
    """Return the verdicts of the last entry in the history on a phase of a cycle; none where it has no entry."""
    for entry in reversed(history):
        if entry.get("cycle") == cycle and entry.get("phase") == phase:
            return tuple(entry.get("verdicts", ()))
    return ()


def _comparisons(ledger: Ledger, phase: str, baseline: str, cycle: int) -> dict[str, Comparison]:
    """Return the comparisons of a cycle as they were then, without the trials of later cycles."""
    comparisons: dict[str, Comparison] = {}
    for comparison in ledger.comparisons(phase):
        if comparison.baseline == baseline and cycle in comparison.cycles:
            cycles = tuple(number for number in comparison.cycles if number <= cycle)
            comparisons[comparison.candidate] = replace(comparison, cycles=cycles)
    return comparisons
