"""The report on a phase as plain data.

Accuracies are shares from 0 to 1 with 95 % intervals that allow for the correlation of repeats of one case; latencies
are in seconds, costs in USD. None is unknown, or not measured.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pytest_selfopt.bench.expected_failure import ExpectedFailure
from pytest_selfopt.console.verdict_text import describe_saved

VERDICTS = ("PROMOTE", "HOLD", "REJECT")
"""The verdicts, best first: the best of several is the verdict on all of them."""

IN_FORCE = "in force"
"""What is said of the spec that is in force now."""

Role = Literal["baseline", "candidate"]


def best_verdict(verdicts: Collection[str]) -> str:
    """Return the best of some verdicts; empty if there is none."""
    for verdict in VERDICTS:
        if verdict in verdicts:
            return verdict
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """The result of a gate for a spec."""

    name: str
    """The name of the gate, such as no_regression."""
    passed: bool
    """Whether the spec passed it."""
    asks: str
    """The verdict that the gate asks for if it is not passed."""
    value: float | None
    """The measured number."""
    limit: float | None
    """The limit for this number."""
    sentence: str
    """The result in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The numbers of a spec over the trials of a cycle; shares, latency and tokens are those of answered trials."""

    trials: int
    """All trials, including those without an answer."""
    cases: int
    """The number of cases; 0 if the numbers are from the history only."""
    passes: int
    """Trials that were right."""
    misses: int
    """Trials that were wrong."""
    errors: int
    """Trials without a usable answer."""
    accuracy: float | None
    """Passes over answered trials, each with the weight of its case; None if nothing was answered."""
    weighted: bool
    """Whether weights of cases differ from 1, so that the accuracy is not that of the counts."""
    low: float
    """The lower end of its interval."""
    high: float
    """The upper end of its interval."""
    run_accuracies: tuple[float, ...]
    """The accuracy of each run with an answer, in order."""
    restraint: float | None
    """The share of the answers to prompts that need no tool in which none was called."""
    restraint_trials: int
    """The number of answers behind it."""
    errors_by_kind: Mapping[str, int]
    """The number of errors of each kind."""
    unusual_ends: Mapping[str, int]
    """The number of replies that ended neither by themselves nor with a call, by finish reason, such as length."""
    latency_median_s: float | None
    """The median latency of the answers, in seconds."""
    latency_p95_s: float | None
    """The latency that 95 % of the answers did not exceed, in seconds."""
    tokens_in: int | None
    """The prompt tokens of all answers together."""
    tokens_out: int | None
    """The answer tokens of all answers together."""
    cost_usd: float | None
    """The cost of all trials; None if that of one is unknown."""
    cost_of_1000_usd: float | None
    """The cost of a thousand answers like these."""

    @property
    def answers(self) -> int:
        """Trials with an answer, right or wrong."""
        return self.passes + self.misses


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecReport:
    """A measured configuration and the verdict on it. The baseline is compared with nothing."""

    spec: str
    """Its id."""
    name: str
    """Its short name, unique in its phase: "baseline", or what it changes."""
    role: Role
    """Its role in the comparison."""
    in_force: bool
    """Whether the cycle left it in force."""
    verdict: str
    """PROMOTE, PASSED (all gates, but it is not the winner), HOLD or REJECT; empty for the baseline."""
    sentence: str
    """The verdict with its grounds."""
    comparison: int | None
    """The number of its comparison among those that spend a share of the error budget."""
    fixed: int | None
    """The answers that it has right and the baseline wrong."""
    broken: int | None
    """The answers that the baseline has right and it wrong."""
    passes: int | None
    """The passes that were compared."""
    prompts: int | None
    """The prompts that were compared."""
    prompts_up: int | None
    """The prompts that it has right more often than the baseline."""
    prompts_down: int | None
    """The prompts that it has right less often."""
    claim: str
    """For a promotion: the prompts on which it rests, and those for which it holds."""
    odds: float | None
    """The odds against luck by which it was judged."""
    needed: float | None
    """The odds that it had to reach."""
    gates: tuple[Gate, ...]
    """The gates applied to it; for a spec in force without a comparison, those that need no baseline."""
    measured: Measured | None
    """Its numbers in this cycle."""
    front_by_cost: bool
    """Whether no other spec of the phase is at least as accurate and as cheap, and better in one of them."""
    front_by_latency: bool
    """The same with latency instead of cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """Cases with equal outcomes, as letters: P is a pass, M a miss, E an error, and "." a run without a trial."""

    cases: tuple[str, ...]
    """The names of some of the cases."""
    count: int
    """The number of cases."""
    restraint: bool
    """Whether the cases need no tool."""
    outcomes: tuple[str, ...]
    """A text for each spec of the phase, with one letter per run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A case that the spec in force failed in two or more runs: the prompt, the expectation and the last answer."""

    case: str
    """Its name."""
    failed: int
    """The runs in which it was not right."""
    trials: int
    """The runs in which it was asked."""
    outcomes: str
    """One letter per run, as in strips."""
    prompt: str
    """The prompt; empty if the ledger does not have it."""
    expected: str
    """The expectation in words; empty if the ledger does not have it."""
    got: str
    """The last answer; empty if there was none."""
    got_length: int
    """The length of the answer in characters before it was cut."""
    reason: str
    """The reason why the answer is not right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """A diagnosis of the spec in force, with its trials and its probability by chance."""

    kind: str
    """The kind of diagnosis, such as cold start."""
    sentence: str
    """The diagnosis in words, with its numbers."""
    chance: float | None
    """The probability that the finding is due to chance."""
    trials: int
    """The number of trials behind it."""
    cases: tuple[str, ...]
    """The cases that it concerns."""
    runs: tuple[int, ...]
    """The runs that it concerns, from 0."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """A candidate of the next cycle."""

    spec: str
    """Its id."""
    change: str
    """The change from the spec in force."""
    why: str
    """The reason to try it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmup:
    """The warm-up call of a spec."""

    spec: str
    """The configuration that was warmed up."""
    answered: bool
    """Whether the model answered."""
    latency_s: float | None
    """The latency of the answer, in seconds."""
    error: str
    """The error; empty if there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseReport:
    """The results of a cycle for a phase."""

    phase: str
    """The name of the phase."""
    cycle: int
    """The number of the cycle."""
    status: str
    """The status of the cycle: decided, partial, interrupted, stopped or running; stopped in a decided cycle if no
    server answered in this phase."""
    proof: bool
    """Whether the cycle only proved what was on trial."""
    verdict: str
    """PROMOTE, HOLD or REJECT; empty if nothing was decided."""
    sentence: str
    """The reason for the verdict."""
    takes: str
    """What another verdict would take."""
    baseline: str
    """The spec that the cycle began with."""
    in_force: str
    """The spec that the cycle left in force."""
    winner: str | None
    """The promoted spec, if there is one."""
    in_force_now: str | None
    """The spec in force when the report was made; empty if the phase cannot be asked, null if that is not known."""
    taken_back: str
    """When the cycle's promotion was rolled back by hand; empty if it was not."""
    cases: int
    """The number of cases asked."""
    runs: int
    """The number of passes made."""
    specs: tuple[SpecReport, ...]
    """The specs, the baseline first."""
    strips: tuple[Strip, ...]
    """The outcomes of the cases, those that fail most first."""
    strips_left: int
    """The number of cases that are not listed."""
    failures: tuple[Failure, ...]
    """The cases that keep failing, worst first."""
    failures_left: int
    """The number of cases that keep failing and are not listed."""
    expected_failures: tuple[ExpectedFailure, ...]
    """The cases that are expected to fail, which count in no number of this report."""
    diagnoses: tuple[Diagnosis, ...]
    """The diagnoses of the spec in force."""
    next: tuple[Try, ...]
    """The candidates of the next cycle."""
    next_left: int
    """The number of further untried neighbours."""
    next_unneeded: int
    """The number of untried neighbours that cure nothing that was measured, and are not tried for that."""
    warmups: tuple[Warmup, ...]
    """The warm-up calls of the cycle."""

    @property
    def has_changed(self) -> bool:
        """Whether something else is in force now than the cycle left."""
        return self.in_force_now not in (None, self.in_force)

    @property
    def saved(self) -> str:
        """Say what leaving the race early saved; empty if nothing was."""
        measured = [spec.measured for spec in self.specs if spec.measured is not None]
        return describe_saved([numbers.trials for numbers in measured], self.cases)

    def state_of(self, spec: SpecReport) -> str:
        """Say whether a spec is in force, or was after the cycle; empty if it neither is nor was."""
        if self.has_changed and spec.in_force:
            return f"in force after cycle {self.cycle}"
        if spec.in_force or spec.spec == self.in_force_now:
            return IN_FORCE
        return ""


