"""What a diagnosis is, and the matrix of runs × cases that it is read off."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

from pytest_selfopt.loop.evaluate import Spread, answered_rows, outcomes_by_run, spread
from pytest_selfopt.trial import ErrorKind, Outcome, Trial


class DiagnosisKind(StrEnum):
    """What a diagnosis says."""

    INFRASTRUCTURE = "infrastructure trouble"
    TIMEOUTS = "time-outs"
    PERFECT = "perfect"
    CAPABILITY = "capability limit"
    COLD_START = "cold start"
    DRIFT = "drift"
    CORRELATED = "correlated runs"
    FLAKY = "flaky"
    CEILING = "prompts that always fail"
    SUBOPTIMAL = "clean but suboptimal"
    UNKNOWN = "cannot tell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """One finding. `chance` is how likely what it rests on would be by chance; None where nothing was seen to test.

    `runs` and `cases` name the `trials` (a number) that it rests on, empty meaning all; `action` is what it asks for.
    """

    kind: DiagnosisKind
    sentence: str
    chance: float | None = None
    runs: tuple[int, ...] = ()
    cases: tuple[str, ...] = ()
    trials: int = 0
    action: str | None = None


@dataclass(frozen=True, kw_only=True)
class Matrix:
    """The trials of one spec as runs × cases."""

    trials: Sequence[Trial]
    cases: Sequence[str]

    @cached_property
    def by_run(self) -> Mapping[int, Mapping[str, Outcome]]:
        """The outcomes by run, in ascending order, and case."""
        return outcomes_by_run(self.trials)

    @cached_property
    def runs(self) -> tuple[int, ...]:
        """The run indices."""
        return tuple(self.by_run)

    @cached_property
    def rows(self) -> Mapping[str, tuple[bool, ...]]:
        """For each case that was answered in every run, whether it passed, by run."""
        return answered_rows(self.by_run)

    @cached_property
    def totals(self) -> tuple[int, ...]:
        """How many of the rows passed in each run."""
        columns = zip(*self.rows.values(), strict=True)
        return tuple(map(sum, columns)) or (0,) * len(self.runs)

    @cached_property
    def spread(self) -> Spread:
        """How far the runs lie apart."""
        return spread(self.by_run)

    @cached_property
    def passed(self) -> int:
        """How many trials passed."""
        return sum(trial.outcome is Outcome.PASS for trial in self.trials)

    @cached_property
    def errors(self) -> tuple[Trial, ...]:
        """The trials that gave no answer."""
        return tuple(filter(_is_error, self.trials))

    @cached_property
    def errors_by_run(self) -> Counter[int]:
        """How many trials of each run gave no answer; runs without errors are no keys."""
        return Counter(trial.run for trial in self.errors)

    @cached_property
    def errors_by_kind(self) -> Counter[ErrorKind | None]:
        """How many trials gave no answer, by the kind of error, in the order of the first of each kind."""
        return Counter(trial.error_kind for trial in self.errors)

    def said(self) -> str:
        """The passes by run, in words."""
        totals = ", ".join(map(str, self.totals))
        return f"passes by run: {totals} of {len(self.rows)}"

    def count(self, runs: Sequence[int], cases: Sequence[str]) -> int:
        """How many trials there are of these runs and cases, empty meaning all."""
        number = 0
        for trial in self.trials:
            of_runs = not runs or trial.run in runs
            of_cases = not cases or trial.case in cases
            number += of_runs and of_cases
        return number


def _is_error(trial: Trial) -> bool:
    return trial.outcome is Outcome.ERROR
