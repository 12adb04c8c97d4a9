"""The text of the feedback file that a cycle writes."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_selfopt.cycle.phase_run import PhaseRun
from pytest_selfopt.cycle.store import CycleStore
from pytest_selfopt.errors import StateError
from pytest_selfopt.loop.cycle import Conclusion
from pytest_selfopt.loop.evidence.copies import originals
from pytest_selfopt.routing.feedback import FEEDBACK, feedback_text, read_document
from pytest_selfopt.routing.history import HISTORY, read_history
from pytest_selfopt.routing.rule import Recommendation
from pytest_selfopt.trial import Outcome

RECENT_RUNS = 8
"""The runs of each phase that the file holds, over cycles."""


def cycle_feedback(
    state: CycleStore, phases: Sequence[PhaseRun], conclusions: Sequence[Conclusion], *, cycle: int, now: str
) -> str:
    """Return a cycle's feedback file: the results of the specs in force, repeated failures, and recommendations.

    The file before keeps what this cycle does not renew: the results of phases that were not measured, and the
    recommendations on those and on phases in which rules were only proven.
    """
    before = read_document(state.settings.state_dir / FEEDBACK)
    earlier = _earlier_entries(state, cycle)
    runs: list[dict[str, Any]] = []
    failures = Counter[str]()
    recommendations: list[Recommendation] = []
    measured = {phase.plan.phase for phase in phases}
    accuracy = _of_other_phases(before.get("model_phase_accuracy"), measured)
    for phase, conclusion in zip(phases, conclusions, strict=True):
        metrics = conclusion.metrics[conclusion.in_force.id]
        spec = conclusion.in_force.id
        own = zip(metrics.runs, metrics.run_accuracies, strict=True)
        rows = [*_earlier_runs(earlier, conclusion.phase), *(_run(cycle, spec, run, share) for run, share in own)]
        runs += rows[-RECENT_RUNS:]
        accuracy[f"{conclusion.in_force.model}::{conclusion.phase}"] = {
            "passed": metrics.passes,
            "total": metrics.answers,
            "accuracy": metrics.known_accuracy,
        }
        trials = originals(phase.trials(spec))
        failures.update(trial.case for trial in trials if trial.outcome is Outcome.MISS)
        recommendations.extend(conclusion.recommendations)
    for name in dict.fromkeys(str(entry.get("phase")) for entry in earlier):
        if name not in measured:
            runs += list(_earlier_runs(earlier, name))[-RECENT_RUNS:]
    searched = {phase.plan.phase for phase in phases if not phase.plan.only_proves}
    return feedback_text(
        generated_at=now,
        recent_runs=runs,
        accuracy=accuracy,
        hot_failures=_hot_failures(failures),
        recommendations=recommendations,
        kept=list(_kept(before.get("recommendations"), searched, recommendations)),
    )


def _earlier_entries(state: CycleStore, cycle: int) -> list[dict[str, Any]]:
    """Return the history's entries on other cycles; none if it cannot be read, which is reported elsewhere."""
    with contextlib.suppress(StateError):
        entries = read_history(state.settings.state_dir / HISTORY)
        return [entry for entry in entries if entry.get("cycle") != cycle]
    return []


def _earlier_runs(entries: Sequence[Mapping[str, Any]], phase: str) -> Iterator[dict[str, Any]]:
    """Yield the runs of the specs that earlier cycles left in force for a phase, oldest first."""
    for entry in entries:
        if entry.get("phase") != phase:
            continue
        spec = entry.get("baseline_after")
        metrics = (entry.get("metrics") or {}).get(spec) or {}
        for run, share in enumerate(metrics.get("run_accuracies") or ()):
            yield _run(entry.get("cycle"), str(spec), run, share)


def _run(cycle: object, spec: str, run: int, share: float) -> dict[str, Any]:
    return {"cycle": cycle, "spec": spec, "run": run, "accuracy": share}


def _of_other_phases(accuracy: Any, measured: set[str]) -> dict[str, Any]:
    """Return the results in a file, by model and phase, of the phases that were not measured."""
    if not isinstance(accuracy, dict):
        return {}
    return {name: value for name, value in accuracy.items() if name.rpartition("::")[2] not in measured}


def _kept(values: Any, searched: set[str], fresh: Sequence[Recommendation]) -> Iterator[dict[str, Any]]:
    """Yield the recommendations in a file that are not on the phases searched now, nor made again."""
    again = {(recommendation.target, recommendation.action) for recommendation in fresh}
    if not isinstance(values, list):
        return
    for value in values:
        if not isinstance(value, dict) or not isinstance(value.get("target"), str):
            continue
        phase = value["target"].rpartition("::")[2]
        if phase not in searched and (value["target"], value.get("action")) not in again:
            yield value


def _hot_failures(failures: Counter[str]) -> list[dict[str, Any]]:
    """Return the cases that were answered wrongly at least twice, the most frequent first."""
    hot: list[dict[str, Any]] = []
    for case, count in failures.most_common():
        if count < 2:
            break
        hot.append({"key": case, "count": count})
    return hot
