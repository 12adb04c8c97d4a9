"""Whether a session beside a neighbour came to what it has to: pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from pytest_selfopt.trial import Outcome
from tests.neighbours.row import Expected, Mode
from tests.neighbours.session import NOT_JUDGED, Recorded, Seen
from tests.neighbours.truth import BASELINE, CASES, PASSES, VARIANTS, true_trials

_CASE = re.compile(r"(?:item|hello)-\d")
_IS = {Outcome.PASS: "passed", Outcome.MISS: "failed", Outcome.ERROR: "failed"}
LONGEST_S = 60.0


def problems(mode: Mode, expected: Expected, seen: Seen) -> list[str]:
    """Return what is wrong with a session, in words; empty if nothing is."""
    if seen.status is None:
        return [f"hangs, after {seen.requests} calls"]
    found = [*_ends(expected, seen)]
    if mode is Mode.CYCLE:
        found += _of_cycle(expected, seen)
    elif mode is Mode.GATE:
        found += _of_gate(expected, seen)
    else:
        found += _of_plain(expected, seen)
    return found


def _ends(expected: Expected, seen: Seen) -> Iterator[str]:
    if "INTERNALERROR" in seen.output:
        yield "INTERNALERROR"
    if seen.status != expected.status:
        yield f"status {seen.status}, not {expected.status}"
    if expected.sentence not in " ".join(seen.output.split()):
        yield f"does not say {expected.sentence!r}"
    if not expected.cases and seen.requests:
        yield f"{seen.requests} calls before it is refused"


def _of_cycle(expected: Expected, seen: Seen) -> Iterator[str]:
    if expected.whole:
        # In what order answers come is not settled, but which are asked is: each of a known number of trials once.
        wanted = {trial for trial in true_trials(*VARIANTS) if trial.case in expected.cases}
        if expected.cases != CASES:
            # Where only some are selected, nothing is judged after the first pass.
            wanted = {trial for trial in wanted if trial.run == 0}
        yield from _counted("trials", len(wanted), len(seen.trials))
        yield from _counted("calls", len(wanted), seen.requests)
    elif not expected.error and not expected.stops:
        yield from _counted("calls", len(seen.trials), seen.requests)
    wrong = Counter[str]()
    for trial, recorded in seen.trials.items():
        outcome = expected.outcome(trial.variant, trial.case)
        if expected.stops and (recorded.outcome == NOT_JUDGED or recorded.error == expected.stops):
            continue
        if recorded.outcome != outcome:
            wrong[f"{_told(outcome)} booked as {recorded.outcome}"] += 1
        elif expected.error and recorded.error != expected.error:
            wrong[f"kind {recorded.error or 'none'}"] += 1
    yield from (f"{number} trials: {what}" for what, number in wrong.items())
    yield from _out_of_time(seen)


def _out_of_time(seen: Seen) -> Iterator[str]:
    for recorded in seen.trials.values():
        if not _is_timed(recorded, seen):
            yield f"a latency of {recorded.latency_s} s, from {recorded.started} on"
            return


def _is_timed(recorded: Recorded, seen: Seen) -> bool:
    if recorded.latency_s is not None and not 0 <= recorded.latency_s <= LONGEST_S:
        return False
    return seen.began - 1 <= recorded.started <= seen.ended + 1


def _of_gate(expected: Expected, seen: Seen) -> Iterator[str]:
    if expected.whole:
        yield from _counted("calls", len(expected.cases) * PASSES, seen.requests)
        if expected.cases == CASES or seen.measured:  # Where only some are selected, nothing is judged.
            yield from _counted("cases", len(expected.cases), len(seen.measured))
    if expected.stops:
        return
    for case, measured in seen.measured.items():
        outcome = expected.outcome(BASELINE, case)
        right, errors = (measured.trials * (outcome is one) for one in (Outcome.PASS, Outcome.ERROR))
        if (measured.passes, measured.errors) != (right, errors):
            yield f"{case}: {measured.passes} passes and {measured.errors} errors of {measured.trials} trials"
        elif measured.trials != PASSES and expected.whole:
            yield f"{case}: {measured.trials} trials, not {PASSES}"


def _of_plain(expected: Expected, seen: Seen) -> Iterator[str]:
    if expected.whole:
        yield from _counted("calls", len(expected.cases), seen.requests)
    outcomes = _reported(seen)
    for case in CASES:
        outcome = expected.outcome(BASELINE, case)
        reported = outcomes.get(case, [])
        wanted = []
        if outcome is not None:
            wanted = [_IS[outcome]] * expected.repeats
        if not expected.whole:
            wanted = wanted[: len(reported)]
        if reported != wanted and not (expected.stops and reported == ["failed"]):
            yield f"{case}: reported {reported}, not {wanted}"


def _reported(seen: Seen) -> dict[str, list[str]]:
    """Return the outcomes of the items of each case: the last that was reported of each."""
    last: dict[str, str] = {}
    for report in seen.reports:
        if report.when == "call" or report.outcome != "passed":
            last[report.item] = report.outcome
    outcomes: dict[str, list[str]] = {}
    for item, outcome in last.items():
        found = _CASE.search(item)
        if found and outcome != "skipped":
            outcomes.setdefault(found.group(), []).append(outcome)
    return outcomes


def _counted(what: str, wanted: int, seen: int) -> Iterator[str]:
    if seen != wanted:
        yield f"{seen} {what}, not {wanted}"


def _told(outcome: Outcome | None) -> str:
    return outcome or "what is not to be asked"
