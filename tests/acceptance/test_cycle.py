"""Whole cycles on a scripted model: what is promoted, held and rejected, and what is written."""

from __future__ import annotations

import importlib.resources
import json
import subprocess
from collections.abc import Callable

import jsonschema
import pytest

from pytest_selfopt.ledger.decision_log import verify
from pytest_selfopt.routing.resolve import resolve
from tests import warm
from tests.acceptance.conftest import (
    BASELINE,
    BODY,
    CALLS,
    LONG_CALLS,
    LONG_CASES,
    LONG_RESTRAINT,
    MODEL,
    RESTRAINT,
    Project,
    right,
    said,
    short_suite,
)
from tests.ledger_file import open_ledger

Make = Callable[..., Project]
CASES = CALLS + RESTRAINT


def test_the_promoted_candidate_starts_the_next_cycle(long_project: Make) -> None:
    made = long_project({"rules": right(constrained=True)})
    first = made.run("--selfopt-cycle", "--selfopt-seed", "1")
    assert first.ret == 0
    assert "PROMOTE schema: fixed 27 answers, broke 0 in 3 passes" in said(first)
    assert "i0 (the winner)" in said(first)
    (rule,) = made.routing()["rules"]
    assert (rule["model"], rule["phase"], rule["variant"], rule["status"]) == (MODEL, "atomic", "schema", "confirmed")
    assert resolve(MODEL, "atomic", path=made.path / "routing_config.json").variant == "schema"
    asked = len(made.server.seen.requests)
    assert asked == (4 + 2 * 3) * LONG_CASES

    second = made.run("--selfopt-cycle")
    assert second.ret == 0
    assert f"selfopt cycle 2, phase atomic: baseline {MODEL}/atomic/schema/t60/r1/i0" in said(second)
    assert "the rule for scripted/model in atomic: PROMOTE" in said(second)
    assert [entry["baseline_before"] for entry in made.history()] == [BASELINE, f"{MODEL}/atomic/schema/t60/r1/i0"]
    assert made.history()[1]["winner"] is None


CLAIM = "9 of 12 prompts fixed, 0 broken: shown for these prompts, not for others"


def test_a_promotion_says_on_how_many_prompts_it_rests(long_project: Make) -> None:
    made = long_project({"rules": right(constrained=True)})
    first = said(made.run("--selfopt-cycle", "--selfopt-json", "outcome.json"))
    in_full = f"over the same 12 prompts; {CLAIM}; odds 10^6:1 against luck"
    assert f"36 of 36 answers right instead of 9 of 36; {CLAIM} why:" in first
    assert in_full in first
    (phase,) = json.loads((made.path / "outcome.json").read_text())["phases"]
    assert {(spec["verdict"], spec["claim"]) for spec in phase["specs"]} == {
        (None, ""),
        ("REJECT", ""),
        ("PASSED", CLAIM),
        ("PROMOTE", CLAIM),
    }
    expected = {"claim": CLAIM, "prompts": 12, "prompts_up": 9, "prompts_down": 0}
    for verdict in made.history()[0]["verdicts"]:
        assert (expected.items() <= verdict.items()) == (verdict["verdict"] == "PROMOTE")
    assert expected.items() <= made.routing()["rules"][0]["evidence"].items()
    assert CLAIM in made.selfopt("why", MODEL, "atomic").stdout
    assert CLAIM in made.selfopt("history").stdout
    shown = json.loads(made.selfopt("resolve", MODEL, "atomic", "--json").stdout)
    assert expected.items() <= shown["evidence"].items()
    assert (shown["model"], shown["variant"], shown["isolation"]) == (MODEL, "schema", False)
    assert resolve(MODEL, "atomic", path=made.path / "routing_config.json").evidence == shown["evidence"]