def with_fronts(specs: Sequence[SpecReport]) -> tuple[SpecReport, ...]:
    """Mark the specs that no other beats; a spec with an unknown number is on no front and beats none."""
    by_cost = _front(specs, "cost_of_1000_usd")
    by_latency = _front(specs, "latency_median_s")
    marked = []
    for spec in specs:
        cheap, fast = spec.spec in by_cost, spec.spec in by_latency
        marked.append(replace(spec, front_by_cost=cheap, front_by_latency=fast))
    return tuple(marked)


def _front(specs: Sequence[SpecReport], by: str) -> set[str]:
    """Return the ids of the specs on the Pareto front of accuracy and a field of `Measured`; less of it is better."""
    points: dict[str, tuple[float, float]] = {}
    for spec in specs:
        value = getattr(spec.measured, by, None)
        if spec.measured is not None and spec.measured.accuracy is not None and value is not None:
            points[spec.spec] = (spec.measured.accuracy, value)
    return {spec for spec, point in points.items() if not _beaten(point, points.values())}


def _beaten(point: tuple[float, float], points: Iterable[tuple[float, float]]) -> bool:
    """Tell whether one of the points is at least as good as this one in both numbers, and better in one."""
    accuracy, value = point
    for other in points:
        as_good = other[0] >= accuracy and other[1] <= value
        if as_good and other != point:
            return True
    return False
