"""What a report says of a phase, as plain data.

Accuracies are shares from 0 to 1 with 95 % intervals that mind how repeats of one case hang together; latencies are in
seconds, costs in USD. None is unknown, or not measured.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

VERDICTS = ("PROMOTE", "HOLD", "REJECT")
"""The best first: of several, that is the verdict on all of them."""

Role = Literal["baseline", "candidate"]


def best_verdict(verdicts: Collection[str]) -> str:
    """The best of some verdicts; empty where none is among them."""
    for verdict in VERDICTS:
        if verdict in verdicts:
            return verdict
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a gate found of a spec."""

    name: str
    """Of the gate, such as no_regression."""
    passed: bool
    """Whether its limit is kept."""
    asks: str
    """The verdict that it asks for when it is not passed."""
    value: float | None
    """The number that it found."""
    limit: float | None
    """The number that it was held against."""
    sentence: str
    """What it found, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The numbers of a spec over the trials of a cycle; latency, tokens and cost are those of answered trials."""

    trials: int
    """All of them, those without an answer included."""
    cases: int
    """How many there are; 0 where only the history knows them."""
    passes: int
    """Trials that were right."""
    misses: int
    """Trials that were wrong."""
    errors: int
    """Trials without a usable answer."""
    accuracy: float
    """Passes over trials."""
    low: float
    """The lower end of its interval."""
    high: float
    """The upper end of its interval."""
    run_accuracies: tuple[float, ...]
    """The accuracy of each run, in their order."""
    restraint: float | None
    """Of the trials that need no tool, the share in which none was called."""
    restraint_trials: int
    """How many trials that rests on."""
    errors_by_kind: Mapping[str, int]
    """How many errors there are of each kind."""
    latency_median_s: float | None
    """Of the answers, in seconds."""
    latency_p95_s: float | None
    """What 95 % of the answers took at most, in seconds."""
    tokens_in: int | None
    """Asked, of all answers together."""
    tokens_out: int | None
    """Answered, of all answers together."""
    cost_usd: float | None
    """Of all its trials; None when that of one is unknown."""
    cost_of_1000_usd: float | None
    """Of a thousand answers like these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecReport:
    """One configuration that was measured, and what was decided of it. The baseline is compared with nothing."""

    spec: str
    """Its id."""
    name: str
    """Short and unlike those of the others in its phase: "baseline", or what it changes."""
    role: Role
    """What it was in this comparison."""
    in_force: bool
    """Whether the cycle left it in force."""
    verdict: str
    """PROMOTE, HOLD or REJECT; empty for the baseline."""
    sentence: str
    """The verdict with its grounds."""
    comparison: int | None
    """The number of its comparison among all that spend a share of the error budget."""
    fixed: int | None
    """Answers that it has right and the baseline wrong."""
    broken: int | None
    """Answers that the baseline has right and it wrong."""
    passes: int | None
    """Passes that were compared."""
    odds: float | None
    """Against luck, as they were judged."""
    needed: float | None
    """The odds that they had to reach."""
    gates: tuple[Gate, ...]
    """Those it was held against; of what is in force without a comparison, those it has to pass for itself."""
    measured: Measured | None
    """Its numbers in this cycle."""
    front_by_cost: bool
    """Whether no other spec of the phase is at least as accurate and as cheap, and better in one of them."""
    front_by_latency: bool
    """The same with latency instead of cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """Cases that went alike, as letters: P is a pass, M a miss, E an error, and "." a run that has no trial of it."""

    cases: tuple[str, ...]
    """The names of some of them."""
    count: int
    """How many there are."""
    restraint: bool
    """Whether no tool should be called in them."""
    outcomes: tuple[str, ...]
    """A text for each spec of the phase, a letter a run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A case that the spec in force failed in two or more runs: what was asked, expected, and last got instead."""

    case: str
    """Its name."""
    failed: int
    """Runs in which it was not right."""
    trials: int
    """Runs in which it was asked."""
    outcomes: str
    """A letter a run, as in strips."""
    prompt: str
    """What was asked; empty where the ledger does not know it."""
    expected: str
    """What was expected, in words; empty where the ledger does not know it."""
    got: str
    """What was answered last; empty when nothing came."""
    got_length: int
    """The characters of that before it was cut."""
    reason: str
    """Why it is not right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What was diagnosed of the spec in force: the trials it rests on, and how likely they would be by chance."""

    kind: str
    """What was found, such as cold start."""
    sentence: str
    """The same with its numbers."""
    chance: float | None
    """How likely it would be by chance."""
    trials: int
    """How many it rests on."""
    cases: tuple[str, ...]
    """Those it is about."""
    runs: tuple[int, ...]
    """Those it is about, from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """What the next cycle is going to try beside what is in force, and why."""

    spec: str
    """Its id."""
    change: str
    """What it changes of what is in force."""
    why: str
    """Why it is tried."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmup:
    """The warm-up call of a spec."""

    spec: str
    """The configuration that was warmed up."""
    answered: bool
    """Whether an answer came."""
    latency_s: float | None
    """How long that took, in seconds."""
    error: str
    """What went wrong; empty when nothing did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseReport:
    """What a cycle found of a phase."""

    phase: str
    """Its name."""
    cycle: int
    """The number of the cycle."""
    status: str
    """How the cycle ended: decided, partial, interrupted, stopped or running."""
    proof: bool
    """Whether it only proved what was on trial."""
    verdict: str
    """PROMOTE, HOLD or REJECT; empty where nothing was decided."""
    sentence: str
    """The reason for the verdict."""
    takes: str
    """What it would take to come to another one."""
    baseline: str
    """The spec that the cycle began with."""
    in_force: str
    """The spec that the cycle left in force."""
    winner: str | None
    """The spec that was promoted, if one was."""
    cases: int
    """How many were asked."""
    runs: int
    """How many passes were made."""
    specs: tuple[SpecReport, ...]
    """The baseline first."""
    strips: tuple[Strip, ...]
    """How each case went, those that fail most first."""
    strips_left: int
    """Cases that are not listed."""
    failures: tuple[Failure, ...]
    """The cases that keep failing, worst first."""
    failures_left: int
    """Cases that keep failing and are not listed."""
    diagnoses: tuple[Diagnosis, ...]
    """What was found of the spec in force."""
    next: tuple[Try, ...]
    """What the next cycle is going to try."""
    next_left: int
    """Untried neighbours beyond those."""
    warmups: tuple[Warmup, ...]
    """The warm-up calls of the cycle."""
