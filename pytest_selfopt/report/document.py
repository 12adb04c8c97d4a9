"""A report as plain data: the page, the Markdown and the JSON are made from this value alone.

Texts are as models, servers and users wrote them, cut to a length that suits a page; each renderer escapes them.
Accuracies are shares from 0 to 1 with 95 % intervals that allow for the correlation of repeats of one case; latencies
are in seconds, costs in USD, times in ISO 8601 (UTC). None is unknown, or not measured.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from pytest_selfopt.report.phase_document import PhaseReport

VERSION = 3
"""The version of the report as JSON (`report.schema.json`)."""

Kind = Literal["cycle", "history"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleLine:
    """One phase of one cycle in a line."""

    cycle: int
    """Its number."""
    phase: str
    """The name of the phase."""
    status: str
    """How the cycle ended."""
    started: str
    """When it began."""
    ended: str
    """When it ended."""
    verdict: str
    """PROMOTE, HOLD or REJECT; empty if nothing was judged."""
    name: str
    """The winner, or the candidates if none won."""
    claim: str
    """For a promotion: the prompts on which it rests, and those for which it holds."""
    taken_back: str
    """When the promotion was rolled back by hand; empty if it was not."""
    accuracy_before: float | None
    """The accuracy of the spec in force before the cycle."""
    passes_before: int
    """The number of right answers behind it."""
    trials_before: int | None
    """The number of answers behind it."""
    accuracy_after: float | None
    """The accuracy of the spec that the cycle left in force."""
    passes_after: int
    """The number of right answers behind it."""
    trials_after: int | None
    """The number of answers behind it."""
    trials: int
    """The trials of all specs together."""
    calls: int
    """The attempts of all specs together."""
    cost_usd: float | None
    """The cost of all specs together; None if that of one is unknown."""
    sentence: str
    """The result in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """The spec in force for a phase after a cycle, with its accuracy as believed then and as known now.

    The known accuracy rests on the trials of all later cycles over the same suite. The trials by which the spec was
    chosen are left out, because a winner looks better in them than it is.
    """

    cycle: int
    """Its number."""
    phase: str
    """The name of the phase."""
    spec: str
    """The spec in force."""
    name: str
    """Its short name."""
    suite: str
    """A fingerprint of the cases; accuracies can be compared only where it is the same."""
    event: str
    """The event that put it into force: promoted, rolled back, confirmed, expired or trial; empty without one."""
    believed: float
    """The accuracy by which the cycle judged."""
    believed_low: float
    """The lower end of its interval."""
    believed_high: float
    """The upper end of its interval."""
    believed_trials: int
    """The number of answers behind it."""
    known: float | None
    """The accuracy in all later cycles; None if it was not measured since."""
    known_low: float | None
    """The lower end of its interval."""
    known_high: float | None
    """The upper end of its interval."""
    known_trials: int
    """The number of answers behind it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A line of the decisions log."""

    timestamp: str
    """The time of the decision."""
    cycle: int
    """The number of the cycle; 0 for a decision outside of cycles."""
    kind: str
    """The kind of decision, such as promote or rollback."""
    phase: str
    """The phase that it concerns."""
    model: str
    """The requested model."""
    effective: str
    """The model in effect."""
    reason: str
    """The reason in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleReport:
    """A rule: its settings, its grounds, and its history, oldest first."""

    model: str
    """The model to which it applies."""
    phase: str
    """The phase to which it applies."""
    status: str
    """kept, trial, confirmed, rolled_back or expired."""
    says: tuple[str, ...]
    """Its settings, a phrase for each."""
    reason: str
    """The reason why it was made."""
    source: str
    """The maker of the rule."""
    cycle: int | None
    """The number of the cycle that made it."""
    timestamp: str
    """The time at which it was made."""
    evidence: tuple[str, ...]
    """The numbers of its proof, such as "fixed 20"."""
    rests_on: tuple[str, ...]
    """Its premises: it is proven again when one of them changes."""
    events: tuple[Event, ...]
    """The decisions on it, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """The calls, time and money spent."""

    calls: int
    """The calls, with every attempt counted."""
    trials: int
    """The calls that count, judged or not yet."""
    seconds: float
    """The time from the beginning to the end of each cycle."""
    tokens: int
    """The tokens in and out, as far as servers report them."""
    known_cost_usd: float
    """The cost of the calls whose cost is known."""
    unpriced: int
    """Trials of unknown cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The part of the bound on false promotions that all cycles together have spent."""

    comparisons: int
    """The number of comparisons opened."""
    spent: float
    """The sum of their shares."""
    alpha: float
    """The bound on the chance that anything false is ever promoted."""
    next_odds: float
    """The odds that the next comparison has to reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report on a cycle, or on the whole history."""

    version: int
    """The version of this form."""
    kind: Kind
    """The scope: a cycle, or the whole history."""
    project: str
    """The name of the project's folder."""
    product: str
    """The name and version of the program that made the report."""
    generated: str
    """The time at which the report was made."""
    cycle: int | None
    """The number of the cycle; of a history, that of the last cycle."""
    started: str
    """The beginning of the cycle, or of the first cycle."""
    ended: str
    """The end of the cycle, or of the last cycle."""
    status: str
    """The status of a cycle: decided, partial, interrupted, stopped or running; of a history: decided or undecided."""
    verdict: str
    """The best of the phases' verdicts; empty if nothing was judged."""
    headline: str
    """The decision in one sentence."""
    why: tuple[str, ...]
    """The grounds of the decision."""
    takes: tuple[str, ...]
    """The next steps, or what another verdict would take."""
    spent: Spent
    """The calls, time and money spent."""
    phases: tuple[PhaseReport, ...]
    """The phases of the cycle; of a history, the last decided state of each phase."""
    cycles: tuple[CycleLine, ...]
    """All cycles up to this one, oldest first."""
    curve: tuple[CurvePoint, ...]
    """The spec in force after each of these cycles."""
    rules: tuple[RuleReport, ...]
    """The rules of the routing configuration."""
    events: tuple[Event, ...]
    """The decisions of the cycle; of a history, the last decisions."""
    budget: Budget | None
    """The error budget of the whole history; None without a ledger."""


def to_json(report: Report) -> dict[str, Any]:
    """Return the report as plain JSON values, as `report.schema.json` describes them."""
    return asdict(report)
