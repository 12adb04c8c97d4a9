"""Matrices of outcomes: written down as letters, or drawn from models whose faults are known."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from functools import cache

from pytest_selfopt.trial import ErrorKind, Outcome, Trial

RUNS = 7
SPEC = "m/atomic/native_api/t60/r1/i0"
OUTCOMES = {
    "P": Outcome.PASS,
    "F": Outcome.MISS,
    "E": Outcome.ERROR,
    "T": Outcome.ERROR,
    "C": Outcome.ERROR,
    "L": Outcome.MISS,
    "R": Outcome.PASS,
}
ERRORS = {"E": ErrorKind.CONNECTION, "T": ErrorKind.TIMEOUT, "C": ErrorKind.CUT_OFF}
AT_LIMIT = "CLR"
MAX_TOKENS = 64


@cache
def names(count: int) -> tuple[str, ...]:
    """The cases of a suite of `count`."""
    return tuple(f"suite/c{index}" for index in range(count))


def matrix(rows: Sequence[str], *, spec: str = SPEC, latency: Callable[[int], float] = lambda _: 1.0) -> list[Trial]:
    """Trials from one string a case, one letter a run: P pass, F miss, E connection error, T time-out.

    Answers that ended at their limit of `MAX_TOKENS`: C before a word was said, L with a wrong text, R right. They are
    called run by run in one lane; `latency` gives the seconds of an answer by its place in the lane. A small p or f is
    a copy.
    """
    trials: list[Trial] = []
    for run in range(len(rows[0])):
        for case, row in zip(names(len(rows)), rows, strict=True):
            place, letter = len(trials), row[run].upper()
            trials.append(
                Trial(
                    phase="atomic",
                    spec=spec,
                    case=case,
                    run=run,
                    outcome=OUTCOMES[letter],
                    error_kind=ERRORS.get(letter),
                    started=float(place),
                    latency_s=None if letter in ERRORS else latency(place),
                    tokens_out=MAX_TOKENS if letter in AT_LIMIT else None,
                    finish_reason="length" if letter in AT_LIMIT else "stop",
                    lane="m@server",
                    lane_seq=place,
                    copied="copied" if row[run].islower() else "",
                )
            )
    return trials


def draw(rng: random.Random, rates: Sequence[Sequence[float]]) -> list[str]:
    """Letters drawn from the pass rates of each case in each run."""
    return ["".join("P" if rng.random() < rate else "F" for rate in row) for row in rates]


def with_errors(rng: random.Random, rows: Sequence[str], letter: str, shares: Sequence[float]) -> list[str]:
    """The rows with some answers replaced by an error, by the share of each run."""
    return [
        "".join(letter if rng.random() < share else old for old, share in zip(row, shares, strict=True)) for row in rows
    ]


def good(rng: random.Random, cases: int) -> list[float]:
    """The pass rates of a model that is right nearly always."""
    return [rng.choice((1.0, 1.0, 1.0, 0.97)) for _ in range(cases)]


def _outage(rng: random.Random, cases: int) -> list[str]:
    bad = rng.sample(range(RUNS), 2)
    shares = [0.6 if run in bad else 0.02 for run in range(RUNS)]
    return with_errors(rng, ["P" * RUNS] * cases, "E", shares)


def _slow(rng: random.Random, cases: int) -> list[str]:
    return with_errors(rng, draw(rng, [[0.9] * RUNS] * cases), "T", [0.15] * RUNS)


def _shared(rng: random.Random, cases: int) -> list[str]:
    bad = rng.sample(range(1, RUNS), 2)
    return draw(rng, [[0.3 if run in bad else 0.95 for run in range(RUNS)]] * cases)


def _cold(rng: random.Random, cases: int) -> list[str]:
    cold = rng.choice((1, 2, 3))
    return draw(rng, [[0.15 * rate if run < cold else rate for run in range(RUNS)] for rate in good(rng, cases)])


def _loading(rng: random.Random, cases: int) -> list[str]:
    cold = rng.choice((1, 2, 3))
    answers = draw(rng, [[rate] * RUNS for rate in good(rng, cases)])
    return with_errors(rng, answers, "T", [0.8 if run < cold else 0.0 for run in range(RUNS)])


def _drifting(rng: random.Random, cases: int) -> list[str]:
    return draw(rng, [[rate * (1 - 0.8 * run / (RUNS - 1)) for run in range(RUNS)] for rate in good(rng, cases)])


def flaky(rng: random.Random, cases: int) -> list[str]:
    """Every case passes seven times in ten."""
    return draw(rng, [[0.7] * RUNS] * cases)


def _ceiling(rng: random.Random, cases: int) -> list[str]:
    never = max(1, round(cases * rng.choice((0.2, 0.3, 0.4))))
    return draw(rng, [[0.0 if case < never else 0.995] * RUNS for case in range(cases)])


def _cut_off(rng: random.Random, cases: int) -> list[str]:
    """Some prompts make the model think long: most of their answers end at the limit, some in the midst of a word."""
    long = max(1, round(cases * rng.choice((0.2, 0.4))))
    rows = draw(rng, [[rate] * RUNS for rate in good(rng, cases)])
    wordless = with_errors(rng, rows[:long], "C", [0.6] * RUNS)
    return [*with_errors(rng, wordless, "L", [0.2] * RUNS), *rows[long:]]


def _at_the_limit(rng: random.Random, cases: int) -> list[str]:
    """Every answer goes on to its limit, and is right long before."""
    return with_errors(rng, ["P" * RUNS] * cases, "R", [0.9] * RUNS)


def _rambling(rng: random.Random, cases: int) -> list[str]:
    """Nothing is right, whether the model comes to an end or talks on to its limit."""
    return with_errors(rng, ["F" * RUNS] * cases, "L", [0.6] * RUNS)


def _suboptimal(rng: random.Random, cases: int) -> list[str]:
    return draw(rng, [[rng.choice((1.0, 1.0, 0.9, 0.85))] * RUNS for _ in range(cases)])


WORLDS: Mapping[str, Callable[[random.Random, int], list[str]]] = {
    "perfect": lambda _, cases: ["P" * RUNS] * cases,
    "capability limit": lambda _, cases: ["F" * RUNS] * cases,
    "infrastructure trouble": _outage,
    "time-outs": _slow,
    "correlated runs": _shared,
    "cut off": _cut_off,
    "perfect, at the limit": _at_the_limit,
    "capability limit, at the limit": _rambling,
    "cold start": _cold,
    "cold start, by time-outs": _loading,
    "drift": _drifting,
    "flaky": flaky,
    "prompts that always fail": _ceiling,
    "clean but suboptimal": _suboptimal,
}
"""Rows by the diagnosis that is true of them; before the comma stands its kind."""
