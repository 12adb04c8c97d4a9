"""The feedback file that a cycle leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pytest_selfopt.cycle.phase_run import PhaseRun
from pytest_selfopt.cycle.store import CycleStore
from pytest_selfopt.loop.cycle import Conclusion
from pytest_selfopt.routing.feedback import FEEDBACK, write_feedback
from pytest_selfopt.trial import Outcome


def write_feedback_file(
    state: CycleStore, phases: Sequence[PhaseRun], conclusions: Sequence[Conclusion], *, cycle: int, now: str
) -> None:
    """Write the feedback file: how what is in force answered, what keeps failing, and what is recommended."""
    runs, failures = [], Counter[str]()
    accuracy: dict[str, dict[str, Any]] = {}
    for phase, conclusion in zip(phases, conclusions, strict=True):
        metrics = conclusion.metrics[conclusion.in_force.id]
        runs += [
            {"cycle": cycle, "spec": conclusion.in_force.id, "run": run, "accuracy": share}
            for run, share in zip(metrics.runs, metrics.run_accuracies, strict=True)
        ]
        accuracy[f"{conclusion.in_force.model}::{conclusion.phase}"] = {
            "passed": metrics.passes,
            "total": metrics.trials,
            "accuracy": metrics.accuracy,
        }
        failures.update(
            trial.case for trial in phase.trials(conclusion.in_force.id) if trial.outcome is not Outcome.PASS
        )
    write_feedback(
        state.settings.state_dir / FEEDBACK,
        generated_at=now,
        recent_runs=runs,
        accuracy=accuracy,
        hot_failures=[{"key": case, "count": count} for case, count in failures.most_common() if count >= 2],
        recommendations=[one for conclusion in conclusions for one in conclusion.recommendations],
    )
