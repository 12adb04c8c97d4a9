"""Verdicts: what each gate asks for, and the sentence people read."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from pytest_selfopt.loop.evaluate import Metrics, evaluate
from pytest_selfopt.loop.evidence.odds import bar
from pytest_selfopt.loop.evidence.tally import tally
from pytest_selfopt.loop.gate import GATE_NAMES, CandidateJudgement, absolute_gates, judge
from pytest_selfopt.loop.gates.gate_result import GateInput, GateResult, Verdict
from pytest_selfopt.loop.race import obstacles
from pytest_selfopt.loop.thresholds import Claim, DecisionRule, Limits
from pytest_selfopt.trial import Outcome, Trial
from tests.loop.worlds import SPEC, draw, matrix, names

LIMITS = Limits()
CANDIDATE = "m/atomic/schema/t60/r1/i0"


def measured(trials: list[Trial], cases: int) -> Metrics:
    return evaluate(trials[0].spec, trials, names(cases))


def judged(
    baseline: list[Trial],
    candidate: list[Trial],
    *,
    phase: str = "atomic",
    number: int = 3,
    missing: int = 0,
    limits: Limits = LIMITS,
) -> CandidateJudgement:
    cases = tuple(dict.fromkeys(trial.case for trial in baseline))
    found = GateInput(
        spec=CANDIDATE,
        phase=phase,
        metrics=evaluate(CANDIDATE, candidate, cases),
        baseline=evaluate(SPEC, baseline, cases),
        evidence=tally(baseline, candidate, cases),
        needed=bar(number),
        missing=missing,
    )
    return judge(found, limits, comparison=number)


def failed(judgement: CandidateJudgement) -> list[str]:
    return [gate.name for gate in judgement.gates if not gate.passed]


def restrained(trials: list[Trial]) -> list[Trial]:
    """Cases in which no tool may be called, and was exactly when the trial is a miss."""
    return [replace(trial, restraint=True, called=trial.outcome is Outcome.MISS) for trial in trials]


def fixing_two(passes: int) -> CandidateJudgement:
    return judged(matrix(["F" * passes] * 2 + ["P" * passes] * 10), matrix(["P" * passes] * 12))


def test_the_worked_example_is_promoted_verbatim() -> None:
    found = fixing_two(6)
    assert found.verdict is Verdict.PROMOTE
    assert found.sentence == (
        "PROMOTE atomic: fixed 12 answers, broke 0 in 6 passes over the same 12 prompts; "
        "2 of 12 prompts fixed, 0 broken: shown for these prompts, not for others; "
        "odds 630:1 against luck, needed 312:1 (comparison 3 of this history). Gain +0.167, at least +0.06."
    )


@pytest.mark.parametrize(("passes", "more"), [(3, 3), (4, 2)])
def test_below_the_threshold_missing_passes_are_stated(passes: int, more: int) -> None:
    found = fixing_two(passes)
    assert (found.verdict, failed(found)) == (Verdict.HOLD, ["no_regression"])
    prompts = 12 + 12 * more // passes
    assert f"at this difference about {more} more passes, or {prompts} prompts instead of 12" in found.sentence


def test_gates_follow_the_order_of_the_design() -> None:
    found = judged(matrix(["FFF"] * 4), matrix(["PPP"] * 4), phase="extended")
    assert [gate.name for gate in found.gates] == [
        "comparable",
        "interleaved",
        "independent",
        "errors",
        "min_samples",
        "variance",
        "no_regression",
        "restraint",
        "extended_phase_min_accuracy",
        "latency",
        "cost",
        "veto",
    ]


def test_the_names_of_all_gates_are_reserved() -> None:
    rules = (
        replace(LIMITS, cost_ratio=1),
        replace(LIMITS, claim=Claim.NEW_PROMPTS),
        replace(LIMITS, profile=DecisionRule.CLASSIC),
    )
    found = [judged(matrix(["FFF"] * 4), matrix(["PPP"] * 4), phase="extended", limits=limits) for limits in rules]
    found_names = {gate.name for judgement in found for gate in judgement.gates}
    # Without repeats that differ, nothing can be said of cases that move together.
    assert found_names | {"together"} == set(GATE_NAMES)


def test_an_equal_candidate_is_rejected_after_three_passes() -> None:
    same = matrix(["FFF"] * 2 + ["PPP"] * 10)
    found = judged(same, same)
    assert found.verdict is Verdict.REJECT
    assert "not better than the baseline" in found.sentence


def test_two_passes_reject_no_candidate() -> None:
    found = judged(matrix(["PP"] * 12), matrix(["FP"] * 12))
    assert (found.verdict, "min_samples" in failed(found)) == (Verdict.HOLD, True)


def test_needless_tool_calls_reject_any_candidate() -> None:
    baseline = matrix(["FFF"] * 12) + [
        replace(trial, case=f"{trial.case}-none") for trial in restrained(matrix(["PPP"] * 4))
    ]
    candidate = matrix(["PPP"] * 12) + [
        replace(trial, case=f"{trial.case}-none") for trial in restrained(matrix(["FFF"] * 3 + ["FFP"]))
    ]
    found = judged(baseline, candidate)
    assert found.tally.odds > bar(3)
    assert found.verdict is Verdict.REJECT
    assert "called a tool in 11 of 12 answers that need none" in found.sentence
    assert obstacles(found.gates) == (True, True), "out for its restraint, held for what it broke"


@pytest.mark.parametrize(
    ("passes", "other", "verdict"),
    [(3, "FFP", Verdict.HOLD), (4, "FFPF", Verdict.REJECT), (3, "FFF", Verdict.REJECT)],
)
def test_an_average_gain_breaks_no_solid_case(passes: int, other: str, verdict: Verdict) -> None:
    """Of 12 unchanged cases one looks broken after 3 passes in up to 19 of 100 suites, after 4 in up to 5.

    If all answers repeat, so that the others are no coin flips, it does after 3 passes in less than 2.
    """
    baseline = matrix(["F" * passes] * 10 + [other, "P" * passes])
    found = judged(baseline, matrix(["P" * passes] * 11 + ["F" * passes]))
    assert (found.verdict, failed(found)) == (verdict, ["veto"])
    assert "breaks 1 that the baseline always solves: c11" in found.sentence


def test_configured_solid_cases_may_break() -> None:
    baseline, candidate = matrix(["FFFF"] * 10 + ["PPPP"] * 2), matrix(["PPPP"] * 10 + ["FFFF"] * 2)
    assert judged(baseline, candidate, limits=replace(LIMITS, veto=1)).verdict is Verdict.REJECT
    assert judged(baseline, candidate, limits=replace(LIMITS, veto=2)).verdict is Verdict.PROMOTE


def test_a_significantly_broken_case_is_vetoed() -> None:
    """Reverse odds of 5 losses are 10.5, of 4 they are 6.2."""
    baseline = matrix(["F" * 7] * 11 + ["P" * 7])
    assert failed(judged(baseline, matrix(["P" * 7] * 11 + ["FFFFFPP"]))) == ["veto"]
    assert failed(judged(baseline, matrix(["P" * 7] * 11 + ["FFFFPPP"]))) == []


def test_an_unsolid_case_has_no_veto() -> None:
    found = judged(matrix(["FFFF"] * 11 + ["PPPF"]), matrix(["PPPP"] * 11 + ["FFFF"]))
    assert found.verdict is Verdict.PROMOTE


@pytest.mark.parametrize(("passed", "verdict"), [(1, Verdict.REJECT), (3, Verdict.HOLD)])
def test_only_the_extended_phase_has_a_minimum(passed: int, verdict: Verdict) -> None:
    baseline = matrix(["FFF"] * 10)
    candidate = matrix(["PPP"] * passed + ["FFF"] * (10 - passed))
    assert judged(baseline, candidate, phase="extended").verdict is verdict
    assert judged(baseline, candidate).verdict is Verdict.HOLD


@pytest.mark.parametrize("rows", [["EEE"] * 12, ["FFF"] * 10 + ["EEE"] * 2], ids=["outage", "some errors"])
def test_too_many_errors_always_hold(rows: list[str]) -> None:
    found = judged(matrix(["PPP"] * 12), matrix(rows), phase="extended")
    assert found.verdict is Verdict.HOLD
    assert "errors" in failed(found)
    assert "calls gave no answer" in found.sentence
    assert ("pairs lack an answer on one side" in found.sentence) is (rows[0] != "EEE")


def test_an_outage_spares_the_other_passes() -> None:
    limits = replace(LIMITS, errors=0.5)
    found = judged(matrix(["FFFFF"] * 12), matrix(["EEPPP"] * 12), limits=limits)
    assert found.verdict is Verdict.PROMOTE
    assert "2 passes were hardly answered" in found.gates[0].sentence


@pytest.mark.parametrize(("lost", "held"), [(3, []), (4, ["comparable"])])
def test_unanswered_pairs_count_over_both_sides(lost: int, held: list[str]) -> None:
    """Five passes of twelve: 3 + 3 pairs of 60 are a tenth, 4 + 3 are more; no side alone is above 0.07."""
    baseline = matrix(["FFFFF"] * 9 + ["FFFFE"] * 3)
    candidate = matrix(["PPPEP"] * lost + ["PPPPP"] * (12 - lost))
    limits = replace(LIMITS, errors=0.07)
    assert failed(judged(baseline, candidate, limits=limits)) == held
    assert failed(judged(baseline, candidate, limits=replace(limits, comparable=0.12))) == []


@pytest.mark.parametrize(("passes", "verdict"), [(6, Verdict.HOLD), (7, Verdict.PROMOTE)])
def test_separate_specs_need_seven_steady_passes(passes: int, verdict: Verdict) -> None:
    baseline = matrix(["F" * passes] * 12)
    later = [replace(trial, started=trial.started + 12 * passes) for trial in matrix(["P" * passes] * 12)]
    found = judged(baseline, later)
    assert found.verdict is verdict
    assert found.tally.apart == passes
    assert failed(found) == ([] if verdict is Verdict.PROMOTE else ["interleaved"])


def test_missing_planned_trials_hold_a_winner() -> None:
    baseline, candidate = matrix(["FFF"] * 12), matrix(["PPP"] * 12)
    assert judged(baseline, candidate).verdict is Verdict.PROMOTE
    assert judged(baseline, candidate, missing=1).verdict is Verdict.HOLD


def test_overdispersed_runs_hold_coin_flips_do_not() -> None:
    baseline = matrix(["F" * 7] * 12)
    assert failed(judged(baseline, matrix(["PFPPFPP"] * 12))) == ["variance"]
    flips = matrix(draw(random.Random(24), [[0.7] * 7] * 12))
    assert measured(flips, 12).spread.excess > LIMITS.variance
    assert failed(judged(baseline, flips)) == []


def test_clear_losses_reject_before_averages() -> None:
    found = judged(matrix(["PPP"] * 3 + ["FFF"]), matrix(["FFF"] * 3 + ["FFF"]))
    assert found.verdict is Verdict.REJECT


def _by_name(gates: tuple[GateResult, ...]) -> dict[str, bool]:
    return {gate.name: gate.passed for gate in gates}


@pytest.mark.parametrize(
    ("rows", "wins", "verdict", "sentence"),
    [
        (["F" * 4] * 12, 48, Verdict.PROMOTE, "none of 96 answers was a copy"),
        (["FFFf"] * 11 + ["FFFF"], 36, Verdict.PROMOTE, "11 of 96 answers were copies; 85 count"),
        (["Ffff"] * 12, 12, Verdict.HOLD, "36 of 96 answers were copies; 60 count"),
    ],
)
def test_copies_do_not_count(rows: list[str], wins: int, verdict: Verdict, sentence: str) -> None:
    """A pair with a copied side is left out; three passes of twelve pairs are enough, one of copies is none."""
    found = judged(matrix(rows), matrix(["P" * 4] * 12))
    assert (found.verdict, found.tally.wins, found.tally.excluded, found.tally.left_out) == (verdict, wins, 0, 0)
    assert [gate.sentence for gate in found.gates if gate.name == "independent"] == [sentence]


def test_mostly_copies_hold_whatever_else() -> None:
    """More passes bring more copies: the race ends."""
    found = judged(matrix(["FFFFfffff"] * 12), matrix(["PPPPppppp"] * 12))
    assert (found.verdict, failed(found)) == (Verdict.HOLD, ["independent"])
    assert "independent: 120 of 216 answers were copies; 96 count, at least 50% must" in found.sentence
    assert obstacles(found.gates) == (True, True)
    worse = judged(matrix(["PPPPppppp"] * 12), matrix(["FFFFfffff"] * 12))
    assert worse.verdict is Verdict.HOLD
    allowed = replace(LIMITS, independent=0.4)
    assert judged(matrix(["FFFFfffff"] * 12), matrix(["PPPPppppp"] * 12), limits=allowed).verdict is Verdict.PROMOTE


def test_the_current_spec_must_pass_its_gates() -> None:
    sound = _by_name(absolute_gates(measured(matrix(["PPP"] * 12), 12), "extended", LIMITS))
    assert all(sound.values())
    assert set(sound) == {
        "independent",
        "errors",
        "min_samples",
        "variance",
        "restraint",
        "extended_phase_min_accuracy",
        "latency",
        "cost",
    }
    weak = _by_name(absolute_gates(measured(matrix(["FF"] * 11 + ["EE"]), 12), "extended", LIMITS))
    assert weak == {**sound, "errors": False, "min_samples": False, "extended_phase_min_accuracy": False}


@pytest.mark.parametrize(("rows", "asks"), [(["EEE"] * 4, "HOLD"), (["EEE", "FFF", "FFF", "FFF"], "REJECT")])
def test_missing_answers_never_fail_the_extended_phase(rows: list[str], asks: str) -> None:
    gates = absolute_gates(measured(matrix(rows), 4), "extended", LIMITS)
    (gate,) = [gate for gate in gates if gate.name == "extended_phase_min_accuracy"]
    assert (gate.passed, gate.asks) == (False, asks)


def timed(*seconds: float, in_flight: int = 1) -> Metrics:
    trials = matrix(["P"] * len(seconds), latency=lambda place: seconds[place])
    return measured([replace(trial, in_flight=in_flight) for trial in trials], len(seconds))


def answer(name: str, metrics: Metrics, limits: Limits) -> GateResult:
    (found,) = (gate for gate in absolute_gates(metrics, "atomic", limits) if gate.name == name)
    return found


def test_unlimited_latency_and_cost_are_only_reported() -> None:
    slow = timed(*[100.0] * 20)
    assert (answer("latency", slow, LIMITS).passed, answer("latency", slow, LIMITS).value) == (True, 100.0)
    assert answer("cost", slow, LIMITS).passed


def test_only_significant_latency_rejects() -> None:
    """With 20 answers of which 2 are late, 95 % may well be in time; with 200 of which 20 are late they are not."""
    limits = replace(LIMITS, latency=2.0)
    assert answer("latency", timed(*[1.0] * 19, 9.0), limits).passed
    unsure = answer("latency", timed(*[1.0] * 18, 9.0, 9.0), limits)
    assert (unsure.passed, unsure.asks, unsure.value) == (False, Verdict.HOLD, 9.0)
    certain = answer("latency", timed(*[1.0] * 180, *[9.0] * 20), limits)
    assert (certain.passed, certain.asks) == (False, Verdict.REJECT)


def test_latencies_under_load_reject_nothing() -> None:
    crowded = answer("latency", timed(*[9.0] * 200, in_flight=512), replace(LIMITS, latency=2.0))
    assert (crowded.passed, crowded.asks) == (False, Verdict.HOLD)
    assert "512 calls under way" in crowded.sentence


def test_a_percentiles_lower_bound_seldom_exceeds_it() -> None:
    rng = random.Random(6)
    above = 0
    for _ in range(400):
        low = timed(*(rng.expovariate(1.0) for _ in range(60))).latency_p95_low_s
        above += low is not None and low > 2.9957
    assert above <= 0.05 * 400 + 10


def spending(usd: float | None) -> Metrics:
    return measured([replace(trial, cost_usd=usd) for trial in matrix(["P"] * 10)], 10)


def test_excess_or_unknown_cost_does_not_pass() -> None:
    limits = replace(LIMITS, cost=2.0)
    cheap, dear, unknown = (answer("cost", spending(usd), limits) for usd in (0.001, 0.003, None))
    assert [one.value for one in (cheap, dear)] == pytest.approx([1.0, 3.0])
    assert unknown.value is None
    assert [one.passed for one in (cheap, dear, unknown)] == [True, False, False]
    assert (dear.asks, unknown.asks) == (Verdict.REJECT, Verdict.HOLD)


@pytest.mark.parametrize(("misses", "verdict"), [(8, Verdict.HOLD), (9, Verdict.REJECT)])
def test_nine_failures_settle_the_extended_phase(misses: int, verdict: Verdict) -> None:
    rows = ["F"] * misses
    assert judged(matrix(rows), matrix(rows), phase="extended").verdict is verdict
    assert judged(matrix(rows), matrix(rows)).verdict is Verdict.HOLD
    one_right = judged(matrix(["F"] * 12), matrix(["F"] * 11 + ["P"]), phase="extended")
    assert one_right.verdict is Verdict.HOLD


def test_errors_settle_nothing() -> None:
    assert judged(matrix(["F"] * 12), matrix(["E"] * 12), phase="extended").verdict is Verdict.HOLD


CLASSIC = Limits(profile=DecisionRule.CLASSIC)


def test_the_classic_rule_promotes_by_median() -> None:
    baseline, candidate = matrix(["FFFFFFF"] * 2 + ["P" * 7] * 22), matrix(["PPPPFFF"] + ["F" * 7] + ["P" * 7] * 22)
    found = judged(baseline, candidate, limits=CLASSIC)
    assert found.verdict is Verdict.PROMOTE
    assert "guarantees nothing" in found.sentence
    assert judged(baseline, candidate).verdict is Verdict.HOLD


@pytest.mark.parametrize(
    ("row", "verdict", "why"),
    [
        ("FFFFFFF", Verdict.REJECT, "better"),
        ("PFPFPFP", Verdict.HOLD, "variance"),
        ("PP", Verdict.HOLD, "min_samples"),
    ],
)
def test_each_classic_gate_asks_for_its_verdict(row: str, verdict: Verdict, why: str) -> None:
    runs = len(row)
    found = judged(matrix(["F" * runs] * 2 + ["P" * runs] * 2), matrix([row] * 2 + ["P" * runs] * 2), limits=CLASSIC)
    assert found.verdict is verdict
    assert why in failed(found)


def test_the_classic_rule_rejects_lower_medians() -> None:
    found = judged(matrix(["P" * 7] * 4), matrix(["F" * 7] + ["P" * 7] * 3), limits=CLASSIC)
    assert (found.verdict, failed(found)) == (Verdict.REJECT, ["no_regression", "better"])


@pytest.mark.parametrize(
    ("limit", "before", "after", "verdict", "words"),
    [
        (None, 0.0001, 0.0011, Verdict.PROMOTE, ""),
        (11, 0.0001, 0.0011, Verdict.PROMOTE, ""),
        (
            5,
            0.0001,
            0.0011,
            Verdict.HOLD,
            "cost_ratio: costs 11 times as much: $1.10 instead of $0.1000 for 1,000 answers; max_cost_ratio is 5",
        ),
        (5, 0.0, 0.0011, Verdict.HOLD, "cost_ratio: costs $1.10 for 1,000 answers, instead of nothing"),
        (5, None, 0.0011, Verdict.HOLD, "cost_ratio: costs $1.10 instead of unknown for 1,000 answers"),
        (1, 0.0, 0.0, Verdict.PROMOTE, ""),
    ],
)
def test_a_candidate_waits_if_it_costs_too_much(
    limit: float | None, before: float | None, after: float, verdict: Verdict, words: str
) -> None:
    baseline = [replace(trial, cost_usd=before) for trial in matrix(["FFF"] * 12)]
    candidate = [replace(trial, cost_usd=after) for trial in matrix(["PPP"] * 12)]
    found = judged(baseline, candidate, limits=replace(LIMITS, cost_ratio=limit))
    assert found.verdict is verdict
    assert words in found.sentence
    assert found.takes == "a higher max_cost_ratio lets the next cycle promote it" * (verdict is Verdict.HOLD)


def test_project_gates_count_like_built_in_ones() -> None:
    def own(found: GateInput) -> list[GateResult]:
        long = (found.metrics.tokens_out or 0) > 100
        return [GateResult(name="short", passed=not long, value=0, limit=1, sentence="long", asks=Verdict.REJECT)]

    baseline, candidate = matrix(["FFF"] * 12), matrix(["PPP"] * 12)
    wordy = [replace(trial, tokens_out=500) for trial in candidate]

    def verdict(trials: list[Trial]) -> Verdict:
        found = GateInput(
            spec=CANDIDATE,
            phase="atomic",
            metrics=measured(trials, 12),
            baseline=measured(baseline, 12),
            evidence=tally(baseline, trials, names(12)),
            needed=bar(1),
        )
        return judge(found, LIMITS, comparison=1, own_gates=own).verdict

    assert verdict(candidate) is Verdict.PROMOTE
    assert verdict(wordy) is Verdict.REJECT
