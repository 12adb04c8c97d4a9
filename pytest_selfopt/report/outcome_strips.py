"""Strips: how each case went under each spec, run by run, with cases that went alike put together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from pytest_selfopt.report.phase_document import Strip
from pytest_selfopt.trial import Outcome, Trial

MOST_STRIPS = 150
"""Groups of cases that are listed; behind them stand those that passed everywhere."""
MOST_NAMES = 20
"""Names of cases that a group lists."""

LETTERS = {Outcome.PASS: "P", Outcome.MISS: "M", Outcome.ERROR: "E"}
NO_TRIAL = "."


def outcomes_of(trials: Sequence[Trial], runs: int) -> dict[str, str]:
    """A letter a run for each case of one spec, `runs` letters long."""
    found: defaultdict[str, list[str]] = defaultdict(lambda: [NO_TRIAL] * runs)
    for trial in trials:
        if found[trial.case][trial.run] == NO_TRIAL:
            found[trial.case][trial.run] = LETTERS[trial.outcome]
    return {case: "".join(letters) for case, letters in found.items()}


def strips_of(by_spec: Mapping[str, Sequence[Trial]], in_force: str) -> tuple[tuple[Strip, ...], int]:
    """The strips of a phase, and how many cases those have that are not listed.

    `by_spec` has the trials of each spec. What fails most under the spec in force stands first; then what the specs
    differ on; of equal rank, larger groups come first.
    """
    runs = 1 + max((trial.run for trials in by_spec.values() for trial in trials), default=-1)
    specs = list(by_spec)
    outcomes = {spec: outcomes_of(trials, runs) for spec, trials in by_spec.items()}
    restraint = {trial.case: trial.restraint for trials in by_spec.values() for trial in trials}
    groups: defaultdict[tuple[bool, tuple[str, ...]], list[str]] = defaultdict(list)
    for case, restrained in restraint.items():
        rows = tuple(_without_trailing(outcomes[spec].get(case, "")) for spec in specs)
        groups[restrained, rows].append(case)
    strips = [
        Strip(cases=tuple(cases[:MOST_NAMES]), count=len(cases), restraint=restrained, outcomes=rows)
        for (restrained, rows), cases in groups.items()
    ]
    place = specs.index(in_force) if in_force in specs else 0
    strips.sort(key=lambda one: _rank(one, place))
    return tuple(strips[:MOST_STRIPS]), sum(one.count for one in strips[MOST_STRIPS:])


def _without_trailing(outcomes: str) -> str:
    """The race stops most specs early: runs after that are not shown as missing."""
    return outcomes.rstrip(NO_TRIAL)


def _rank(strip: Strip, place: int) -> tuple[float, bool, int]:
    ours = strip.outcomes[place]
    known = len(ours.replace(NO_TRIAL, ""))
    share = ours.count("P") / known if known else 1.0
    alike = len({one.count("P") / len(one) for one in strip.outcomes if one}) <= 1
    return (share, alike, -strip.count)
