"""Phase 5, pick: choose the winner among the candidates that may be promoted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_selfopt.loop.evaluate import Metrics
from pytest_selfopt.loop.gate import CandidateJudgement
from pytest_selfopt.loop.gates.gate_result import Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """The winner's judgement (None: the baseline stays) and why."""

    winner: CandidateJudgement | None
    sentence: str


def pick(judgements: Sequence[CandidateJudgement], metrics: Mapping[str, Metrics], *, promote: bool = True) -> Pick:
    """Choose the most accurate candidate with a PROMOTE verdict; ties go to fewer tokens, then to the first opened.

    `metrics` are those of every judged spec, by id. Without `promote` no candidate wins, whatever the verdicts.
    """
    promoted = [judgement for judgement in judgements if judgement.verdict is Verdict.PROMOTE]
    if promoted and promote:
        winner = min(promoted, key=lambda judgement: _rank(judgement, metrics[judgement.spec]))
        return Pick(winner=winner, sentence=_won(winner, len(promoted)))
    return Pick(winner=None, sentence=f"the baseline stays{_why_it_stays(judgements, promoted)}")


def _won(winner: CandidateJudgement, promoted: int) -> str:
    if promoted == 1:
        return winner.sentence
    return f"{winner.sentence.removesuffix('.')}; the most accurate of {promoted} that could be promoted"


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


def _rank(judgement: CandidateJudgement, metrics: Metrics) -> tuple[float, float, int]:
    tokens = (metrics.tokens_in or 0) + (metrics.tokens_out or 0)
    return (-metrics.accuracy, tokens, judgement.comparison or 0)
