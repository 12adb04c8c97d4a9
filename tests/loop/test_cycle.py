"""Generating, enforcing, and the loop composed."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pytest_selfopt.loop.cycle import Conclusion, Contender, PhaseEvidence, conclude
from pytest_selfopt.loop.evidence.tally import tally
from pytest_selfopt.loop.gates.gate_result import Verdict
from pytest_selfopt.loop.generate import generate
from pytest_selfopt.loop.thresholds import Limits
from pytest_selfopt.routing.rule import Rule
from pytest_selfopt.specs.neighbours import SearchSpace, neighbours
from pytest_selfopt.specs.spec import Spec
from tests.loop.worlds import matrix, names

BASELINE = Spec(model="m", phase="atomic", variant="native_api")
CANDIDATE = Spec(model="m", phase="atomic", variant="schema")
OTHER = Spec(model="m", phase="atomic", variant="few_shot")


def concluded(
    before: Sequence[str], after: Sequence[str], rules: Sequence[Rule] = (), *, other: Sequence[str] = ()
) -> Conclusion:
    cases = names(len(before))
    baseline = matrix(before, spec=BASELINE.id)
    contenders = []
    for spec, rows in ((CANDIDATE, after), (OTHER, other)):
        if rows:
            trials = matrix(rows, spec=spec.id)
            paired = tally(baseline, trials, cases)
            contenders.append(Contender(spec=spec, number=1, tally=paired, trials=tuple(trials)))
    evidence = PhaseEvidence(
        phase="atomic",
        cycle=4,
        baseline=BASELINE,
        baseline_trials=tuple(baseline),
        contenders=tuple(contenders),
        cases=cases,
        limits=Limits(),
    )
    return conclude(evidence, rules, now="2026-11-21T00:00:00Z")


def test_a_winning_rule_keeps_unknown_fields() -> None:
    old = Rule(model="m", phase="atomic", extra={"note": "mine"})
    conclusion = concluded(["FFF"] * 12, ["PPP"] * 12, [old, Rule(model="m", phase="extended", allow=False)])
    rule, other = conclusion.rules
    assert (rule.variant, rule.cycle, rule.extra) == ("schema", 4, {"note": "mine"})
    assert other == Rule(model="m", phase="extended", allow=False)
    assert conclusion.in_force == CANDIDATE
    assert [change.kind for change in conclusion.changes] == ["promote"]


def test_without_a_winner_known_rules_stay() -> None:
    rule = Rule(model="m", phase="atomic", reason="decided long ago")
    conclusion = concluded(["PPP"] * 12, ["PPP"] * 12, [rule])
    assert conclusion.rules == (rule,)
    assert conclusion.changes == ()


@pytest.mark.parametrize(
    ("schema", "few_shot", "winner", "beside"),
    [
        (
            ["PPP"] * 12,
            ["FPP"] * 2 + ["PPP"] * 10,
            CANDIDATE,
            "schema is better by 2 of 36 answers side by side (fixed 2, broke 0; odds 2.3:1 against luck)",
        ),
        (
            ["FPP"] + ["PPP"] * 11,
            ["PPF"] + ["PPP"] * 11,
            CANDIDATE,
            "schema is as good in 36 answers side by side (fixed 1, broke 1) and was opened first",
        ),
        (["FFP"] * 2 + ["PPP"] * 10, ["PFF"] + ["PPP"] * 11, OTHER, "few_shot is better by 2 of 36 answers"),
    ],
    ids=["the better one", "the first of two as good", "the better one, opened later"],
)
def test_several_that_pass_are_compared_with_each_other(
    schema: list[str], few_shot: list[str], winner: Spec, beside: str
) -> None:
    conclusion = concluded(["FFF"] * 12, schema, other=few_shot)
    assert [judgement.verdict for judgement in conclusion.judgements] == [Verdict.PROMOTE] * 2
    assert conclusion.in_force == winner
    (passed_over,) = conclusion.pick.passed_over
    assert {passed_over.spec, winner.id} == {CANDIDATE.id, OTHER.id}
    assert passed_over.sentence.startswith(beside)
    assert beside in conclusion.pick.sentence


def test_a_cold_start_tries_a_warm_up() -> None:
    conclusion = concluded(["FFPPPPP"] * 12, ["FFFPPPP"] * 12)
    assert [change.kind for change in conclusion.changes] == ["keep", "trial"]
    assert conclusion.rules[0].enable_warmup is True
    assert conclusion.rules[0].status == "trial"
    assert conclusion.recommendations[0].requirements == ("warm-up",)


def test_candidates_are_neighbours_that_never_lost() -> None:
    space = SearchSpace()
    everybody = [spec.id for spec in neighbours(BASELINE, space)]
    tried: list[str] = []
    while True:
        generation = generate(BASELINE, space, rejected=tried, limit=3)
        if not generation.candidates:
            break
        tried += [candidate.spec.id for candidate in generation.candidates]
    assert sorted(tried) == sorted(everybody)


@pytest.mark.parametrize(("limit", "raised"), [(64, "max256"), (256, "max1024")])
def test_only_a_diagnosis_asks_for_more_tokens(limit: int, raised: str) -> None:
    """Held, it goes on, unless the limit that it was to raise is another one now."""
    more = f"{BASELINE.id}/{raised}"
    unasked = generate(BASELINE, SearchSpace(), max_tokens=limit, limit=50)
    asked = generate(BASELINE, SearchSpace(), asked_for=["more_tokens"], max_tokens=limit)
    held = generate(BASELINE, SearchSpace(), held=[f"{BASELINE.id}/max256"], max_tokens=limit)
    assert not any("/max" in candidate.spec.id for candidate in unasked.candidates)
    assert asked.candidates[0].spec.id == more
    goes_on = held.candidates[0].why.startswith("goes on")
    assert goes_on is (raised == "max256")


def test_held_candidates_come_first_measured_ones_last() -> None:
    held, asked = CANDIDATE.id, f"{BASELINE.model}/atomic/native_api/t60/r2/i0"
    measured = [f"m/atomic/{variant}/t60/r1/i0" for variant in ("atomic", "few_shot")]
    generation = generate(
        BASELINE, SearchSpace(), held=[held], asked_for=["retry"], measured=[held, *measured], limit=20
    )
    names = [candidate.spec.id for candidate in generation.candidates]
    assert names[:2] == [held, asked]
    assert names[-2:] == measured


def test_what_is_on_trial_is_no_candidate() -> None:
    """An undecided rule on trial is held, too, and the session asks it anyway."""
    generation = generate(BASELINE, SearchSpace(), held=[CANDIDATE.id], rejected=[CANDIDATE.id], limit=20)
    assert CANDIDATE.id not in [candidate.spec.id for candidate in generation.candidates]
