"""CaseTotals, scores and costs from the counts of cases."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TypeVar

from pytest_selfopt.economy.score import CaseAnswers, Score, score_of
from pytest_selfopt.ledger.aggregates import CaseCount
from pytest_selfopt.models.config import ModelConfig

MOST_ERRORS = 0.05
"""The share of missing answers from which the connection is measured more than the model."""
MOST_UNPRICED = 0.05
"""The share of answers of unknown cost at which the mean of the others is meaningless."""

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
        """All trials, including those without an answer."""
        return self.answers + self.errors


def totals_of(cases: Iterable[CaseCount]) -> CaseTotals:
    """Add up counts."""
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
    """Group items by key; keys and items keep their order."""
    groups: defaultdict[Key, list[Item]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups


def score_of_cases(cases: Iterable[CaseCount]) -> Score:
    """Return the score over all answers."""
    return score_of(map(answers_of, cases))


def answers_of(count: CaseCount) -> CaseAnswers:
    """Return the passes, the answers and the weight of a case in a cycle."""
    return CaseAnswers(count.case, count.passes, count.answers, count.weight)


def last_whole_cycle(cases: Iterable[CaseCount]) -> int:
    """Return the last cycle with at least half as many answered cases as the largest.

    Cycles that were cut off, or had an outage, say little.
    """
    answered: Counter[int] = Counter()
    for count in cases:
        answered[count.cycle] += count.answers > 0
    most = max(answered.values())
    return max(cycle for cycle, number in answered.items() if 2 * number >= most)


def suite_scores(cases: Iterable[CaseCount]) -> dict[str, Score]:
    """Return the score of each suite, by name."""
    by_suite = grouped(cases, _suite)
    return {suite: score_of_cases(by_suite[suite]) for suite in sorted(by_suite)}


def _suite(count: CaseCount) -> str:
    """Return the suite of a case named SUITE/ID."""
    return count.case.partition("/")[0]


def restraint_score(cases: Iterable[CaseCount]) -> Score | None:
    """Return the share of the answers to prompts that need no tool in which none was called; None if there are none.

    Weights do not count here.
    """
    answered = []
    for count in cases:
        if count.restraint and count.answers:
            answers = CaseAnswers(count.case, count.answers - count.calls, count.answers)
            answered.append(answers)
    if not answered:
        return None
    return score_of(answered)


def like_cycles(cases: Iterable[CaseCount]) -> list[float]:
    """Return the share of right answers in each cycle that asked the same cases, oldest first.

    The longest such series counts; of equally long ones, the latest. Cycles with too many errors are left out.
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
    """Return the mean cost of an answer in USD; None unless nearly all costs are known."""
    totals = totals_of(cases)
    if not totals.answers or totals.unpriced > MOST_UNPRICED * totals.answers:
        return None
    cost_usd: float = sum(map(attrgetter("cost_usd"), cases))
    return cost_usd / (totals.answers - totals.unpriced)


def token_price(cases: Iterable[CaseCount], config: ModelConfig | None) -> float | None:
    """Return USD per million tokens at the observed mix of in and out; None if unknown."""
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
