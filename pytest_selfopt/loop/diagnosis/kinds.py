"""Diagnoses, and the matrix of runs × cases on which they are based."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from pytest_selfopt.loop.evidence.spread import Spread, answered_rows, coin_flips, group_rows, outcomes_by_run, spread
from pytest_selfopt.trial import ErrorKind, Outcome, Trial

STRAY_SHARE = 0.01
"""The share of failed calls or stray answers if nothing is wrong: the null hypothesis of the tests."""


class DiagnosisKind(StrEnum):
    """The kind of a diagnosis."""

    CUT_OFF = "cut off"
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
    """One finding. `chance` is the probability of its evidence by chance; None if there was nothing to test.

    `runs` and `cases` (empty: all) select the trials it is based on, `trials` in number; `action` is its remedy.
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
    """The trials of one spec as runs × cases; `groups` names the group of each case that has one."""

    trials: Sequence[Trial]
    cases: Sequence[str]
    groups: Mapping[str, str] = field(default_factory=dict)

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
        """The passes by run of each case with an answer in every run."""
        return answered_rows(self.by_run)

    @cached_property
    def totals(self) -> tuple[int, ...]:
        """The number of rows passed in each run."""
        columns = zip(*self.rows.values(), strict=True)
        return tuple(map(sum, columns)) or (0,) * len(self.runs)

    @cached_property
    def spread(self) -> Spread:
        """The spread of the runs."""
        return spread(self.by_run, self.groups)

    @cached_property
    def flips(self) -> float:
        """The expected variance of a run's number of passes if groups of cases are independent of each other."""
        return coin_flips(group_rows(self.rows, self.groups))

    @cached_property
    def passed(self) -> int:
        """The number of trials that passed."""
        return sum(trial.outcome is Outcome.PASS for trial in self.trials)

    @cached_property
    def errors(self) -> tuple[Trial, ...]:
        """The trials without an answer."""
        return tuple(filter(_is_error, self.trials))

    @property
    def answers(self) -> int:
        """The number of trials with an answer."""
        return len(self.trials) - len(self.errors)

    @cached_property
    def errors_by_run(self) -> Counter[int]:
        """The number of trials without an answer, by run; runs without errors are missing."""
        return Counter(trial.run for trial in self.errors)

    @cached_property
    def errors_by_kind(self) -> Counter[ErrorKind | None]:
        """The number of trials without an answer, by kind of error, in the order of their first occurrence."""
        return Counter(trial.error_kind for trial in self.errors)

    def said(self) -> str:
        """The passes by run, as text."""
        totals = ", ".join(map(str, self.totals))
        return f"passes by run: {totals} of {len(self.rows)}"

    def count(self, runs: Sequence[int], cases: Sequence[str]) -> int:
        """Count the trials of these runs and cases (empty: all)."""
        number = 0
        for trial in self.trials:
            of_runs = not runs or trial.run in runs
            of_cases = not cases or trial.case in cases
            number += of_runs and of_cases
        return number


def _is_error(trial: Trial) -> bool:
    return trial.outcome is Outcome.ERROR