def test_written_files_are_valid_and_consistent(long_project: Make) -> None:
    made = long_project({"rules": right(constrained=True)})
    assert made.run("--selfopt-cycle").ret == 0
    schema = json.loads((importlib.resources.files("pytest_selfopt.routing") / "schema.json").read_text())
    jsonschema.Draft7Validator(schema).validate(made.routing())
    state = made.path / ".selfopt"
    assert verify(state).ok
    feedback = json.loads((state / "harness_feedback.json").read_text())
    assert feedback["model_phase_accuracy"] == {f"{MODEL}::atomic": {"passed": 36, "total": 36, "accuracy": 1.0}}
    with open_ledger(state / "ledger.sqlite") as ledger:
        outcomes = dict(ledger.execute("SELECT outcome, count(*) FROM call GROUP BY outcome").fetchall())
        assert ledger.execute("SELECT status FROM cycle").fetchall() == [("decided",)]
    # native and atomic, which leaves after one pass: only restraint is right; schema and few_shot: everything
    assert outcomes == {"pass": (3 + 1) * LONG_RESTRAINT + 2 * 3 * LONG_CASES, "miss": (3 + 1) * LONG_CALLS}
    assert (state / ".gitignore").read_text().splitlines()[-1] == "*"


def test_without_racing_specs_get_seven_passes(project: Make) -> None:
    made = project({"rules": right(constrained=True)})
    result = made.run("--selfopt-cycle", "--selfopt-no-race")
    assert result.ret == 0
    assert made.server.seen.asked == 4 * 7 * CASES
    assert f"{CASES} prompts, 7 passes, {4 * 7 * CASES} calls;" in said(result)
    assert {verdict["passes"] for verdict in made.history()[0]["verdicts"]} == {7}
    assert "stopped" not in said(result)


def test_stopped_candidates_say_why(long_project: Make) -> None:
    made = long_project({"rules": [*right(constrained=True), *right(native=True)][: 2 * LONG_CALLS - 1]})
    result = made.run("--selfopt-cycle")
    assert "atomic stopped: not ahead (fixed 0, broke 8)" in said(result)
    assert "few_shot stopped: another candidate is further ahead (fixed 3, broke 0; that one fixed 3, broke 0)" in said(
        result
    )


FIXTURES = """
import pathlib, pytest

@pytest.fixture(scope="module", autouse=True)
def log(request):
    yield
    with pathlib.Path("ended").open("a") as file:
        file.write(request.module.__name__ + " ")
    assert "{broken}" not in request.module.__name__, "cannot be taken down"
"""


@pytest.mark.parametrize("broken", ["nothing", "test_items", "test_other"])
@pytest.mark.parametrize("way", ["-n0", "-n2"])
def test_module_fixtures_end_despite_dropped_items(project: Make, way: str, broken: str) -> None:
    made = project({"rules": right(constrained=True)})
    made.write_suite(short_suite())
    made.pytester.makeconftest(FIXTURES.replace("{broken}", broken))
    other = BODY.replace("test_items", "test_other").replace('"items.jsonl"', '"items.jsonl", phase="other"')
    made.pytester.makepyfile(test_other=other)
    result = made.run("--selfopt-cycle", way)
    assert "atomic stopped: " in said(result)
    assert "previous item was not torn down" not in said(result)
    assert [phase["verdict"] for phase in made.history()[0]["verdicts"]].count("PROMOTE") >= 1
    assert set((made.path / "ended").read_text().split()) == {"test_items", "test_other"}
    if broken == "nothing":
        assert result.ret == 0, said(result)
    else:
        assert result.ret == 1
        assert "cannot be taken down" in said(result)


def test_the_history_shows_the_spent_budget(long_project: Make) -> None:
    made = long_project({"rules": right(constrained=True)})
    made.run("--selfopt-cycle")
    command = [warm.python(), "-m", "pytest_selfopt.cli", "history"]
    shown = subprocess.run(command, cwd=made.path, capture_output=True, text=True, check=True).stdout
    assert "(comparison 2: fixed 27, broke 0;" in shown
    assert "error budget: 3 comparisons opened, 0.0115 of 0.05 spent" in shown
    assert shown.rstrip().endswith("the next one needs odds of 364:1")


