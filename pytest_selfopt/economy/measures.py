"""What counts of cases add up to: totals, scores, and what answers cost."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TypeVar

from pytest_selfopt.economy.score import Score, score_of
from pytest_selfopt.ledger.aggregates import CaseCount
from pytest_selfopt.models.config import ModelConfig

MOST_ERRORS = 0.05
"""The share of missing answers at which a cycle says more of the way to a model than of the model."""
MOST_UNPRICED = 0.05
"""The share of answers of unknown cost at which the mean of the others says nothing."""

Item = TypeVar("Item")
Key = TypeVar("Key")


@dataclass(slots=True, kw_only=True)
class CaseTotals:
    """Sums over counts of cases."""

    passes: int = 0
    answers: int = 0
    errors: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    unpriced: int = 0

    @property
    def trials(self) -> int:
        """All trials, those without an answer among them."""
        return self.answers + self.errors


def totals_of(cases: Iterable[CaseCount]) -> CaseTotals:
    """Add counts up."""
    totals = CaseTotals()
    for count in cases:
        totals.passes += count.passes
        totals.answers += count.answers
        totals.errors += count.errors
        totals.tokens_in += count.tokens_in
        totals.tokens_out += count.tokens_out
        totals.unpriced += count.unpriced
    return totals


def grouped(items: Iterable[Item], key: Callable[[Item], Key]) -> dict[Key, list[Item]]:
    """The items by their keys; keys and items keep the order in which they come."""
    groups: defaultdict[Key, list[Item]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups


def score_of_cases(cases: Iterable[CaseCount]) -> Score:
    """The score over all trials, those without an answer among them."""
    return score_of((count.case, count.passes, count.trials) for count in cases)


def last_whole_cycle(cases: Iterable[CaseCount]) -> int:
    """The last cycle that asked at least half as many cases as any: one that was cut off says little."""
    asked: Counter[int] = Counter(map(attrgetter("cycle"), cases))
    most = max(asked.values())
    return max(cycle for cycle, number in asked.items() if 2 * number >= most)


def suite_scores(cases: Iterable[CaseCount]) -> dict[str, Score]:
    """The score of each suite, by name."""
    by_suite = grouped(cases, _suite)
    return {suite: score_of_cases(by_suite[suite]) for suite in sorted(by_suite)}


def _suite(count: CaseCount) -> str:
    """The suite of a case, which is named SUITE/ID."""
    return count.case.partition("/")[0]


def restraint_score(cases: Iterable[CaseCount]) -> Score | None:
    """The score of the answers that should call no tool; None when there are none."""
    answered = []
    for count in cases:
        if count.restraint and count.answers:
            row = (count.case, count.passes, count.answers)
            answered.append(row)
    if not answered:
        return None
    return score_of(answered)


def like_cycles(cases: Iterable[CaseCount]) -> list[float]:
    """The share of right answers in each cycle that asked the same cases, oldest first.

    That is the longest such series, of equal ones the later one. Cycles with too many errors are left out.
    """
    by_cycle: dict[int, list[CaseCount]] = grouped(cases, attrgetter("cycle"))
    series: defaultdict[frozenset[tuple[str, str]], list[float]] = defaultdict(list)
    for cycle in sorted(by_cycle):
        asked = by_cycle[cycle]
        totals = totals_of(asked)
        if totals.errors < MOST_ERRORS * totals.trials:
            questions = frozenset(map(_question, asked))
            series[questions].append(totals.passes / totals.answers)
    return max(reversed(series.values()), key=len, default=[])


def _question(count: CaseCount) -> tuple[str, str]:
    return count.case, count.case_hash


def answer_cost(cases: Sequence[CaseCount]) -> float | None:
    """USD of an answer: the mean of those whose cost is known; None unless nearly all are."""
    totals = totals_of(cases)
    if not totals.answers or totals.unpriced > MOST_UNPRICED * totals.answers:
        return None
    cost_usd: float = sum(map(attrgetter("cost_usd"), cases))
    return cost_usd / (totals.answers - totals.unpriced)


def token_price(cases: Iterable[CaseCount], config: ModelConfig | None) -> float | None:
    """USD of a million tokens, in and out as they were used; None when it is unknown."""
    if config is None:
        return None
    if config.free:
        return 0.0
    totals = totals_of(cases)
    tokens = totals.tokens_in + totals.tokens_out
    if config.price_in is None or config.price_out is None or not tokens:
        return None
    cost_in = config.price_in * totals.tokens_in
    cost_out = config.price_out * totals.tokens_out
    return (cost_in + cost_out) / tokens
