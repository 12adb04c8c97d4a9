"""What a report says, as plain data: the page, the Markdown and the JSON are made of this one value and nothing else.

Texts are as models, servers and users wrote them, cut to a length that a page can bear; whoever writes them out makes
them harmless. Accuracies are shares from 0 to 1 with 95 % intervals that mind how repeats of one case hang together;
latencies are in seconds, costs in USD, times in ISO 8601 (UTC). None is unknown, or not measured.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

from pytest_selfopt.report.phase_document import PhaseReport

VERSION = 3
"""Of the report as JSON (`report.schema.json`)."""

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
    """PROMOTE, HOLD or REJECT; empty where nothing was judged."""
    name: str
    """What won, or what was tried without winning."""
    accuracy_before: float | None
    """Of what was in force before the cycle."""
    trials_before: int | None
    """How many trials that rests on."""
    accuracy_after: float | None
    """Of what the cycle left in force."""
    trials_after: int | None
    """How many trials that rests on."""
    trials: int
    """Of all specs together."""
    calls: int
    """Attempts, of all specs together."""
    cost_usd: float | None
    """Of all specs together; None when that of one is unknown."""
    sentence: str
    """What came of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CurvePoint:
    """What was in force for a phase after a cycle: what was believed of it then, and what is known of it now.

    What is known rests on the trials of all later cycles over the same suite: those by which it was chosen are left
    out, because a winner looks better in them than it is.
    """

    cycle: int
    """Its number."""
    phase: str
    """The name of the phase."""
    spec: str
    """What was in force."""
    name: str
    """The same in short."""
    suite: str
    """It changes where accuracies cannot be compared any more, because other cases were asked."""
    event: str
    """What brought it into force: promoted, rolled back, confirmed, expired, trial, or nothing new."""
    believed: float
    """The accuracy by which the cycle judged."""
    believed_low: float
    """The lower end of its interval."""
    believed_high: float
    """The upper end of its interval."""
    believed_trials: int
    """How many trials it rests on."""
    known: float | None
    """The accuracy in all later cycles; None when it was not measured since."""
    known_low: float | None
    """The lower end of its interval."""
    known_high: float | None
    """The upper end of its interval."""
    known_trials: int
    """How many trials it rests on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """A line of the decisions log."""

    timestamp: str
    """When it was decided."""
    cycle: int
    """The number of the cycle; 0 for what happened outside of one."""
    kind: str
    """What was decided, such as promote or rollback."""
    phase: str
    """The phase it is about."""
    model: str
    """The model that was asked for."""
    effective: str
    """The model that is in effect."""
    reason: str
    """Why, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleReport:
    """A rule: what it says, what it rests on, and its life so far, oldest first."""

    model: str
    """The model it is about."""
    phase: str
    """The phase it is about."""
    status: str
    """kept, trial, confirmed, rolled_back or expired."""
    says: tuple[str, ...]
    """What it sets, a phrase for each setting."""
    reason: str
    """Why it was made."""
    source: str
    """Who made it."""
    cycle: int | None
    """The number of the cycle that made it."""
    timestamp: str
    """When it was made."""
    evidence: tuple[str, ...]
    """The numbers of its proof, such as "fixed 20"."""
    rests_on: tuple[str, ...]
    """Its premises: it is proven anew when one of them changes."""
    events: tuple[Event, ...]
    """What was decided of it, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What it took."""

    calls: int
    """Every attempt counts."""
    trials: int
    """Calls that count, judged or not yet."""
    seconds: float
    """From the beginning to the end of each cycle."""
    tokens: int
    """Asked and answered, as far as servers tell."""
    known_cost_usd: float
    """Of the calls whose cost is known."""
    unpriced: int
    """Trials of unknown cost."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """How much of the bound on false promotions is spent, in all cycles together."""

    comparisons: int
    """How many were opened."""
    spent: float
    """The sum of their shares."""
    alpha: float
    """The bound: the chance that anything false is ever promoted is at most this."""
    next_odds: float
    """The odds that the next comparison has to reach."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A report on a cycle, or on the whole history."""

    version: int
    """Of this form."""
    kind: Kind
    """A cycle, or the whole history."""
    project: str
    """The name of the project's folder."""
    product: str
    """The name and version of what made it."""
    generated: str
    """When it was made."""
    cycle: int | None
    """The number of the cycle; of a history, that of the last one."""
    started: str
    """When the cycle, or the first one, began."""
    ended: str
    """When the cycle, or the last one, ended."""
    status: str
    """Of a cycle: decided, partial, interrupted, stopped or running; of a history: decided or undecided."""
    verdict: str
    """The best of the phases' verdicts; empty where nothing was judged."""
    headline: str
    """What was decided, in one sentence."""
    why: tuple[str, ...]
    """On what grounds."""
    takes: tuple[str, ...]
    """What comes next, or what it would take."""
    spent: Spent
    """What it took."""
    phases: tuple[PhaseReport, ...]
    """Those of the cycle; of a history, the last decided state of each."""
    cycles: tuple[CycleLine, ...]
    """All of them up to this one, oldest first."""
    curve: tuple[CurvePoint, ...]
    """What was in force after each of them."""
    rules: tuple[RuleReport, ...]
    """Those of the routing configuration."""
    events: tuple[Event, ...]
    """Of the cycle; of a history, the last ones of all."""
    budget: Budget | None
    """Of the whole history; None without a ledger."""


def to_json(report: Report) -> dict[str, Any]:
    """The report as plain JSON values, as `report.schema.json` describes them."""
    return asdict(report)
