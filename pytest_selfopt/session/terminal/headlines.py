"""The result of a phase for somebody who was not there: the verdict, why, what is in force, and what it would take."""

from __future__ import annotations

from pytest_selfopt.loop.cycle import Conclusion
from pytest_selfopt.loop.evidence import show_odds
from pytest_selfopt.loop.gate import Judgement
from pytest_selfopt.loop.gates import Verdict
from pytest_selfopt.session.terminal.writer import StyledText
from pytest_selfopt.specs.spec import parse_spec, short_difference

COLOURS = {Verdict.PROMOTE: "green", Verdict.HOLD: "yellow", Verdict.REJECT: "red"}


def headline(conclusion: Conclusion, cycle: int) -> list[StyledText]:
    """The verdict, and below it why, what is in force, and what would decide it or take it back."""
    told = [verdict_of(conclusion)]
    leader = leader_of(conclusion)
    if leader is not None:
        ahead = "furthest ahead, " if len(conclusion.judgements) > 1 and conclusion.pick.winner is None else ""
        told.append(StyledText(f"  why: {ahead}{_because(conclusion, leader)}"))
    told.append(StyledText(f"  in force now: {conclusion.in_force.id} ({_standing(conclusion)})"))
    if conclusion.pick.winner is not None:
        told.append(StyledText(f"  to take it back: selfopt rollback {cycle}"))
    elif leader is not None and leader.takes:
        told.append(StyledText(f"  what it takes: {leader.takes}"))
    return told


def verdict_of(conclusion: Conclusion) -> StyledText:
    """What came of a phase in a sentence that needs no other."""
    text, verdict = _result(conclusion)
    return StyledText(f"{verdict} {conclusion.phase}: {text}", COLOURS[verdict], bold=True)


def leader_of(conclusion: Conclusion) -> Judgement | None:
    """The winner, or else whoever was furthest ahead among those whose verdict decided the phase's."""
    held = [one for one in conclusion.judgements if one.verdict is Verdict.HOLD]
    better = [one for one in conclusion.judgements if one.verdict is Verdict.PROMOTE]
    candidates = better or held or conclusion.judgements
    return conclusion.pick.winner or max(candidates, key=lambda one: one.tally.wins - one.tally.losses, default=None)


def change_of(conclusion: Conclusion, judgement: Judgement) -> str:
    """What a candidate changes of the baseline."""
    return short_difference(conclusion.baseline, parse_spec(judgement.spec))


def _result(conclusion: Conclusion) -> tuple[str, Verdict]:
    winner = conclusion.pick.winner
    if winner is not None:
        before, after = conclusion.metrics[conclusion.baseline.id], conclusion.metrics[winner.spec]
        return (
            f"{change_of(conclusion, winner)}, {after.passes:,} of {after.trials:,} answers right instead of "
            f"{before.passes:,} of {before.trials:,}"
        ), Verdict.PROMOTE
    named: dict[Verdict, list[str]] = {verdict: [] for verdict in Verdict}
    for one in conclusion.judgements:
        named[one.verdict].append(change_of(conclusion, one))
    if named[Verdict.PROMOTE]:
        return f"{', '.join(named[Verdict.PROMOTE])} is better, and promoting is switched off", Verdict.HOLD
    if named[Verdict.HOLD]:
        return f"the evidence on {', '.join(named[Verdict.HOLD])} is short", Verdict.HOLD
    tried = len(conclusion.judgements)
    if not tried:
        return "nothing was left to try; what is in force stays", Verdict.REJECT
    which = "the candidate is not" if tried == 1 else f"none of {tried} candidates is"
    return f"{which} better than what is in force", Verdict.REJECT


def _because(conclusion: Conclusion, judgement: Judgement) -> str:
    """What decided about a candidate: its answers beside the baseline's, and the gate that kept it back."""
    tally = judgement.tally
    name = change_of(conclusion, judgement)
    told = f"{name} fixed {tally.wins} answers, broke {tally.losses} in {tally.passes} passes"
    other = next((one for one in judgement.gates if not one.passed and one.name != "no_regression"), None)
    if other is not None:
        return f"{told}; gate {other.name}: {other.sentence}"
    if judgement.bar is None:
        return told
    return f"{told}; odds {show_odds(tally.odds)}:1 against luck, needed {show_odds(judgement.bar)}:1"


def _standing(conclusion: Conclusion) -> str:
    if conclusion.pick.winner is not None:
        return "the winner"
    return "the baseline" if conclusion.in_force == conclusion.baseline else "on trial"