def test_equal_candidates_are_rejected_after_one_pass(long_project: Make) -> None:
    made = long_project({"rules": right()})
    result = made.run("--selfopt-cycle")
    assert result.ret == 0
    assert "REJECT few_shot: fixed 0 answers, broke 0 in 1 pass over" in said(result)
    assert "atomic: asked 72 times instead of 144: 3 candidates left after 1 pass" in said(result)
    assert "i0 (the baseline)" in said(result)
    assert len(made.server.seen.requests) == (4 + 2) * LONG_CASES
    assert made.routing()["rules"][0]["variant"] == "native_api"
    assert {verdict["verdict"] for verdict in made.history()[0]["verdicts"]} == {"REJECT"}


def test_a_needlessly_calling_candidate_is_rejected(project: Make) -> None:
    needless = {
        "when": {"prompt": "Hello", "constrained": True},
        "then": {"call": {"name": "look_up", "arguments": {"item": "1"}}},
    }
    made = project({"rules": [*right(constrained=True), needless]})
    result = made.run("--selfopt-cycle")
    assert result.ret == 0
    assert "restraint: called a" in said(result)
    assert made.history()[0]["winner"] is None
    assert made.routing()["rules"][0]["variant"] == "native_api"


def test_a_small_gain_takes_only_the_leader_further(project: Make) -> None:
    better = [rule for rule in right() if "item 0." not in rule["when"]["prompt"]]
    made = project({"rules": [*better, *right(constrained=True)], "default": {"text": "no"}})
    result = made.run("--selfopt-cycle")
    assert result.ret == 0
    # one fixed answer a pass: e(11, 0) = 341 reaches the bar of comparison 2 (264) in pass 11, the last
    assert "fixed 11 answers, broke 0 in 11 passes" in said(result)
    assert len(made.server.seen.requests) == (4 + 2 * 3 + 8 * 2) * CASES


def test_an_undecided_candidate_continues_next_cycle(long_project: Make) -> None:
    better = [rule for rule in right() if "item 0." not in rule["when"]["prompt"]]
    made = long_project({"rules": [*better, *right(constrained=True)], "default": {"text": "no"}})
    made.configure(
        '[tool.selfopt.search]\nvariants = ["native_api", "schema"]\n'
        "warmup = []\nisolation = []\nretries = []\ntimeouts = []"
    )
    first = made.run("--selfopt-cycle")
    assert first.ret == 10
    assert "HOLD schema: fixed 7 answers, broke 0 in 7 passes" in said(first)
    assert "needed 220:1 (comparison 1 of this history); at this difference about 4 more passes, or 19" in said(first)
    second = made.run("--selfopt-cycle")
    assert second.ret == 0
    assert "goes on: the last cycle left it undecided" in said(second)
    assert "PROMOTE schema: fixed 11 answers, broke 0 in 11 passes" in said(second)
    assert " in this cycle; 1 of " in said(second).partition("why:")[0]
    assert "schema fixed 11 answers, broke 0 in 11 passes of this cycle and earlier ones; odds" in said(second)
    assert " in this cycle; " in made.selfopt("report", "--cycle", "2", "--format", "md").stdout.splitlines()[0]
    assert "(comparison 1 of this" in said(second)
    assert made.server.seen.asked == 2 * 11 * LONG_CASES


def test_an_outage_decides_and_writes_nothing(long_project: Make) -> None:
    made = long_project({"rules": right()})
    no_retries = f'[tool.selfopt.phases.atomic]\nbaseline = "{MODEL}/atomic/native_api/t60/r0/i0"'
    made.configure(no_retries, base_url="http://127.0.0.1:9/v1")
    result = made.run("--selfopt-cycle")
    assert result.ret == 10
    assert "20 of 20 calls refused at http://127.0.0.1:9/v1 (Connection refused), so that no more were made" in said(
        result
    )
    assert "nothing decided; start it and run again" in said(result)
    assert not (made.path / "routing_config.json").exists()
    made.configure(no_retries)
    again = made.run("--selfopt-cycle")
    assert again.ret == 0
    # Nothing was spent: the first comparison is still the first.
    assert {verdict["comparison"] for verdict in made.history()[-1]["verdicts"]} == {1, 2, 3}


