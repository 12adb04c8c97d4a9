"""Phase 5, pick: choose the winner among the candidates that may be promoted."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_selfopt.console.quantities import counted, format_cost, format_odds
from pytest_selfopt.loop.evaluate import Metrics
from pytest_selfopt.loop.evidence.tally import Tally
from pytest_selfopt.loop.gate import CandidateJudgement
from pytest_selfopt.loop.gates.gate_result import Verdict

Beside = Callable[[str, str], Tally]
"""Pairs two specs, by id, that were asked in the same passes: what the second one fixed and broke of the first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PassedOver:
    """A candidate that passed all gates and was not chosen, and how the winner did beside it."""

    spec: str
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """The winner's judgement (None: the baseline stays) and why; and what passed beside it."""

    winner: CandidateJudgement | None
    sentence: str
    passed_over: tuple[PassedOver, ...] = ()


def pick(
    judgements: Sequence[CandidateJudgement],
    metrics: Mapping[str, Metrics],
    *,
    promote: bool = True,
    beside: Beside | None = None,
    name_of: Callable[[str], str] = str,
) -> Pick:
    """Choose the most accurate candidate with a PROMOTE verdict.

    Ties go to the lower cost if all are known, then to fewer tokens, then to the first opened. `metrics` are those of
    every judged spec, by id. Without `promote` no candidate wins, whatever the verdicts. With `beside` the winner is
    compared with each other candidate that passed; `name_of` names a spec for people.
    """
    promoted = [judgement for judgement in judgements if judgement.verdict is Verdict.PROMOTE]
    if not promoted or not promote:
        return Pick(winner=None, sentence=f"the baseline stays{_why_it_stays(judgements, promoted)}")
    priced = all(metrics[judgement.spec].cost_of_1000_usd is not None for judgement in promoted)
    winner, *others = sorted(promoted, key=lambda judgement: _rank(judgement, metrics[judgement.spec], priced=priced))
    name, chosen = name_of(winner.spec), metrics[winner.spec]
    passed_over: list[PassedOver] = []
    for other in others:
        tally = None
        if beside is not None:
            tally = beside(other.spec, winner.spec)
        sentence = _beside_winner(name, chosen, metrics[other.spec], tally)
        passed_over.append(PassedOver(spec=other.spec, sentence=sentence))
    return Pick(winner=winner, sentence=_won(winner, passed_over, name_of), passed_over=tuple(passed_over))


def _beside_winner(winner: str, chosen: Metrics, other: Metrics, tally: Tally | None) -> str:
    """Say how the winner did beside another candidate that passed, or that the two cannot be compared."""
    if tally is None or not tally.pairs:
        return f"{winner} is chosen by its own answers: the two were not compared with each other"
    pairs = f"{counted(tally.pairs, 'answer')} side by side"
    differences = f"fixed {tally.wins}, broke {tally.losses}"
    ahead = tally.wins - tally.losses
    if ahead > 0:
        odds = f"odds {format_odds(tally.odds)}:1 against luck"
        return f"{winner} is better by {ahead} of {pairs} ({differences}; {odds})"
    if chosen.accuracy > other.accuracy:
        shares = f"{chosen.accuracy:.3f} instead of {other.accuracy:.3f}"
        return f"{winner} has the higher accuracy, {shares} (of {pairs} it {differences})"
    return f"{winner} is as good in {pairs} ({differences}) and {_advantage(chosen, other)}"


def _advantage(chosen: Metrics, other: Metrics) -> str:
    """Say what decided between two candidates of the same accuracy."""
    cost, others_cost = chosen.cost_of_1000_usd, other.cost_of_1000_usd
    if cost is not None and others_cost is not None and cost < others_cost:
        return f"costs less, {format_cost(cost)} instead of {format_cost(others_cost)} for 1,000 answers"
    if _tokens(chosen) < _tokens(other):
        return f"takes fewer tokens, {_tokens(chosen):,} instead of {_tokens(other):,}"
    return "was opened first"


def _won(winner: CandidateJudgement, passed_over: Sequence[PassedOver], name_of: Callable[[str], str]) -> str:
    if not passed_over:
        return winner.sentence
    others = "; ".join(_not_chosen(passed_over, name_of))
    return f"{winner.sentence.removesuffix('.')}; of {len(passed_over) + 1} that passed, not chosen: {others}"


def _not_chosen(passed_over: Iterable[PassedOver], name_of: Callable[[str], str]) -> list[str]:
    return [f"{name_of(other.spec)}: {other.sentence}" for other in passed_over]


def _why_it_stays(judgements: Sequence[CandidateJudgement], promoted: Sequence[CandidateJudgement]) -> str:
    if promoted:
        names = ", ".join(judgement.spec for judgement in promoted)
        return f", because promoting is switched off; better is {names}"
    if not judgements:
        return "; there was nothing left to compare it with"
    held = sum(judgement.verdict is Verdict.HOLD for judgement in judgements)
    if held:
        return f"; undecided: {held} of {len(judgements)}"
    return f"; none of {len(judgements)} candidates is better"


def _rank(judgement: CandidateJudgement, metrics: Metrics, *, priced: bool) -> tuple[float, float, int, int]:
    """Return the key by which candidates are sorted, the best first; the cost counts only if all are `priced`."""
    cost = metrics.cost_of_1000_usd
    if cost is None or not priced:
        cost = 0.0
    return (-metrics.accuracy, cost, _tokens(metrics), judgement.comparison or 0)


def _tokens(metrics: Metrics) -> int:
    return (metrics.tokens_in or 0) + (metrics.tokens_out or 0)
