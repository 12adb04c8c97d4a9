"""The recorded answers with which a build is compared: for each case, those of the last cycles that have any."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pytest_selfopt.loop.wording import listed_cases
from pytest_selfopt.trial import Outcome, Trial

MOST_NAMED = 10
"""Cases that are named in one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseChanges:
    """How the cases of a build differ from the recorded ones, by the names of cases.

    `compared` have recorded answers to the same words; `changed` have recorded answers to other words only, `new` none;
    `gone` were asked in the last cycle with answers, and do not count any more.
    """

    compared: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """A line on each kind of difference."""
        kinds = {"new": self.new, "changed": self.changed, "gone, or expected to fail now": self.gone}
        return tuple(f"{kind}: {_named(cases)}" for kind, cases in kinds.items() if cases)


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedAnswers:
    """The recorded trials, by run from 0; a case with fewer answers than others has trials without one.

    `cycles` are those of the answers, the oldest first.
    """

    trials: tuple[Trial, ...] = ()
    cycles: tuple[int, ...] = ()
    changes: CaseChanges = field(default_factory=CaseChanges)


def recorded_answers(
    cycles: Iterable[tuple[int, Sequence[Trial]]], hashes: Mapping[str, str], *, passes: int
) -> RecordedAnswers:
    """Take the last recorded answers of each case of a build, at most `passes`.

    `cycles` are the trials of one spec, the last cycle first; they are read until every case has enough. `hashes` are
    the content hashes of the cases. Calls without an answer and copies from a cache are no answers: a cycle without any
    is passed over, and a case with few of them gets more from the cycles before.
    """
    answers: dict[str, list[Trial]] = {case: [] for case in hashes}
    used: set[int] = set()
    asked: set[str] = set()
    last: dict[str, None] = {}
    for cycle, trials in cycles:
        answered = [trial for trial in trials if trial.outcome is not Outcome.ERROR and not trial.copied]
        asked.update(trial.case for trial in answered)
        last = last or dict.fromkeys(trial.case for trial in answered)
        for trial in answered:
            of_case = answers.get(trial.case)
            if of_case is not None and len(of_case) < passes and hashes[trial.case] == trial.case_hash:
                of_case.append(replace(trial, run=len(of_case)))
                used.add(cycle)
        if all(len(of_case) == passes for of_case in answers.values()):
            break
    compared = tuple(case for case, of_case in answers.items() if of_case)
    unknown = [case for case, of_case in answers.items() if not of_case]
    return RecordedAnswers(
        trials=_whole_passes([answers[case] for case in compared]),
        cycles=tuple(sorted(used)),
        changes=CaseChanges(
            compared=compared,
            new=tuple(case for case in unknown if case not in asked),
            changed=tuple(case for case in unknown if case in asked),
            gone=tuple(case for case in last if case not in hashes),
        ),
    )


def _whole_passes(answers: Sequence[Sequence[Trial]]) -> tuple[Trial, ...]:
    """Return the answers of all cases with a trial of each in every run, as only whole passes are paired."""
    most = max(map(len, answers), default=0)
    trials: list[Trial] = []
    for of_case in answers:
        trials.extend(of_case)
        missing = range(len(of_case), most)
        trials.extend(replace(of_case[0], run=run, outcome=Outcome.ERROR) for run in missing)
    return tuple(trials)


def right_by_case(trials: Iterable[Trial]) -> dict[str, tuple[int, int]]:
    """Return how many answers of each case are right, and how many there are."""
    counts: defaultdict[str, list[bool]] = defaultdict(list)
    for trial in trials:
        if trial.outcome is not Outcome.ERROR:
            counts[trial.case].append(trial.outcome is Outcome.PASS)
    return {case: (sum(right), len(right)) for case, right in counts.items()}


def _named(cases: Sequence[str]) -> str:
    names = listed_cases(cases[:MOST_NAMED])
    if len(cases) > MOST_NAMED:
        names += f" and {len(cases) - MOST_NAMED} more"
    return names
