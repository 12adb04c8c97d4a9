"""The feedback file that a cycle writes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pytest_selfopt.cycle.phase_run import PhaseRun
from pytest_selfopt.cycle.store import CycleStore
from pytest_selfopt.loop.cycle import Conclusion
from pytest_selfopt.loop.evidence.copies import originals
from pytest_selfopt.routing.feedback import FEEDBACK, write_feedback
from pytest_selfopt.routing.rule import Recommendation
from pytest_selfopt.trial import Outcome


def write_feedback_file(
    state: CycleStore, phases: Sequence[PhaseRun], conclusions: Sequence[Conclusion], *, cycle: int, now: str
) -> None:
    """Write the feedback file: the results of the specs in force, repeated failures, and recommendations."""
    runs: list[dict[str, Any]] = []
    failures = Counter[str]()
    recommendations: list[Recommendation] = []
    accuracy: dict[str, dict[str, Any]] = {}
    for phase, conclusion in zip(phases, conclusions, strict=True):
        metrics = conclusion.metrics[conclusion.in_force.id]
        spec = conclusion.in_force.id
        for run, share in zip(metrics.runs, metrics.run_accuracies, strict=True):
            row = {"cycle": cycle, "spec": spec, "run": run, "accuracy": share}
            runs.append(row)
        accuracy[f"{conclusion.in_force.model}::{conclusion.phase}"] = {
            "passed": metrics.passes,
            "total": metrics.answers,
            "accuracy": metrics.known_accuracy,
        }
        trials = originals(phase.trials(spec))
        failures.update(trial.case for trial in trials if trial.outcome is Outcome.MISS)
        recommendations.extend(conclusion.recommendations)
    write_feedback(
        state.settings.state_dir / FEEDBACK,
        generated_at=now,
        recent_runs=runs,
        accuracy=accuracy,
        hot_failures=_hot_failures(failures),
        recommendations=recommendations,
    )


def _hot_failures(failures: Counter[str]) -> list[dict[str, Any]]:
    """Return the cases that were answered wrongly at least twice, the most frequent first."""
    hot: list[dict[str, Any]] = []
    for case, count in failures.most_common():
        if count < 2:
            break
        hot.append({"key": case, "count": count})
    return hot
