"""`selfopt decide`: the stored evidence of a cycle judged again, by the gates of now, without a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_selfopt.cycle.finish import evidence_of
from pytest_selfopt.cycle.history_entry import verdict_entry
from pytest_selfopt.cycle.phase_run import PhaseRun
from pytest_selfopt.errors import SpecError, StateError
from pytest_selfopt.ledger.ledger import Comparison, Ledger
from pytest_selfopt.loop.cycle import Conclusion, conclude
from pytest_selfopt.loop.gates import no_project_gates
from pytest_selfopt.loop.generate import Candidate
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.routing.history import HISTORY, read_history
from pytest_selfopt.settings import Settings
from pytest_selfopt.specs.spec import parse_spec


@dataclass(frozen=True, slots=True, kw_only=True)
class RedecidedPhase:
    """A phase of a cycle judged again: the verdicts as the history would hold them, then and now."""

    cycle: int
    phase: str
    conclusion: Conclusion
    verdicts: tuple[dict[str, Any], ...]
    recorded: tuple[dict[str, Any], ...]

    @property
    def same(self) -> bool:
        """Whether the very same was decided, to the last digit."""
        return _agrees(list(self.verdicts), list(self.recorded))


def _agrees(now: Any, then: Any) -> bool:
    """Whether a value is what was recorded; what an older version did not record cannot differ."""
    if isinstance(then, dict) and isinstance(now, dict):
        return set(then) <= set(now) and all(_agrees(now[name], value) for name, value in then.items())
    if isinstance(then, list) and isinstance(now, list):
        return len(now) == len(then) and all(map(_agrees, now, then))
    return bool(now == then)


def decide_again(settings: Settings, cycle: int | None) -> list[RedecidedPhase]:
    """Judge the last decided cycle, or the one with this number, by the gates that are configured now.

    Raises:
        StateError: when there is no such cycle, or its evidence cannot be used.
    """
    path = settings.state_dir / "ledger.sqlite"
    if not path.exists():
        raise StateError(f"there is no ledger in {settings.state_dir}; run pytest with --selfopt-cycle first")
    with Ledger(path) as ledger:
        decided = {one["id"]: one for one in ledger.cycles() if one["status"] == "decided"}
        chosen = cycle if cycle is not None else max(decided, default=0)
        if chosen not in decided:
            known = ", ".join(map(str, decided)) or "none"
            raise StateError(f"cycle {chosen} was not decided; decided are {known}")
        recorded = read_history(settings.state_dir / HISTORY)
        return [
            _again(ledger, settings, chosen, phase, plan, recorded) for phase, plan in decided[chosen]["plan"].items()
        ]


def _again(
    ledger: Ledger,
    settings: Settings,
    cycle: int,
    phase: str,
    stored: Mapping[str, Any],
    history: Sequence[dict[str, Any]],
) -> RedecidedPhase:
    try:
        baseline = parse_spec(stored["baseline"])
        candidates = tuple(Candidate(spec=parse_spec(one["spec"]), why=one["why"]) for one in stored["candidates"])
    except SpecError as problem:
        raise StateError(f"cycle {cycle}: {problem}") from None
    comparisons = _comparisons(ledger, phase, baseline.id, cycle)
    earlier = {one for comparison in comparisons.values() for one in comparison.cycles} - {cycle}
    by_cycle = ledger.trials([cycle, *sorted(earlier)], phase)
    plan = PhasePlan(
        phase=phase,
        baseline=baseline,
        candidates=candidates,
        least_passes=0,
        most_passes=0,
        trial=stored.get("trial", ""),
        turns=stored.get("turns", 0),
    )
    run = PhaseRun(
        plan=plan,
        cases=tuple(dict.fromkeys(trial.case for trial in sorted(by_cycle[cycle], key=lambda trial: trial.case))),
        suites=(),
        limits=settings.phase(phase).limits,
        comparisons=comparisons,
        earlier={number: trials for number, trials in by_cycle.items() if number != cycle},
        own_gates=no_project_gates,
        churn=None,
    )
    for trial in by_cycle[cycle]:
        run.add(trial)
    conclusion = conclude(evidence_of(run, cycle), (), now="")
    entries = [one for one in history if one.get("cycle") == cycle and one.get("phase") == phase]
    return RedecidedPhase(
        cycle=cycle,
        phase=phase,
        conclusion=conclusion,
        verdicts=tuple(verdict_entry(judgement) for judgement in conclusion.judgements),
        recorded=tuple(entries[-1].get("verdicts", ())) if entries else (),
    )


def _comparisons(ledger: Ledger, phase: str, baseline: str, cycle: int) -> dict[str, Comparison]:
    """The comparisons of a cycle as they stood then: later cycles have added trials to some."""
    return {
        one.candidate: replace(one, cycles=tuple(number for number in one.cycles if number <= cycle))
        for one in ledger.comparisons(phase)
        if one.baseline == baseline and cycle in one.cycles
    }
