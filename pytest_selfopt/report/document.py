"""What a report says, as plain data: the page, the Markdown and the JSON are made of this one value and nothing else.

Texts are as models, servers and users wrote them, cut to a length that a page can bear; whoever writes them out makes
them harmless. Accuracies are shares from 0 to 1 with 95 % intervals that mind how repeats of one case hang together;
latencies are in seconds, costs in USD, times in ISO 8601 (UTC). None is unknown, or not measured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

VERSION = 3
"""Of the report as JSON (`report.schema.json`)."""

VERDICTS = ("PROMOTE", "HOLD", "REJECT")
"""The best first: of several, that is the verdict on all of them."""

Kind = Literal["cycle", "history"]
Role = Literal["baseline", "candidate"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What a gate found of a spec: its number, its limit, and a sentence. A failure asks for the verdict in `asks`."""

    name: str
    passed: bool
    asks: str
    value: float | None
    limit: float | None
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The numbers of a spec over the trials of a cycle; latency, tokens and cost are those of answered trials."""

    trials: int
    cases: int
    passes: int
    misses: int
    errors: int
    accuracy: float
    low: float
    high: float
    run_accuracies: tuple[float, ...]
    restraint: float | None
    restraint_trials: int
    errors_by_kind: Mapping[str, int]
    latency_median_s: float | None
    latency_p95_s: float | None
    tokens_in: int | None
    tokens_out: int | None
    cost_usd: float | None
    """Of all its trials; None when that of one is unknown."""
    cost_of_1000_usd: float | None
    """Of a thousand answers like these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecReport:
    """One configuration that was measured, and what was decided of it.

    `name` is short and unlike those of the others in its phase: "baseline", or what it changes. `odds` are against
    luck, `needed` is the bar they had to reach in comparison number `comparison`, both as they were judged; `fixed` and
    `broken` are answers in `passes` passes. Of the baseline there is no verdict, and no comparison.
    """

    spec: str
    name: str
    role: Role
    in_force: bool
    verdict: str
    sentence: str
    comparison: int | None
    fixed: int | None
    broken: int | None
    passes: int | None
    odds: float | None
    needed: float | None
    gates: tuple[Gate, ...]
    measured: Measured | None
    front_by_cost: bool
    """Whether no other spec of the phase is at least as accurate and as cheap, and better in one of them."""
    front_by_latency: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Strip:
    """Cases that went alike: `outcomes` has a text for each spec of the phase, a letter a run in their order.

    P is a pass, M a miss, E an error, and "." a run that has no trial of it. `cases` are at most a few of the `count`.
    """

    cases: tuple[str, ...]
    count: int
    restraint: bool
    outcomes: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A case that the spec in force failed in two or more runs: what was asked, expected, and last got instead.

    `prompt` and `expected` are empty where the ledger does not know them, as those of older versions. `got` is empty
    when nothing came; then `reason` says why. `got_length` counts the characters before the text was cut.
    """

    case: str
    failed: int
    trials: int
    outcomes: str
    prompt: str
    expected: str
    got: str
    got_length: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """What was diagnosed of the spec in force: the trials it rests on, and how likely they would be by chance."""

    kind: str
    sentence: str
    chance: float | None
    trials: int
    cases: tuple[str, ...]
    runs: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Try:
    """What the next cycle is going to try beside what is in force, and why."""

    spec: str
    change: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Warmup:
    """The warm-up call of a spec."""

    spec: str
    answered: bool
    latency_s: float | None
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseReport:
    """What a cycle found of a phase.

    `verdict` is PROMOTE, HOLD or REJECT, or empty where nothing was decided; `sentence` is its reason, and `takes` what
    it would take to come to another one. `strips_left` and `failures_left` count the cases that are not listed.
    """

    phase: str
    cycle: int
    status: str
    proof: bool
    """Whether it only proved what was on trial."""
    verdict: str
    sentence: str
    takes: str
    baseline: str
    in_force: str
    winner: str | None
    cases: int
    runs: int
    specs: tuple[SpecReport, ...]
    """The baseline first."""
    strips: tuple[Strip, ...]
    strips_left: int
    failures: tuple[Failure, ...]
    failures_left: int
    diagnoses: tuple[Diagnosis, ...]
    next: tuple[Try, ...]
    next_left: int
    """Untried neighbours beyond those."""
    warmups: tuple[Warmup, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleLine:
    """One phase of one cycle in a line. `name` is what won, or what was tried without winning.

    The accuracies are those of what was in force before and after the cycle, each with the trials that it rests on.
    """

    cycle: int
    phase: str
    status: str
    started: str
    ended: str
    verdict: str
    name: str
    accuracy_before: float | None
    trials_before: int | None
    accuracy_after: float | None
    trials_after: int | None
    trials: int
    calls: int
    cost_usd: float | None
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """What was in force for a phase after a cycle: what was believed of it then, and what is known of it now.

    What is known rests on the trials of all later cycles over the same suite: those by which it was chosen are left
    out, because a winner looks better in them than it is. `event` is "promoted", "rolled back", "confirmed", "expired",
    "trial" or empty. `suite` changes where accuracies cannot be compared any more, because other cases were asked.
    """

    cycle: int
    phase: str
    spec: str
    name: str
    suite: str
    event: str
    believed: float
    believed_low: float
    believed_high: float
    believed_trials: int
    known: float | None
    known_low: float | None
    known_high: float | None
    known_trials: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A line of the decisions log; `cycle` is 0 for what happened outside of one."""

    timestamp: str
    cycle: int
    kind: str
    phase: str
    model: str
    effective: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleReport:
    """A rule: what it says, what it rests on, and its life so far, oldest first."""

    model: str
    phase: str
    status: str
    says: tuple[str, ...]
    reason: str
    source: str
    cycle: int | None
    timestamp: str
    evidence: tuple[str, ...]
    """The numbers of its proof, such as "fixed 20"."""
    rests_on: tuple[str, ...]
    """Its premises: it is proven anew when one of them changes."""
    events: tuple[Event, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What it took: calls (every attempt counts), seconds, tokens, and USD. `unpriced` calls are of unknown cost."""

    calls: int
    trials: int
    seconds: float
    tokens: int
    known_cost_usd: float
    unpriced: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much of the bound on false promotions is spent, in all cycles together."""

    comparisons: int
    spent: float
    alpha: float
    next_odds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report on a cycle, or on the whole history.

    `verdict` is the best of the phases' verdicts, or empty; `headline` says in one sentence what was decided, `why` on
    what grounds, and `takes` what comes next or what it would take. `phases` are those of the cycle; of a history, the
    last decided state of each.
    """

    version: int
    kind: Kind
    project: str
    """The name of the project's folder."""
    product: str
    generated: str
    cycle: int | None
    """The number of the cycle; of a history, that of the last one."""
    started: str
    ended: str
    status: str
    verdict: str
    headline: str
    why: tuple[str, ...]
    takes: tuple[str, ...]
    spent: Spent
    phases: tuple[PhaseReport, ...]
    cycles: tuple[CycleLine, ...]
    curve: tuple[CurvePoint, ...]
    rules: tuple[RuleReport, ...]
    events: tuple[Event, ...]
    """Of the cycle; of a history, the last ones of all."""
    budget: Budget | None


def to_json(report: Report) -> dict[str, Any]:
    """The report as plain JSON values, as `report.schema.json` describes them."""
    return asdict(report)
