"""Diagnoses: right about models whose faults are known, silent where their premises do not hold."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.loop.diagnosis.diagnose import diagnose
from pytest_selfopt.loop.diagnosis.kinds import Diagnosis, DiagnosisKind
from pytest_selfopt.loop.diagnosis.run_effects import order_chance
from pytest_selfopt.loop.thresholds import Limits
from pytest_selfopt.trial import Trial
from tests.loop.worlds import MAX_TOKENS, WORLDS, flaky, matrix, names

LIMITS = Limits()


def of_trials(trials: list[Trial], *, max_tokens: int | None = MAX_TOKENS) -> tuple[Diagnosis, ...]:
    cases = len({trial.case for trial in trials})
    return diagnose(trials, names(cases), LIMITS, max_tokens=max_tokens)


def of_rows(rows: list[str], *, max_tokens: int | None = MAX_TOKENS) -> Diagnosis:
    return of_trials(matrix(rows), max_tokens=max_tokens)[0]


def slow_start(place: int) -> float:
    return 3.0 if place == 0 else 1.0


@pytest.mark.parametrize("cases", [1, 2, 3, 4, 12, 100])
def test_two_early_failures_are_a_cold_start(cases: int) -> None:
    (found,) = of_trials(matrix(["FFPPPPP"] * cases))
    assert found.kind is DiagnosisKind.COLD_START
    assert found.chance == pytest.approx(1 / 21)
    assert found.runs == (0, 1)
    assert found.action == "allow_for_bounded_tasks"


@pytest.mark.parametrize("cases", [1, 12])
def test_reordered_runs_are_no_cold_start(cases: int) -> None:
    trials = matrix(["FFPPPPP"] * cases)
    backwards = [replace(trial, lane_seq=len(trials) - trial.lane_seq, started=-trial.started) for trial in trials]
    (found,) = of_trials(backwards)
    assert (found.kind, found.action) == (DiagnosisKind.UNKNOWN, None)


def test_without_lane_positions_times_give_the_order() -> None:
    trials = [replace(trial, lane_seq=0) for trial in matrix(["FFPPPPP"] * 4)]
    assert of_trials(trials)[0].kind is DiagnosisKind.COLD_START


def test_a_restarted_lane_has_unknown_warmth() -> None:
    trials = matrix(["FFPPPPP"] * 4)
    crashed = [
        replace(trial, lane="m@server/2", lane_seq=trial.lane_seq - 16) if trial.run > 3 else trial for trial in trials
    ]
    assert of_trials(crashed)[0].kind is DiagnosisKind.UNKNOWN


def test_each_lane_starts_cold_by_itself() -> None:
    first = [replace(trial, lane="one") for trial in matrix(["FFPPPPP"] * 4)]
    second = [replace(trial, lane="two", case=f"{trial.case}-too") for trial in matrix(["FFPPPPP"] * 4)]
    assert of_trials(first + second)[0].kind is DiagnosisKind.COLD_START


def test_one_early_failure_needs_a_slow_start() -> None:
    rows = ["FPPPPPP"] * 12
    assert of_trials(matrix(rows, latency=slow_start))[0].kind is DiagnosisKind.COLD_START
    loaded = [replace(trial, load_s=4.0 if trial.lane_seq == 0 else None) for trial in matrix(rows)]
    assert of_trials(loaded)[0].kind is DiagnosisKind.COLD_START
    (found,) = of_trials(matrix(rows))
    assert (found.kind, found.action) == (DiagnosisKind.CORRELATED, None)
    assert of_trials(matrix(["FPPPPPP"], latency=slow_start))[0].kind is not DiagnosisKind.COLD_START


@pytest.mark.parametrize("row", ["PFFPPPP", "PPPPPFF", "FPFPPPP", "PFPPFPP"])
def test_other_failure_patterns_are_no_cold_start(row: str) -> None:
    for cases in (1, 3, 12):
        assert of_rows([row] * cases).kind is not DiagnosisKind.COLD_START


def test_a_steady_decline_is_drift() -> None:
    rows = ["".join("P" if case + 2 * run < 14 else "F" for run in range(7)) for case in range(12)]
    found = of_rows(rows)
    assert (found.kind, found.action) == (DiagnosisKind.DRIFT, None)


@pytest.mark.parametrize(
    ("letter", "kind", "action"),
    [("E", DiagnosisKind.INFRASTRUCTURE, None), ("T", DiagnosisKind.TIMEOUTS, "longer_timeout")],
)
def test_errors_are_never_the_models_fault(letter: str, kind: DiagnosisKind, action: str | None) -> None:
    found = of_rows([letter * 7] * 11 + ["F" * 7])
    assert (found.kind, found.action) == (kind, action)


@pytest.mark.parametrize("cold", [1, 2, 3])
def test_a_timeout_while_loading_is_cold(cold: int) -> None:
    rows = ["T" * cold + "P" * (7 - cold)] * 12
    (found,) = of_trials(matrix(rows))
    assert (found.kind, found.runs) == (DiagnosisKind.COLD_START, tuple(range(cold)))
    assert found.chance == pytest.approx(1 / math.comb(7, cold))
    assert found.trials == 12 * cold
    assert found.action == "allow_for_bounded_tasks"


@pytest.mark.parametrize("row", ["EEPPPPP", "PTTPPPP", "TTPPTPP", "TTTTTTT", "TTTTPPP"])
def test_other_errors_are_no_cold_start(row: str) -> None:
    """A refused connection is no model that loads; time-outs in the middle, at the end or throughout are no start."""
    assert of_rows([row] * 12).kind is not DiagnosisKind.COLD_START


@pytest.mark.parametrize(
    ("letters", "trials", "kind"),
    [
        ("C" * 7, 140, "cut off"),
        ("C" * 6, 140, "cannot tell"),
        ("L" * 7, 140, "cut off"),
        ("L" * 6, 140, "prompts that always fail"),
        ("R" * 140, 140, "perfect"),
        ("C", 20, "cut off"),
        ("C" * 20 + "E" * 20, 140, "cut off"),
        ("C" * 20 + "E" * 21, 140, "infrastructure trouble"),
        ("C" * 20 + "T" * 21, 140, "time-outs"),
    ],
)
def test_five_percent_cut_off_are_a_finding(letters: str, trials: int, kind: str) -> None:
    """At exactly that share, and only if not more trials have other errors."""
    rows = list(letters.ljust(trials, "P"))
    assert of_rows(rows).kind == kind


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (["CCCP"], "3 of 4 answers ended at the limit of 64 tokens, all of them before a word was said; raise max"),
        (["LLPP"], "2 of 4 answers ended at the limit of 64 tokens; raise max"),
        (
            ["CLRR"],
            (
                "4 of 4 answers ended at the limit of 64 tokens, 1 of them before a word was said, "
                "2 of them right all the same; raise max"
            ),
        ),
    ],
)
def test_a_cut_off_says_what_is_known(rows: list[str], sentence: str) -> None:
    found = of_rows(rows)
    assert (found.kind, found.sentence, found.action) == (DiagnosisKind.CUT_OFF, sentence, "more_tokens")


@pytest.mark.parametrize(
    ("max_tokens", "counted", "expected", "action"),
    [
        (64, 64, "at the limit of 64 tokens", "more_tokens"),
        (64, None, "at the limit of 64 tokens", "more_tokens"),
        (64, 190, "at the limit of 64 tokens", "more_tokens"),
        (None, 190, "at the limit of 190 tokens", "more_tokens"),
        (None, None, "at the limit of tokens", "more_tokens"),
        (4096, 1900, "at a limit after at most 1900 tokens, although 4096 were allowed", None),
    ],
)
def test_only_the_specs_own_limit_is_raised(
    max_tokens: int | None, counted: int | None, expected: str, action: str | None
) -> None:
    """A conversation counts the tokens of all its answers; a server or a window may end them before the spec does."""
    trials = [replace(trial, tokens_out=counted) for trial in matrix(["CPP"] * 4)]
    (found,) = of_trials(trials, max_tokens=max_tokens)
    assert f"4 of 12 answers ended {expected}, all of them before" in found.sentence
    assert found.action == action


@pytest.mark.parametrize(
    ("letters", "kind"),
    [
        ("FFFFF", "prompts that always fail"),
        ("FFFF", "cut off"),
        ("FFFFP", "cut off"),
        ("CCCCCFFFFF", "cut off"),
    ],
)
def test_who_talks_on_is_not_cut_off(letters: str, kind: str) -> None:
    """Answers that end by themselves are wrong as often, if there are enough; prompts without a tool do not count."""
    answers = letters.ljust(80, "L") + "P" * 20
    rows = [answers[start : start + 20] for start in range(0, 100, 20)]
    trials = [replace(trial, restraint=trial.case == "suite/c4") for trial in matrix(rows)]
    assert of_trials(trials)[0].kind == kind


def test_a_cut_off_names_its_prompts_and_chance() -> None:
    found = of_rows(["PPPPPPP", "CCPPPPP", "PPPPPPL"])
    assert (found.cases, found.trials, found.runs) == (names(3)[1:], 14, ())
    assert found.chance == pytest.approx(1 - 0.99**21 - 21 * 0.01 * 0.99**20 - 210 * 0.01**2 * 0.99**19)


def test_ledgers_without_reasons_know_empty_cut_offs() -> None:
    trials = [replace(trial, finish_reason="") for trial in matrix(["CCCLLL"])]
    assert "3 of 6 answers ended at the limit" in of_trials(trials)[0].sentence


@given(
    rows=st.lists(st.text("PFETCLR", min_size=3, max_size=3), min_size=1, max_size=8),
    max_tokens=st.none() | st.integers(1, 100),
)
def test_cut_offs_are_neither_less_nor_more(rows: list[str], max_tokens: int | None) -> None:
    letters, trials = Counter("".join(rows)), 3 * len(rows)
    by_itself, at_limit = letters["P"] + letters["F"], letters["R"] + letters["L"]
    talks_on = 20 * by_itself >= trials and letters["P"] * at_limit <= letters["R"] * by_itself
    failed = letters["C"] + letters["L"] * (not talks_on)
    expected = failed > 0 and 20 * failed >= trials and failed >= letters["E"] + letters["T"]
    found = of_rows(rows, max_tokens=max_tokens)
    assert (found.kind is DiagnosisKind.CUT_OFF) is expected
    if expected:
        assert found.sentence.startswith(f"{letters['C'] + at_limit} of {trials} answers ended at")


def test_every_lane_has_to_begin_slowly() -> None:
    rows = ["FPPPPPP"] * 6
    one = [replace(trial, lane="one") for trial in matrix(rows, latency=slow_start)]
    slow = [replace(trial, lane="two", case=f"{trial.case}-too") for trial in matrix(rows, latency=slow_start)]
    quick = [replace(trial, lane="two", case=f"{trial.case}-too") for trial in matrix(rows)]
    assert of_trials(one + slow)[0].kind is DiagnosisKind.COLD_START
    assert of_trials(one + quick)[0].kind is DiagnosisKind.CORRELATED


@given(totals=st.lists(st.integers(0, 5), min_size=2, max_size=7), rng=st.randoms(use_true_random=False))
def test_the_p_value_is_the_share_of_orders(totals: list[int], rng: random.Random) -> None:
    first = rng.randint(1, len(totals) - 1)
    orders = list(itertools.permutations(totals))
    as_bad = sum(sum(order[:first]) <= sum(totals[:first]) for order in orders)
    assert order_chance(totals, first) == pytest.approx(as_bad / len(orders))


def test_correlated_runs_name_the_servers_errors() -> None:
    trials = [
        replace(trial, served_model="tiny-2" if trial.run in (2, 5) else "tiny-1") for trial in matrix(["PPFPPFP"] * 12)
    ]
    (found,) = of_trials(trials)
    assert (found.kind, found.action) == (DiagnosisKind.CORRELATED, None)
    assert "answered as tiny-1 and as tiny-2" in found.sentence


def test_each_finding_names_p_value_and_trials() -> None:
    flaky_rows = ["PFPFPFP", "FPFPPPF", "PPPPPPP"]
    found = {
        "perfect": of_rows(["P" * 7] * 12),
        "flaky": of_rows(flaky_rows),
        "ceiling": of_rows(["F" * 7] * 2 + ["P" * 7] * 10),
        "timeouts": of_rows(["TPTPTPT"] * 3),
        "steady": of_rows([*["".join("F" if run == case else "P" for run in range(7)) for case in range(5)], "P" * 7]),
    }
    assert found["perfect"].chance == pytest.approx(0.95**84)
    assert found["perfect"].trials == 84
    assert (found["flaky"].trials, found["ceiling"].trials, found["timeouts"].trials) == (14, 14, 12)
    assert all(one.chance is not None and one.chance < 0.05 for one in found.values()), found


def test_a_capability_limit_asks_for_a_fallback() -> None:
    found = of_rows(["F" * 7] * 2)
    assert (found.kind, found.action) == (DiagnosisKind.CAPABILITY, "disable_for_stateful")
    assert found.chance == pytest.approx(0.7**14)


def test_seven_failures_cannot_deny_a_capability() -> None:
    """Their upper confidence bound, 0.35, is above the 0.30 that is needed."""
    assert of_rows(["F" * 7]).kind is not DiagnosisKind.CAPABILITY


def test_always_failing_prompts_are_named() -> None:
    (alone,) = of_trials(matrix(["F" * 7] * 2 + ["P" * 7] * 10))
    assert (alone.kind, alone.cases) == (DiagnosisKind.CEILING, names(2))
    wavering = ["PPPPPFF", "FPPPPPF", "PFFPPPP", "PPPFFPP", "PPFPFPP"]
    beside = of_trials(matrix(["F" * 7] * 5 + wavering))
    assert [found.kind for found in beside] == [DiagnosisKind.FLAKY, DiagnosisKind.CEILING]


def test_spread_failures_are_steady_but_suboptimal() -> None:
    """Seven of twelve failures are on the prompt that always fails: a pattern would be three quarters."""
    once = ["".join("F" if run == case else "P" for run in range(7)) for case in range(5)]
    found = of_rows(["F" * 7, *once, *["P" * 7] * 6])
    assert (found.kind, found.action) == (DiagnosisKind.SUBOPTIMAL, None)


def test_a_flaky_model_names_its_wavering_prompts() -> None:
    found = of_rows(["PFPFPFP", "FPFPPPF", "PPPPPPP"])
    assert (found.kind, found.cases, found.action) == (DiagnosisKind.FLAKY, names(3)[:2], None)
    assert "a retry would not help, for the answers came and were wrong" in found.sentence


def test_retries_are_proposed_only_for_missing_answers() -> None:
    rows = ["PFPFPFP", "FPFPPPF", *["PPPPPPP"] * 5, "PPPEPPP"]
    found = of_rows(rows)
    assert (found.kind, found.action) == (DiagnosisKind.FLAKY, "retry")
    assert "can help the 1 of 56 calls that gave no answer, and costs up to as many calls (1.8% more)" in found.sentence


def test_too_few_runs_are_inconclusive() -> None:
    assert diagnose([], names(3), LIMITS)[0].kind is DiagnosisKind.UNKNOWN
    one_run = of_rows(["P", "F", "P"])
    assert one_run.kind is not DiagnosisKind.FLAKY
    assert one_run.action is None


rectangles = st.integers(1, 7).flatmap(
    lambda runs: st.lists(st.text("PFETCLR", min_size=runs, max_size=runs), min_size=1, max_size=6)
)


@given(rows=rectangles, rng=st.randoms(use_true_random=False))
def test_every_matrix_has_one_diagnosis(rows: list[str], rng: random.Random) -> None:
    trials = matrix(rows)
    found = of_trials(trials)
    shuffled = of_trials(rng.sample(trials, len(trials)))
    assert [diagnosis.kind for diagnosis in found] == [diagnosis.kind for diagnosis in shuffled]
    assert 1 <= len(found) <= 2
    assert all(diagnosis.chance is None or 0 <= diagnosis.chance <= 1 for diagnosis in found)


def kinds_found(world: str, cases: int, times: int) -> Counter[str]:
    rng = random.Random(11)
    latency = slow_start if world.startswith("cold start") else (lambda _: 1.0)
    return Counter(str(of_trials(matrix(WORLDS[world](rng, cases), latency=latency))[0].kind) for _ in range(times))


@pytest.mark.parametrize(("cases", "times", "bound"), [(12, 60, 0.90), (100, 8, 0.97)])
def test_diagnoses_are_right_about_known_faults(cases: int, times: int, bound: float) -> None:
    right = {world: kinds_found(world, cases, times)[world.partition(",")[0]] / times for world in WORLDS}
    assert sum(right.values()) / len(right) >= bound, right
    assert right["cold start"] >= 0.97
    assert min(right.values()) >= 0.6, right


def test_a_flaky_model_seldom_looks_cold() -> None:
    rng = random.Random(12)
    alarms = sum(
        of_trials(matrix(flaky(rng, 12), latency=slow_start))[0].kind is DiagnosisKind.COLD_START for _ in range(1000)
    )
    assert alarms <= 5


def test_copied_runs_are_no_runs() -> None:
    """One run and six copies of it are not seven steady runs; a flaky model stays one beside copies."""
    steady = of_rows(["P" + "p" * 6] * 11 + ["F" + "f" * 6])
    assert (steady.kind, steady.trials) == (DiagnosisKind.CEILING, 1)
    assert of_rows(["p" * 7] * 12).sentence == (
        "84 of 84 answers were copies, and say nothing that was not known before"
    )
    assert of_rows(["PFPFPpp", "FPPFFff", "PPFPFpp"]).kind is DiagnosisKind.FLAKY
