"""Gates in whole sessions: own ones, limits by phase, the classic rule, early ends, and the budget they spend."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

import pytest

from tests.acceptance.conftest import (
    BODY,
    LONG_CASES,
    LONG_RESTRAINT,
    MODEL,
    Project,
    long_suite,
    right,
    said,
)

Make = Callable[..., Project]
TWO_SPECS = (
    '[tool.selfopt.search]\nvariants = ["native_api", "schema"]\n'
    "warmup = []\nisolation = []\nretries = []\ntimeouts = []\n"
)
OWN_GATE = """
from pytest_selfopt import GateResult, Verdict

def pytest_selfopt_gates(measured):
    return GateResult(
        name="house_rule", passed="schema" not in measured.spec, value=None, limit=None,
        sentence=f"schema is not for us; {measured.phase}", asks=Verdict.REJECT,
    )
"""


def test_a_project_gate_rejects_a_winner(long_project: Make) -> None:
    made = long_project({"rules": right(constrained=True)})
    made.configure(TWO_SPECS)
    made.pytester.makeconftest(OWN_GATE)
    result = made.run("--selfopt-cycle")
    assert result.ret == 0
    assert "schema stopped: a gate besides accuracy keeps it from being promoted (fixed 27, broke 0)" in said(result)
    assert "REJECT schema: fixed 27 answers, broke 0 in 3 passes" in said(result)
    assert "house_rule: schema is not for us; atomic" in said(result)
    (entry,) = made.history()
    assert [gate["name"] for gate in entry["verdicts"][0]["gates"]][-1] == "house_rule"


@pytest.mark.parametrize(
    ("answer", "complaint"),
    [
        ('"no"', "returned 'no'; expected a GateResult"),
        ('GateResult(name="veto", passed=True, value=0, limit=0, sentence="")', "a gate named 'veto' already exists"),
        ("1 / 0", "ZeroDivisionError: division by zero; the trials are in the ledger"),
    ],
)
def test_a_faulty_project_gate_loses_no_trial(long_project: Make, answer: str, complaint: str) -> None:
    made = long_project({"rules": right(constrained=True)})
    made.configure(TWO_SPECS)
    made.pytester.makeconftest(
        f"from pytest_selfopt import GateResult\n\ndef pytest_selfopt_gates(measured):\n    return {answer}\n"
    )
    result = made.run("--selfopt-cycle")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert complaint in said(result)
    assert "Traceback" not in said(result)
    assert not (made.path / "routing_config.json").exists()
    made.pytester.makeconftest("")
    again = made.run("--selfopt-cycle", "--selfopt-resume")
    assert again.ret == 0
    assert "PROMOTE schema" in said(again)
    assert made.server.seen.asked == 2 * 3 * LONG_CASES


def test_the_classic_rule_takes_seven_passes(long_project: Make) -> None:
    made = long_project({"rules": right(constrained=True)})
    made.configure(TWO_SPECS)
    result = made.run("--selfopt-cycle", "--selfopt-profile", "classic")
    assert result.ret == 0
    assert "judged by the classic rule, which guarantees nothing" in said(result)
    assert "PROMOTE schema: median 1.000 beside 0.250 in 7 runs. By the classic rule" in said(result)
    assert made.server.seen.asked == 2 * 7 * LONG_CASES
    shown = made.selfopt("history").stdout
    assert "error budget: 0 comparisons opened, 0.0000 of 0.05 spent" in shown
    assert "by the classic rule, without any guarantee: 1 comparison" in shown
    assert "comparison None" not in shown


def test_the_profile_can_be_configured(long_project: Make) -> None:
    made = long_project({"rules": right()})
    made.configure(TWO_SPECS)
    text = (made.path / "pyproject.toml").read_text()
    (made.path / "pyproject.toml").write_text(text.replace("[tool.selfopt]\n", '[tool.selfopt]\nprofile = "classic"\n'))
    result = made.run("--selfopt-cycle")
    assert result.ret == 0, "as good is no improvement, which is a REJECT to the letter of the documents"
    assert "better: no improvement: the median is not above the baseline's" in said(result)
    assert made.run("--selfopt-cycle", "--selfopt-profile", "calibrated").ret == 0
    (made.path / "pyproject.toml").write_text(text.replace("[tool.selfopt]\n", '[tool.selfopt]\nprofile = "clasic"\n'))
    wrong = made.run("--selfopt-cycle")
    assert "profile: 'clasic' is not one of calibrated, classic; did you mean 'classic'?" in wrong.stderr.str()


def test_deleting_files_does_not_refill_the_budget(long_project: Make) -> None:
    made = long_project({"rules": right(constrained=True)[:-1]})
    assert made.run("--selfopt-cycle").ret == 0
    for name in ("meta_loop_history.json", "harness_feedback.json", "routing_decisions.jsonl"):
        (made.path / ".selfopt" / name).unlink()
    (made.path / "routing_config.json").unlink()
    assert made.selfopt("verify", "--accept", "tidied up").returncode == 0
    assert made.run("--selfopt-cycle", "--selfopt-baseline", f"{MODEL}/atomic/schema/t60/r1/i0").ret == 0
    (entry,) = made.history()
    assert [verdict["comparison"] for verdict in entry["verdicts"]] == [4, 5]
    assert "error budget: 5 comparisons opened, 0.0167 of 0.05 spent" in made.selfopt("history").stdout


EXTENDED = BODY.replace('"items.jsonl"', '"items.jsonl", phase="extended"')


def test_all_wrong_answers_end_the_extended_phase(long_project: Make) -> None:
    made = long_project({"default": {"call": {"name": "look_up", "arguments": {"item": "wrong"}}}})
    made.pytester.makepyfile(test_items=EXTENDED)
    made.configure(TWO_SPECS)
    result = made.run("--selfopt-cycle")
    assert made.server.seen.asked == 2 * LONG_CASES
    assert result.ret == 1
    assert "schema stopped: nothing but wrong answers" in said(result)
    assert "REJECT schema" in said(result)
    assert "extended_phase_min_accuracy: all 12 answers are wrong: 20:1 against the 0.30" in said(result)
    assert "diagnosis: capability limit: 0 of 12 answers are right" in said(result)


def test_promising_candidates_continue_in_the_extended_phase(long_project: Make) -> None:
    """The baseline, hopeless itself, is asked beside a candidate that is not; the other one is out."""
    wrong = {"call": {"name": "look_up", "arguments": {"item": "wrong"}}}
    greets = {"when": {"prompt": "Hello", "constrained": True}, "then": {"text": "Hello!"}}
    made = long_project({"rules": [*right(constrained=True), greets], "default": wrong})
    made.pytester.makepyfile(test_items=EXTENDED)
    made.configure(TWO_SPECS.replace('"schema"', '"schema", "atomic"'))
    made.run("--selfopt-cycle")
    asked = Counter(request.get("tools") is not None for request in made.server.seen.requests)
    assert asked[True] == 3 * LONG_CASES, "the baseline"
    assert asked[False] == (3 + 1) * LONG_CASES, "schema in every pass, atomic in the first"


def test_one_phases_limits_spare_the_other(long_project: Make) -> None:
    made = long_project({"rules": right(constrained=True), "latency": 0.02})
    made.pytester.makepyfile(test_items=BODY, test_more=EXTENDED)
    made.configure(TWO_SPECS + "[tool.selfopt.phases.extended.gates]\nlatency = 0.001\nerrors = 0.01\n")
    result = made.run("--selfopt-cycle")
    assert result.ret == 1, "the baseline of the extended phase is too slow, too"
    verdicts = {entry["phase"]: entry["verdicts"][0]["verdict"] for entry in made.history()}
    assert verdicts == {"atomic": "PROMOTE", "extended": "REJECT"}
    assert "95 % of the answers take up to" in said(result)
    assert "s, at most 0.001 s may" in said(result)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("latency = -1", "latency: -1 is outside 0 to 86400"),
        ('cost = "much"', "cost: expected a number"),
        ("veto = 0.5", "veto: expected a whole number"),
        ("errors = 7", "errors: 7 is outside 0 to 1"),
        ('claim = "all"', "claim: 'all' is not one of suite, new-prompts"),
        ("latencies = 1", "unknown key 'latencies'; did you mean 'latency'?"),
    ],
)
def test_a_wrong_limit_names_its_position(long_project: Make, line: str, complaint: str) -> None:
    made = long_project()
    made.configure(f"[tool.selfopt.gates]\n{line}\n")
    result = made.run("--selfopt-cycle")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"pyproject.toml [tool.selfopt] gates: {complaint}" in result.stderr.str()


def test_the_new_prompt_claim_holds_small_suites(long_project: Make) -> None:
    better = [rule for rule in right() if "item 0." not in rule["when"]["prompt"]]
    made = long_project({"rules": [*better, *right(constrained=True)], "default": {"text": "no"}})
    made.configure(TWO_SPECS + '[tool.selfopt.gates]\nclaim = "new-prompts"\nmin_samples = 4\n')
    needs = "shows a gain of about +0.92 on other prompts like these; +0.10 needs about 126 to 168 prompts"
    assert needs in said(made.run("--selfopt-cycle", "--selfopt-dry-run"))
    result = made.run("--selfopt-cycle")
    assert result.ret == 10
    assert needs in said(result)
    stopped = "schema stopped: more passes over the same prompts do not show it for others (fixed 4, broke 0)"
    assert stopped in said(result)
    assert "HOLD schema: fixed 4 answers, broke 0 in 4 passes" in said(result)
    assert "new_prompts: 1 of 12 prompts fixed, 0 broken: odds 1.5:1 for prompts like these, needed 220:1" in said(
        result
    )
    assert "what it takes: at this difference about 124 prompts instead of 12 would decide" in said(result)
    made.run("--selfopt-cycle")
    assert "schema" not in str(made.history()[-1]["verdicts"]), "its answers would only be repeated"


def test_power_is_reported_before_spending(long_project: Make) -> None:
    made = long_project({"rules": right(constrained=True)})
    before = made.selfopt("power", "items.jsonl")
    assert before.returncode == 0
    assert f"items: {LONG_CASES} prompts, {LONG_RESTRAINT} of them need no tool" in before.stdout
    assert "3 candidates beside the baseline: 72 to 336 calls a cycle" in before.stdout
    assert "is comparison 1: it needs odds of 220:1" in before.stdout
    assert "found in 3 of 4 cycles when 0% of repeats differ: +0.08 or more" in before.stdout
    assert re.search(r"\+0\.10 +132 prompts +157 prompts\n", before.stdout)
    assert made.server.seen.asked == 0
    assert not (made.path / ".selfopt").exists()
    assert made.run("--selfopt-cycle").ret == 0
    after = made.selfopt("power", "items.jsonl", "--candidates", "8").stdout
    assert "is comparison 4: it needs odds of 364:1" in after
    assert "in the last cycle 0.0% of the repeats of a prompt differed" in after


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["nowhere.jsonl"], "nowhere.jsonl: suite file not found"),
        (["items.jsonl", "--candidates", "0"], "--candidates 0: must be at least 1"),
    ],
)
def test_power_says_what_is_wrong(long_project: Make, arguments: list[str], complaint: str) -> None:
    found = long_project().selfopt("power", *arguments)
    assert (found.returncode, complaint in found.stderr) == (4, True)


def test_a_known_variation_informs_the_next_cycle(long_project: Make) -> None:
    made = long_project({"rules": right(constrained=True)[:-1]})
    first = said(made.run("--selfopt-cycle"))
    assert "finds a gain of about +0.08 if answers repeat, of about +0.25 if 30% of repeats differ" in first
    second = said(made.run("--selfopt-cycle"))
    assert "finds a gain of about +0.17 or more" in second


def test_too_many_unanswered_pairs_are_named(long_project: Make) -> None:
    rules = [
        {"when": {"prompt": "item 1."}, "then": {"status": 400}},
        {"when": {"prompt": "item 2."}, "then": {"status": 400}},
    ]
    made = long_project({"rules": [*rules, *right(constrained=True)]})
    made.configure(TWO_SPECS)
    result = made.run("--selfopt-cycle")
    assert result.ret == 10
    assert "comparable: 2 of 12 pairs lack an answer on one side (16.7%), at most 10% may" in said(result)
    made.configure(TWO_SPECS + "[tool.selfopt.gates]\ncomparable = 0.2\nerrors = 0.2\n")
    assert "PROMOTE schema" in said(made.run("--selfopt-cycle"))
    assert len(long_suite()) == LONG_CASES + 2