def test_a_raising_test_body_is_never_masked(project: Make) -> None:
    made = project({"rules": right()})
    made.pytester.makepyfile(test_items=BODY_WITH_BUG)
    result = made.run("--selfopt-cycle")
    assert result.ret == 1
    assert "ZeroDivisionError" in said(result)
    assert made.history()[0]["winner"] is None


BODY_WITH_BUG = """
import pytest

@pytest.mark.selfopt("items.jsonl")
def test_items(case, reply):
    1 / 0
"""


def test_a_plain_assertion_judges_like_check(project: Make) -> None:
    made = project({"rules": right(constrained=True)})
    made.pytester.makepyfile(
        test_items="""
import pytest

@pytest.mark.selfopt("items.jsonl")
def test_items(reply, spec, run):
    assert run >= 0
    assert bool(reply.tool_calls) == (spec.variant in ("schema", "few_shot"))
"""
    )
    assert made.run("--selfopt-cycle").ret == 0


def test_a_partial_selection_is_recorded_without_decision(project: Make) -> None:
    made = project({"rules": right(constrained=True)})
    result = made.run("--selfopt-cycle", "-k", "item-1 and run0")
    assert result.ret == 10
    assert "no decision: only some of the planned trials were selected" in said(result)
    assert not (made.path / "routing_config.json").exists()
    assert len(made.server.seen.requests) == 4
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        assert ledger.execute("SELECT count(*) FROM call").fetchone() == (4,)
        assert ledger.execute("SELECT count(*) FROM comparison").fetchone() == (0,)


def test_stopping_at_a_miss_wastes_no_call(project: Make) -> None:
    made = project({"rules": right(constrained=True)})
    # By another seed the first calls may all be right.
    result = made.run("--selfopt-cycle", "-x", "--selfopt-seed=1")
    assert "no decision: the session was interrupted" in said(result)
    assert len(made.server.seen.requests) <= 8
    assert not (made.path / "routing_config.json").exists()


def test_a_corrupt_configuration_is_kept_and_reported(project: Make) -> None:
    made = project({"rules": right(constrained=True)})
    (made.path / "routing_config.json").write_text('{"rules": [')
    result = made.run("--selfopt-cycle")
    assert result.ret == 0
    assert "routing_config.json could not be used (invalid JSON at column 12" in said(result)
    (aside,) = made.path.glob("routing_config.json.corrupt-*")
    assert aside.read_text() == '{"rules": ['


def test_collection_or_setup_plan_makes_no_call(project: Make) -> None:
    made = project()
    for option in ("--collect-only", "--setup-plan"):
        assert made.run("--selfopt-cycle", option).ret == 0
    assert made.server.seen.requests == []
    assert not (made.path / ".selfopt").exists()
    assert not (made.path / "routing_config.json").exists()


def test_a_warm_up_is_recorded_but_not_counted(project: Make) -> None:
    made = project({"rules": right()})
    baseline = f"{MODEL}/atomic/native_api/t60/r1/i0/w1"
    result = made.run("--selfopt-cycle", "--selfopt-baseline", baseline, "--selfopt-candidates", "1")
    assert result.ret == 0
    first = made.server.seen.requests[0]["messages"][-1]["content"]
    assert first == "What is 2+2?"
    assert sum(one["messages"][-1]["content"] == first for one in made.server.seen.requests) >= 1
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        assert ledger.execute("SELECT purpose, outcome FROM call WHERE purpose = 'warmup'").fetchone() == (
            "warmup",
            None,
        )
    assert made.history()[0]["metrics"][baseline]["trials"] == 3 * CASES
