"""Hot failures: the cases that the spec in force keeps failing, with prompt, expectation and answer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from operator import attrgetter

from pytest_selfopt.report.outcome_strips import outcomes_of
from pytest_selfopt.report.phase_document import Failure
from pytest_selfopt.trial import Outcome, Trial

MOST_FAILURES = 25
HOT = 2
"""The failed runs that make a case hot; with fewer runs, all of them."""
PROMPT_LENGTH, EXPECTED_LENGTH, GOT_LENGTH, REASON_LENGTH = 2000, 1000, 2000, 600


@dataclass(frozen=True, slots=True, kw_only=True)
class HotCase:
    """A case that failed in several runs: its trials, in the order of the runs."""

    case: str
    trials: tuple[Trial, ...]

    @property
    def failed(self) -> int:
        """The number of runs that were not right."""
        return len(self._wrong)

    @property
    def last(self) -> Trial:
        """The last trial that was not right, if possible one with an answer."""
        missed = [trial for trial in self.trials if trial.outcome is Outcome.MISS]
        return (missed or self._wrong)[-1]

    @property
    def _wrong(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.outcome is not Outcome.PASS]


def hot_cases(trials: Iterable[Trial]) -> tuple[list[HotCase], int]:
    """Return the hot cases among the trials of a spec, worst first, and the number of those not listed."""
    by_case: defaultdict[str, list[Trial]] = defaultdict(list)
    for trial in trials:
        by_case[trial.case].append(trial)
    hot = []
    for name, runs in by_case.items():
        runs.sort(key=attrgetter("run"))
        case = HotCase(case=name, trials=tuple(runs))
        if case.failed >= min(HOT, len(runs)):
            hot.append(case)
    hot.sort(key=_failed_share, reverse=True)
    return hot[:MOST_FAILURES], max(0, len(hot) - MOST_FAILURES)


def _failed_share(case: HotCase) -> float:
    return case.failed / len(case.trials)


def failure_of(hot: HotCase, *, prompt: str, expected: str, got: str) -> Failure:
    """Return a hot case with its texts, cut to a length that suits a page."""
    runs = 1 + max(trial.run for trial in hot.trials)
    letters: Mapping[str, str] = outcomes_of(hot.trials, runs)
    return Failure(
        case=hot.case,
        failed=hot.failed,
        trials=len(hot.trials),
        outcomes=letters[hot.case],
        prompt=prompt[:PROMPT_LENGTH],
        expected=expected[:EXPECTED_LENGTH],
        got=got[:GOT_LENGTH],
        got_length=len(got),
        reason=hot.last.reason[:REASON_LENGTH],
    )
