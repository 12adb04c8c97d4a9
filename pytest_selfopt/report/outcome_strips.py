"""Strips: the outcomes of each case under each spec, run by run, with equal cases grouped."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import partial
from itertools import chain

from pytest_selfopt.report.phase_document import Strip
from pytest_selfopt.trial import Outcome, Trial

MOST_STRIPS = 150
"""The maximum number of listed groups; groups that passed everywhere come last."""
MOST_NAMES = 20
"""The maximum number of case names that a group lists."""

LETTERS = {Outcome.PASS: "P", Outcome.MISS: "M", Outcome.ERROR: "E"}
NO_TRIAL = "."


def outcomes_of(trials: Sequence[Trial], runs: int) -> dict[str, str]:
    """Return `runs` letters for each case of one spec, one per run."""
    by_case: defaultdict[str, list[str]] = defaultdict(lambda: [NO_TRIAL] * runs)
    for trial in trials:
        letters = by_case[trial.case]
        if letters[trial.run] == NO_TRIAL:
            letters[trial.run] = LETTERS[trial.outcome]
    return {case: "".join(letters) for case, letters in by_case.items()}


def strips_of(by_spec: Mapping[str, Sequence[Trial]], in_force: str) -> tuple[tuple[Strip, ...], int]:
    """Return the strips of a phase, and the number of cases in strips that are not listed.

    `by_spec` has the trials of each spec. Cases that fail most under the spec in force come first, then those on which
    specs differ, then larger groups.
    """
    specs = list(by_spec)
    place = 0
    if in_force in by_spec:
        place = specs.index(in_force)
    strips = []
    for (restraint, outcomes), cases in _groups(by_spec).items():
        names = tuple(cases[:MOST_NAMES])
        strips.append(Strip(cases=names, count=len(cases), restraint=restraint, outcomes=outcomes))
    strips.sort(key=partial(_rank, place))
    left = sum(strip.count for strip in strips[MOST_STRIPS:])
    return tuple(strips[:MOST_STRIPS]), left


def _groups(by_spec: Mapping[str, Sequence[Trial]]) -> dict[tuple[bool, tuple[str, ...]], list[str]]:
    """Group the names of cases by whether they need no tool, and by their letters under each spec."""
    runs = 0
    restraints = {}
    for trial in chain.from_iterable(by_spec.values()):
        runs = max(runs, trial.run + 1)
        restraints[trial.case] = trial.restraint
    outcomes = [outcomes_of(trials, runs) for trials in by_spec.values()]
    groups: defaultdict[tuple[bool, tuple[str, ...]], list[str]] = defaultdict(list)
    for case, restraint in restraints.items():
        # The race stops most specs early; their later runs are not shown as missing.
        letters = tuple(by_case.get(case, "").rstrip(NO_TRIAL) for by_case in outcomes)
        groups[restraint, letters].append(case)
    return groups


def _rank(place: int, strip: Strip) -> tuple[float, bool, int]:
    """Return the sort key of a strip; `place` is the position of the spec in force."""
    share = 1.0
    letters = strip.outcomes[place]
    judged = letters.replace(NO_TRIAL, "")
    if judged:
        share = letters.count("P") / len(judged)
    shares = {outcomes.count("P") / len(outcomes) for outcomes in strip.outcomes if outcomes}
    alike = len(shares) <= 1
    return (share, alike, -strip.count)
