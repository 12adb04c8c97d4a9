"""The headline of a phase: the verdict, its reason, the spec in force, and what would decide it."""

from __future__ import annotations

from dataclasses import replace

from pytest_selfopt.console.quantities import counted, format_odds
from pytest_selfopt.console.verdict_text import Answers, JudgedCandidate, PhaseVerdict, is_too_expensive
from pytest_selfopt.loop.cycle import Conclusion
from pytest_selfopt.loop.gate import CandidateJudgement, failed_names
from pytest_selfopt.loop.gates.gate_result import GateResult, Verdict
from pytest_selfopt.session.terminal.writer import StyledText
from pytest_selfopt.specs.spec import parse_spec, short_difference

COLOURS = {Verdict.PROMOTE: "green", Verdict.HOLD: "yellow", Verdict.REJECT: "red"}


def headline(conclusion: Conclusion, cycle: int) -> list[StyledText]:
    """Return the verdict, its reason, the spec in force, and what would decide it or take it back."""
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
    """Return the result of a phase in one sentence that stands alone."""
    result = _phase_verdict(conclusion)
    sentence = f"{conclusion.phase}: {result.text}"
    if not result.verdict:
        return StyledText(sentence, bold=True)
    return StyledText(f"{result.verdict} {sentence}", COLOURS[Verdict(result.verdict)], bold=True)


def leader_of(conclusion: Conclusion) -> CandidateJudgement | None:
    """Return the winner, or else the candidate furthest ahead among those whose verdict decided the phase's."""
    foremost = _phase_verdict(conclusion).foremost
    for judgement in conclusion.judgements:
        if foremost is not None and judgement.spec == foremost.spec:
            return judgement
    return None


def _phase_verdict(conclusion: Conclusion) -> PhaseVerdict:
    """Return the data from which a phase's verdict is put into words."""
    candidates: list[JudgedCandidate] = []
    for judgement in conclusion.judgements:
        candidate = JudgedCandidate(
            spec=judgement.spec,
            name=change_of(conclusion, judgement),
            verdict=judgement.verdict,
            fixed=judgement.tally.wins,
            broken=judgement.tally.losses,
            claim=judgement.claim,
            too_expensive=is_too_expensive(failed_names(judgement.gates)),
            is_older=is_older(conclusion, judgement),
        )
        candidates.append(candidate)
    before = _answers(conclusion, conclusion.baseline.id)
    result = PhaseVerdict(winner=None, candidates=candidates, before=before)
    winner = conclusion.pick.winner
    if winner is None:
        return result
    return replace(result, winner=winner.spec, after=_answers(conclusion, winner.spec))


def _answers(conclusion: Conclusion, spec: str) -> Answers | None:
    metrics = conclusion.metrics.get(spec)
    if metrics is None:
        return None
    return Answers(
        right=metrics.passes,
        given=metrics.answers,
        missing=metrics.errors,
        cost_of_1000_usd=metrics.cost_of_1000_usd,
    )


def is_older(conclusion: Conclusion, judgement: CandidateJudgement) -> bool:
    """Whether a comparison has more passes than this cycle made."""
    return judgement.tally.passes > len(conclusion.metrics[judgement.spec].runs)


def change_of(conclusion: Conclusion, judgement: CandidateJudgement) -> str:
    """Return a candidate's difference from the baseline."""
    return short_difference(conclusion.baseline, parse_spec(judgement.spec))


def _because(conclusion: Conclusion, judgement: CandidateJudgement) -> str:
    """Return the reason for a candidate's verdict: its answers beside the baseline's, and the failed gate."""
    tally = judgement.tally
    name = change_of(conclusion, judgement)
    pairs = f"{name} fixed {counted(tally.wins, 'answer')}, broke {tally.losses} in {counted(tally.passes, 'pass')}"
    if is_older(conclusion, judgement):
        pairs += " of this cycle and earlier ones"
    gate = _failed_gate(judgement)
    if gate is not None:
        return f"{pairs}; gate {gate.name}: {gate.sentence}"
    if judgement.bar is None:
        return pairs
    reached = format_odds(tally.odds)
    needed = format_odds(judgement.bar)
    return f"{pairs}; odds {reached}:1 against luck, needed {needed}:1"


def _failed_gate(judgement: CandidateJudgement) -> GateResult | None:
    """Return the first gate that asked for the verdict, but not `no_regression`, which only repeats the pairs."""
    for gate in judgement.gates:
        if not gate.passed and gate.asks is judgement.verdict and gate.name != "no_regression":
            return gate
    return None


def _standing(conclusion: Conclusion) -> str:
    if conclusion.pick.winner is not None:
        return "the winner"
    if conclusion.in_force == conclusion.baseline:
        return "the baseline"
    return "on trial"
