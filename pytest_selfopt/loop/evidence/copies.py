"""Copies from caches of answers: recorded, but no evidence of their own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pytest_selfopt.trial import Outcome, Trial


def originals(trials: Sequence[Trial]) -> Sequence[Trial]:
    """Return the trials that are no copies, of the runs that have at least half of theirs.

    A copy repeats an earlier draw. A run of copies looks like a perfectly steady one, and what is left of a run that is
    mostly copies is too little for a run.
    """
    copied = Counter(trial.run for trial in trials if trial.copied)
    if not copied:
        return trials
    sizes = Counter(trial.run for trial in trials)
    return [trial for trial in trials if not trial.copied and 2 * copied[trial.run] <= sizes[trial.run]]


def replies(trials: Sequence[Trial]) -> int:
    """Count the answers, copies included."""
    return sum(trial.outcome is not Outcome.ERROR or bool(trial.copied) for trial in trials)


def copies(trials: Sequence[Trial]) -> int:
    """Count the answers that are copies."""
    return sum(bool(trial.copied) for trial in trials)
