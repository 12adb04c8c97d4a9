"""The decision rule as a whole, over simulated worlds: its claimed bounds and its worked example.

The full tables come from `python -m tests.performance.decisions`.
"""

from __future__ import annotations

import random

import pytest

from pytest_selfopt.loop.evaluate import evaluate
from pytest_selfopt.loop.evidence.odds import bar
from pytest_selfopt.loop.evidence.tally import tally
from pytest_selfopt.loop.gate import comparing_gates, worst
from pytest_selfopt.loop.gates.gate_result import GateInput, Verdict
from pytest_selfopt.loop.power import Outlook, findable_gain, power
from pytest_selfopt.loop.race import RaceState
from pytest_selfopt.loop.thresholds import Claim, Limits
from tests.loop.histories import CALIBRATED, CLASSIC, EQUAL, WORLDS, Cycle, History, Model, one_cycle
from tests.loop.pairs import Pairs
from tests.loop.worlds import SPEC, matrix, names


def raced(baseline: list[float], candidates: dict[str, list[float]]) -> tuple[dict[str, Verdict], Cycle]:
    """The verdicts of one cycle, its candidates opening the first comparisons of a history."""

    def model(rates: list[float]) -> Model:
        return Model(rates=tuple(rates), population=0.7)

    cycle = Cycle(random.Random(0), model(baseline), CALIBRATED)
    for number, (name, rates) in enumerate(candidates.items(), 1):
        cycle.add(name, model(rates), Pairs(number=number, cases=len(baseline)))
    return cycle.run(), cycle


def test_two_of_twelve_fixes_take_six_passes() -> None:
    """The two that change nothing leave after the first pass."""
    old = [0.0] * 2 + [1.0] * 10
    verdicts, cycle = raced(old, {"same": old, "also": old, "better": [1.0] * 12})
    assert verdicts == {"same": Verdict.REJECT, "also": Verdict.REJECT, "better": Verdict.PROMOTE}
    assert (cycle.passes, cycle.spec_passes) == (6, 14)


def test_equal_candidates_are_rejected_after_one_pass() -> None:
    """The baseline, of which nothing is known, is asked twice more."""
    old = [0.0] * 2 + [1.0] * 10
    verdicts, cycle = raced(old, {"a": old, "b": old, "c": old})
    assert set(verdicts.values()) == {Verdict.REJECT}
    assert (cycle.passes, cycle.spec_passes) == (3, 6)


@pytest.mark.parametrize("world", WORLDS)
def test_at_most_five_percent_promote_equal_candidates(world: str) -> None:
    histories = 60
    false = calls = 0
    for number in range(histories):
        ended = History(random.Random(number), WORLDS[world], 12, limits=CALIBRATED, effects=EQUAL, endless=True).run()
        false += ended.false_promotions > 0
        calls += ended.spec_passes
    assert false <= 0.05 * histories


def test_the_classic_rule_often_promotes_equal_candidates() -> None:
    """Without this, the bound above could come from worlds in which nobody is ever promoted."""
    false = 0
    for number in range(20):
        rng = random.Random(number)
        ended = History(rng, WORLDS["bimodal"], 100, limits=CLASSIC, effects=EQUAL, endless=True).run()
        false += ended.false_promotions > 0
    assert false >= 16


def test_histories_rise_below_0_37_classic_cost() -> None:
    world, ours, theirs = WORLDS["bimodal"], [], []
    for number in range(30):
        ours.append(History(random.Random(number), world, 30, limits=CALIBRATED).run())
        theirs.append(History(random.Random(number), world, 30, limits=CLASSIC).run())
    assert sum(one.spec_passes for one in ours) <= 0.37 * sum(one.spec_passes for one in theirs)
    assert sum(one.false_promotions > 0 for one in ours) <= 1
    assert sum(one.gain for one in ours) / len(ours) >= 0.10


def test_a_clear_gain_costs_sixty_percent_of_calls() -> None:
    times = 50
    ends = {
        name: [one_cycle(random.Random(number), world, 100, 0.10, candidates=4) for number in range(times)]
        for name, world in WORLDS.items()
    }
    power_of = {name: sum(end.found for end in of_world) / times for name, of_world in ends.items()}
    calls = sum(end.share_of_calls for of_world in ends.values() for end in of_world) / (len(WORLDS) * times)
    assert sum(power_of.values()) / len(WORLDS) >= 0.95, power_of
    assert min(power_of.values()) >= 0.85, power_of
    assert calls <= 0.60


def test_claims_on_new_prompts_are_seldom_wrong() -> None:
    """Candidates fix one in ten of all prompts and break one in ten: on these prompts some are better, by chance."""
    claims: dict[Claim, int] = {}
    for claim in Claim:
        limits = Limits(claim=claim)
        false = 0
        for number in range(3):
            rng = random.Random(number)
            world = WORLDS["deterministic"]
            history = History(rng, world, 12, limits=limits, effects=EQUAL, endless=True, against=1 / 3)
            false += history.run().false_claims > 0
        claims[claim] = false
    assert claims == {Claim.SUITE: 3, Claim.NEW_PROMPTS: 0}


@pytest.mark.parametrize("cases", [12, 30, 100])
@pytest.mark.parametrize("candidates", [1, 3, 8])
@pytest.mark.parametrize("churn", [0.0, 0.1, 0.3])
def test_the_announced_gain_is_usually_found(cases: int, candidates: int, churn: float) -> None:
    outlook = Outlook(cases=cases, candidates=candidates, churn=churn)
    gain = findable_gain(outlook)
    assert gain is not None
    rng = random.Random(7)
    assert power(gain + 1 / cases, outlook, times=80, rng=rng).found >= 0.70
    assert power(gain - 1 / cases, outlook, times=80, rng=rng).found <= 0.85


def test_the_gates_promote_what_the_race_stopped_for() -> None:
    """The race and the gates apply the same rule, so that no call is spent on a candidate that has won."""
    baseline, candidate = matrix(["FFFFFF"] * 2 + ["PPPPPP"] * 10), matrix(["PPPPPP"] * 12)
    evidence = tally(baseline, candidate, names(12))
    assert RaceState(wins=evidence.wins, losses=evidence.losses, passes=evidence.passes, bar=bar(3)).won
    measured = GateInput(
        spec="candidate",
        phase="atomic",
        metrics=evaluate("candidate", candidate, names(12)),
        baseline=evaluate(SPEC, baseline, names(12)),
        evidence=evidence,
        needed=bar(3),
    )
    assert worst(comparing_gates(measured, Limits())) is Verdict.PROMOTE
