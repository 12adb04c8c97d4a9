"""Phase 5, pick: the winner among the candidates that may be promoted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_selfopt.loop.evaluate import Metrics
from pytest_selfopt.loop.gate import Judgement
from pytest_selfopt.loop.gates import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """The winner's judgement (None: the baseline stays) and why."""

    winner: Judgement | None
    sentence: str


def pick(judgements: Sequence[Judgement], metrics: Mapping[str, Metrics], *, promote: bool = True) -> Pick:
    """Choose among the PROMOTE verdicts the most accurate; on a tie the one of fewer tokens, then the first opened.

    `metrics` are those of every judged spec, by id. Without `promote` nobody wins, whatever the verdicts.
    """
    promoted = [judgement for judgement in judgements if judgement.verdict is Verdict.PROMOTE]
    if promoted and not promote:
        names = ", ".join(judgement.spec for judgement in promoted)
        return Pick(winner=None, sentence=f"the baseline stays, because promoting is switched off; better is {names}")
    if promoted:
        winner = min(promoted, key=lambda judgement: _rank(judgement, metrics[judgement.spec]))
        others = len(promoted) - 1
        beside = f"; the most accurate of {others + 1} that could be promoted" if others else ""
        return Pick(winner=winner, sentence=winner.sentence.removesuffix(".") + beside if beside else winner.sentence)
    held = [judgement for judgement in judgements if judgement.verdict is Verdict.HOLD]
    if held:
        return Pick(winner=None, sentence=f"the baseline stays; undecided: {len(held)} of {len(judgements)}")
    if judgements:
        return Pick(winner=None, sentence=f"the baseline stays; none of {len(judgements)} candidates is better")
    return Pick(winner=None, sentence="the baseline stays; there was nothing left to compare it with")


def _rank(judgement: Judgement, metrics: Metrics) -> tuple[float, float, int]:
    tokens = (metrics.tokens_in or 0) + (metrics.tokens_out or 0)
    return (-metrics.accuracy, tokens, judgement.comparison or 0)
