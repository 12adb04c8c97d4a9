"""The result of a phase for somebody who was not there: the verdict, why, what is in force, and what it would take."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_selfopt.console.quantities import format_odds
from pytest_selfopt.loop.cycle import Conclusion
from pytest_selfopt.loop.gate import CandidateJudgement
from pytest_selfopt.loop.gates import GateResult, Verdict
from pytest_selfopt.session.terminal.writer import StyledText
from pytest_selfopt.specs.spec import parse_spec, short_difference

COLOURS = {Verdict.PROMOTE: "green", Verdict.HOLD: "yellow", Verdict.REJECT: "red"}


def headline(conclusion: Conclusion, cycle: int) -> list[StyledText]:
    """The verdict, and below it why, what is in force, and what would decide it or take it back."""
    winner = conclusion.pick.winner
    leader = leader_of(conclusion)
    lines = [verdict_of(conclusion)]
    if leader is not None:
        reason = _because(conclusion, leader)
        if len(conclusion.judgements) > 1 and winner is None:
            reason = f"furthest ahead, {reason}"
        lines.append(StyledText(f"  why: {reason}"))
    standing = _standing(conclusion)
    lines.append(StyledText(f"  in force now: {conclusion.in_force.id} ({standing})"))
    if winner is not None:
        lines.append(StyledText(f"  to take it back: selfopt rollback {cycle}"))
    elif leader is not None and leader.takes:
        lines.append(StyledText(f"  what it takes: {leader.takes}"))
    return lines


def verdict_of(conclusion: Conclusion) -> StyledText:
    """The result of a phase in one sentence that stands alone."""
    text, verdict = _result(conclusion)
    return StyledText(
        f"{verdict} {conclusion.phase}: {text}",
        COLOURS[verdict],
        bold=True,
    )


def leader_of(conclusion: Conclusion) -> CandidateJudgement | None:
    """The winner, or else whoever was furthest ahead among those whose verdict decided the phase's."""
    if conclusion.pick.winner:
        return conclusion.pick.winner
    by_verdict = _by_verdict(conclusion)
    candidates = by_verdict[Verdict.PROMOTE] or by_verdict[Verdict.HOLD] or conclusion.judgements
    return max(candidates, key=_lead, default=None)


def _by_verdict(conclusion: Conclusion) -> dict[Verdict, list[CandidateJudgement]]:
    judgements: dict[Verdict, list[CandidateJudgement]] = {verdict: [] for verdict in Verdict}
    for judgement in conclusion.judgements:
        judgements[judgement.verdict].append(judgement)
    return judgements


def _lead(judgement: CandidateJudgement) -> int:
    return judgement.tally.wins - judgement.tally.losses


def change_of(conclusion: Conclusion, judgement: CandidateJudgement) -> str:
    """What a candidate changes of the baseline."""
    return short_difference(conclusion.baseline, parse_spec(judgement.spec))


def _result(conclusion: Conclusion) -> tuple[str, Verdict]:
    winner = conclusion.pick.winner
    if winner is not None:
        return _describe_win(conclusion, winner), Verdict.PROMOTE
    by_verdict = _by_verdict(conclusion)
    better = _names_of(conclusion, by_verdict[Verdict.PROMOTE])
    if better:
        return f"{better} is better, and promoting is switched off", Verdict.HOLD
    held = _names_of(conclusion, by_verdict[Verdict.HOLD])
    if held:
        return f"the evidence on {held} is short", Verdict.HOLD
    tried = len(conclusion.judgements)
    if not tried:
        return "nothing was left to try; what is in force stays", Verdict.REJECT
    subject = f"none of {tried} candidates is"
    if tried == 1:
        subject = "the candidate is not"
    return f"{subject} better than what is in force", Verdict.REJECT


def _describe_win(conclusion: Conclusion, winner: CandidateJudgement) -> str:
    """What the winner changes, and the right answers of both."""
    name = change_of(conclusion, winner)
    before = conclusion.metrics[conclusion.baseline.id]
    after = conclusion.metrics[winner.spec]
    return (
        f"{name}, {after.passes:,} of {after.trials:,} answers right instead of {before.passes:,} of {before.trials:,}"
    )


def _names_of(conclusion: Conclusion, judgements: Sequence[CandidateJudgement]) -> str:
    return ", ".join(change_of(conclusion, judgement) for judgement in judgements)


def _because(conclusion: Conclusion, judgement: CandidateJudgement) -> str:
    """What decided about a candidate: its answers beside the baseline's, and the gate that kept it back."""
    tally = judgement.tally
    name = change_of(conclusion, judgement)
    pairs = f"{name} fixed {tally.wins} answers, broke {tally.losses} in {tally.passes} passes"
    gate = _failed_gate(judgement)
    if gate is not None:
        return f"{pairs}; gate {gate.name}: {gate.sentence}"
    if judgement.bar is None:
        return pairs
    reached = format_odds(tally.odds)
    needed = format_odds(judgement.bar)
    return f"{pairs}; odds {reached}:1 against luck, needed {needed}:1"


def _failed_gate(judgement: CandidateJudgement) -> GateResult | None:
    """The first gate that is not passed; `no_regression` says only what the pairs say already."""
    for gate in judgement.gates:
        if not gate.passed and gate.name != "no_regression":
            return gate
    return None


def _standing(conclusion: Conclusion) -> str:
    if conclusion.pick.winner is not None:
        return "the winner"
    if conclusion.in_force == conclusion.baseline:
        return "the baseline"
    return "on trial"
