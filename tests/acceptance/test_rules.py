"""Rules that prove themselves: put on trial, measured against their absence, kept or taken back, nobody in between.

`SELFOPT_FLAKY_SEEDS=200 uv run pytest tests/acceptance/test_rules.py` runs the flaky models in full.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from typing import Any

import pytest

from pytest_selfopt.cli import main
from pytest_selfopt.ledger.decision_log import verify
from pytest_selfopt.routing.decisions import read_decisions
from pytest_selfopt.routing.resolve import resolve
from tests.acceptance.conftest import BODY, LONG_CALLS, LONG_CASES, Project, right, said
from tests.ledger_file import open_ledger

Make = Callable[..., Project]
MODEL = "desk/model"
NOTHING_ELSE = """
[tool.selfopt.search]
variants = []
warmup = []
isolation = []
retries = []
timeouts = []
"""
WRONG = {"call": {"name": "look_up", "arguments": {"item": "wrong"}}}
SEEDS = int(os.environ.get("SELFOPT_FLAKY_SEEDS", "4"))


def with_ollama(made: Project, extra: str = NOTHING_ELSE) -> Project:
    """The project asks the scripted server in Ollama's format, which can be told to unload a model."""
    made.configure(
        f'[tool.selfopt.providers.desk]\nwire = "ollama"\nbase_url = "{made.server.address}"\n{extra}', base_url=""
    )
    text = (made.path / "pyproject.toml").read_text()
    head, _, rest = text.partition("[tool.selfopt]")
    rest = rest.partition("[tool.selfopt.providers")[2]
    (made.path / "pyproject.toml").write_text(f'{head}[tool.selfopt]\nmodel = "{MODEL}"\n[tool.selfopt.providers{rest}')
    return made


def cold_for(requests: int, key: str = "cold") -> dict[str, Any]:
    """A model that is wrong in its first answers after it was loaded, or (`first`) ever."""
    return {"rules": [{"when": {key: requests}, "then": WRONG}, *right()], "default": {"text": "Hello!"}}


def kinds(made: Project) -> list[str]:
    log = made.path / ".selfopt" / "routing_decisions.jsonl"
    assert verify(log.parent).ok
    return [entry["kind"] for entry in read_decisions(log)]


def test_one_command_confirms_a_warm_up_rule(long_project: Make) -> None:
    made = with_ollama(long_project(cold_for(2 * LONG_CASES)))
    result = made.run("--selfopt-cycle", "--selfopt-no-race")
    assert result.ret == 0
    assert "diagnosis: cold start: the first 2 of 7 runs are worse (passes by run: 0, 0, 12, 12, 12, 12, 12" in said(
        result
    )
    assert "on trial: allow_for_bounded_tasks for desk/model in atomic" in said(result)
    assert "selfopt: proves allow_for_bounded_tasks for desk/model in atomic" in said(result)
    assert "selfopt cycle 2, proof of what is on trial" in said(result)
    assert "asked in blocks of 3 passes, each from a cold start" in said(result)
    assert "pass 1 right: baseline 0/12" in said(result)
    assert "pass 4 right: warm-up off→on 12/12" in said(result)
    assert "confirmed allow_for_bounded_tasks for desk/model in atomic: PROMOTE atomic: fixed 24" in said(result)
    (rule,) = made.routing()["rules"]
    assert (rule["status"], rule["enable_warmup"]) == ("confirmed", True)
    log = read_decisions(made.path / ".selfopt" / "routing_decisions.jsonl")
    evidence = log[-1]["evidence"]
    assert (evidence["fixed"], evidence["broken"], evidence["gates"]["min_samples"]) == (24, 0, [3, 3])
    assert evidence["rests_on"]["specs"] == [f"{MODEL}/atomic/native_api/t60/r1/i0{end}" for end in ("", "/w1")]
    assert (evidence["rests_on"]["cycles"], evidence["rests_on"]["trials_of_this_cycle"]) == ([2], 2 * 3 * LONG_CASES)
    before, after = made.history()
    assert before["metrics"][before["baseline_before"]]["accuracy"] == pytest.approx(5 / 7)
    assert after["metrics"][after["baseline_after"]]["accuracy"] == 1.0
    assert after["baseline_after"].endswith("/w1")
    assert (before["proof"], after["proof"]) == (False, True)
    assert kinds(made) == ["keep", "trial", "confirmed"]
    feedback = json.loads((made.path / ".selfopt" / "harness_feedback.json").read_text())
    assert [run["cycle"] for run in feedback["recent_runs"]] == [1] * 5 + [2] * 3
    assert [run["run"] for run in feedback["recent_runs"]][:5] == [2, 3, 4, 5, 6]
    assert [kept["action"] for kept in feedback["recommendations"]] == ["allow_for_bounded_tasks"]

    following = made.run("--selfopt-cycle")
    assert following.ret == 0
    assert "pass 1 right: baseline 12/12" in said(following)
    assert "selfopt: proves" not in said(following)
    assert json.loads((made.path / ".selfopt" / "harness_feedback.json").read_text())["recommendations"] == []


def test_rolling_back_takes_a_warm_up_away(long_project: Make, tmp_path_factory: pytest.TempPathFactory) -> None:
    """By every form of the command, and the next cycle leaves it alone."""
    made = with_ollama(long_project(cold_for(2 * LONG_CASES)))
    assert "to take it back: selfopt rollback 2" in said(made.run("--selfopt-cycle", "--selfopt-no-race"))
    log = read_decisions(made.path / ".selfopt" / "routing_decisions.jsonl")
    before = log[1]["evidence"]["rule_before"]
    for what in ([], ["2"], [f"{MODEL}::atomic"]):
        copy = tmp_path_factory.mktemp("copy")
        shutil.copytree(made.path, copy, dirs_exist_ok=True)
        assert main(["rollback", *what, "--rootdir", str(copy)]) == 0
        assert json.loads((copy / "routing_config.json").read_text())["rules"] == [before]
    made.selfopt("rollback", "2")
    again = made.selfopt("rollback", "2")
    assert (again.returncode, made.routing()["rules"]) == (4, [before])
    again = made.selfopt("rollback")
    assert (again.returncode, made.routing()["rules"]) == (4, [before])
    assert "selfopt rollback --further also undoes what cycle 1 decided before it" in again.stderr
    assert f"the rule for {MODEL} in atomic is removed" in made.selfopt("rollback", "--further", "--dry-run").stdout
    made.server.play(cold_for(2 * LONG_CASES))
    result = made.run("--selfopt-cycle", "--selfopt-no-race")
    assert "skipped allow_for_bounded_tasks: warm-up on was taken back by hand" in said(result)
    assert made.routing()["rules"] == [before]
    assert "Taken back by hand, cycles leave it alone:\n\n- warm-up on" in learned(made)
    assert made.selfopt("rollback", "--redo").returncode == 0
    assert "Taken back" not in learned(made)
    assert made.routing()["rules"][0]["enable_warmup"] is True


def learned(made: Project) -> str:
    return (made.path / ".selfopt" / "LEARNED.md").read_text()


def test_the_classic_rule_proves_a_warm_up(long_project: Make) -> None:
    """It has no odds that a race could wait for; a later `decide` by the other rule says so."""
    made = with_ollama(long_project(cold_for(2 * LONG_CASES)))
    result = made.run("--selfopt-cycle", "--selfopt-profile=classic")
    assert result.ret == 0
    assert (
        "confirmed allow_for_bounded_tasks for desk/model in atomic: PROMOTE atomic: median 1.000 beside 0.000"
        in said(result)
    )
    assert kinds(made) == ["keep", "trial", "confirmed"]
    assert made.server.seen.asked == (7 + 2 * 3) * LONG_CASES + 1
    made.selfopt("report", "--format", "md", "-o", "found.md")
    assert "| confirmed | warm-up on;" in (made.path / "found.md").read_text()
    assert made.run("--selfopt-cycle", "--selfopt-profile=classic").ret == 0
    again = made.selfopt("decide", "2")
    assert again.returncode == 4
    assert 'by the profile "classic", which gives comparisons no number in the error budget' in again.stderr
    assert "Traceback" not in again.stderr


def test_a_trial_rule_may_wait_a_cycle(long_project: Make) -> None:
    made = with_ollama(long_project(cold_for(2 * LONG_CASES)))
    first = made.run("--selfopt-cycle", "--selfopt-no-race", "--selfopt-no-prove")
    assert first.ret == 1
    assert "next cycle, atomic: tries warm-up off→on" in said(first)
    assert made.routing()["rules"][0]["status"] == "trial"
    assert resolve(MODEL, "atomic", path=made.path / "routing_config.json").enable_warmup is True
    assert made.run("--selfopt-cycle").ret == 0
    assert kinds(made) == ["keep", "trial", "confirmed"]


@pytest.mark.parametrize(("budget", "needed"), [(7 * LONG_CASES + 71, 72), (7 * LONG_CASES + 73, 0)])
def test_a_small_budget_postpones_the_proof(long_project: Make, budget: int, needed: int) -> None:
    """Two turns of three passes and a warm-up call are 73 calls."""
    made = with_ollama(long_project(cold_for(2 * LONG_CASES)))
    result = made.run("--selfopt-cycle", "--selfopt-no-race", "--selfopt-max-calls", str(budget))
    assert result.ret == (1 if needed else 0)
    waits = f"is left to the next cycle: proving it takes {needed} calls, the budget has 71"
    assert (waits in said(result)) is bool(needed)
    assert made.server.seen.asked <= budget


def test_a_lone_proof_spares_other_phases(long_project: Make) -> None:
    made = with_ollama(long_project({"rules": right(), "default": {"text": "Hello!"}}), extra="")
    made.pytester.makepyfile(test_more=BODY.replace('"items.jsonl"', '"more.jsonl", phase="other"'))
    (made.path / "more.jsonl").write_text((made.path / "items.jsonl").read_text())
    nothing = made.run("--selfopt-cycle", "--selfopt-prove")
    assert nothing.ret == 0
    assert "nothing is on trial, so there is nothing to prove" in said(nothing)
    assert made.server.seen.asked == 0
    made.write_routing([{"model": MODEL, "phase": "atomic", "retries": 2, "status": "trial"}])
    result = made.run("--selfopt-cycle", "--selfopt-prove", "--junitxml=found.xml")
    assert [(one["phase"], len(one["verdicts"])) for one in made.history()] == [("atomic", 1)]
    assert {request["model"] for request in made.server.seen.requests} == {"model"}
    assert "deselected" in said(result)
    assert "rolled back the rule for desk/model in atomic" in said(result)
    assert made.run("--selfopt-prove").ret == pytest.ExitCode.USAGE_ERROR


def test_a_proof_writes_its_own_junit_report(long_project: Make) -> None:
    made = with_ollama(long_project(cold_for(2 * LONG_CASES)))
    made.run("--selfopt-cycle", "--selfopt-no-race", "--junitxml=out/found.xml")
    reports = {
        path.name: path.read_text().count('<testcase classname="test_items"') for path in (made.path / "out").iterdir()
    }
    assert reports == {"found.xml": 7 * LONG_CASES, "found-proof.xml": 6 * LONG_CASES}


def test_a_useless_warm_up_is_not_retried(long_project: Make) -> None:
    made = with_ollama(long_project(cold_for(2 * LONG_CASES, "first")))
    second = made.run("--selfopt-cycle", "--selfopt-no-race")
    assert "on trial: allow_for_bounded_tasks" in said(second)
    assert "rolled back allow_for_bounded_tasks for desk/model in atomic: REJECT" in said(second)
    statuses = {rule.get("status"): rule.get("enable_warmup") for rule in made.routing()["rules"]}
    assert statuses == {None: False, "rolled_back": True}
    assert resolve(MODEL, "atomic", path=made.path / "routing_config.json").enable_warmup is False
    made.server._play._applied = [0] * (1 + LONG_CALLS)
    third = made.run("--selfopt-cycle", "--selfopt-no-race")
    assert "diagnosis: cold start" in said(third)
    assert "skipped allow_for_bounded_tasks: it was tried and rolled back in cycle 2" in said(third)
    assert kinds(made) == ["keep", "trial", "rolled_back", "skip"]


def test_an_unforceable_cold_start_stays_on_trial(long_project: Make) -> None:
    made = long_project(cold_for(2 * LONG_CASES))
    made.configure(NOTHING_ELSE)
    assert "on trial: allow_for_bounded_tasks" in said(made.run("--selfopt-cycle", "--selfopt-no-race"))
    second = made.run("--selfopt-cycle")
    assert "its warm-up stays on trial: this server cannot be told to unload the model" in said(second)
    assert made.routing()["rules"][0]["status"] == "trial"
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        assert ledger.execute("SELECT count(*) FROM call WHERE purpose = 'warmup' AND cycle = 2").fetchone() == (1,)


def test_a_slow_model_gets_a_longer_timeout(long_project: Make) -> None:
    late = [{**rule, "then": {**rule["then"], "latency": 0.9}} for rule in right()]
    slow = [{**rule, "when": {**rule["when"], "chance": 0.5}} for rule in late]
    made = long_project({"rules": [*slow, *right()], "default": {"text": "Hello!"}})
    made.configure(
        "[tool.selfopt.search]\nwarmup = []\nisolation = []\nretries = []\ntimeouts = [0.4, 5]\n"
        '[tool.selfopt.phases.atomic]\nbaseline = "scripted/model/atomic/native_api/t0.4/r0/i0"\n'
    )
    second = made.run("--selfopt-cycle", "--selfopt-candidates", "1")
    assert "diagnosis: time-outs" in said(second)
    assert "on trial: longer_timeout for scripted/model in atomic" in said(second)
    assert "confirmed longer_timeout for scripted/model in atomic: PROMOTE atomic: fixed" in said(second)
    assert "of them had not come at all" in said(second)
    assert second.ret == 0
    (rule,) = made.routing()["rules"]
    assert (rule["status"], rule["timeout"], rule["retries"]) == ("confirmed", 5.0, 0)


def test_a_flaky_model_gets_a_retry_on_trial(
    long_project: Make,
) -> None:
    chances = [{**rule, "when": {**rule["when"], "chance": 0.6}} for rule in right()]
    made = long_project({"rules": [{"when": {"chance": 0.04}, "then": {"drop": True}}, *chances], "seed": 3})
    made.configure(
        "[tool.selfopt.search]\nwarmup = []\nisolation = []\nretries = [0, 1]\ntimeouts = []\n"
        '[tool.selfopt.phases.atomic]\nbaseline = "scripted/model/atomic/native_api/t60/r0/i0"\n'
    )
    first = said(made.run("--selfopt-cycle", "--selfopt-no-race", "--selfopt-candidates", "1", "--selfopt-no-prove"))
    assert "on trial: retry for scripted/model in atomic" in first
    assert "another retry can help the" in first
    assert made.routing()["rules"][0]["retries"] == 1


@pytest.mark.parametrize(
    ("then", "bound"),
    [({"drop": True}, []), ({"status": 401}, []), ({"status": 429, "retry_after": 0}, ["--selfopt-max-calls", "40"])],
    ids=["dropped", "401", "429"],
)
def test_an_outage_makes_no_rule(long_project: Make, then: dict[str, Any], bound: list[str]) -> None:
    """Rate limits are waited out for long; a budget bounds that."""
    made = with_ollama(long_project({"default": then}))
    result = made.run("--selfopt-cycle", *bound)
    assert result.ret == 10
    assert not (made.path / "routing_config.json").exists()
    assert kinds(made) == []


def test_a_flaky_model_gets_no_warm_up(long_project: Make) -> None:
    rules = 0
    for seed in range(SEEDS):
        chances = [{**rule, "when": {**rule["when"], "chance": 0.7}} for rule in right()]
        made = with_ollama(long_project({"rules": chances, "default": {"text": "Hello!"}, "seed": seed}))
        made.run("--selfopt-cycle", "--selfopt-no-race", "--selfopt-state-dir", f"state-{seed}")
        assert (made.path / f"state-{seed}" / "ledger.sqlite").exists()
        config = made.path / "routing_config.json"
        rules += resolve(MODEL, "atomic", path=config).enable_warmup is True
        config.unlink(missing_ok=True)
    assert rules <= 0.05 * SEEDS


def test_an_undecided_rule_stays_on_trial(long_project: Make) -> None:
    made = with_ollama(long_project({**cold_for(1), "latency": 0.0}))
    made.write_routing(
        [{"model": MODEL, "phase": "atomic", "enable_warmup": True, "status": "trial", "reason": "a try"}]
    )
    result = made.run("--selfopt-cycle")
    assert result.ret == 10
    assert "HOLD warm-up off→on: fixed" in said(result)
    assert f"in force now: {MODEL}/atomic/native_api/t60/r1/i0/w1 (on trial)" in said(result)
    assert made.routing()["rules"][0]["status"] == "trial"


def test_the_command_line_settles_a_warm_up(long_project: Make) -> None:
    made = with_ollama(long_project({"rules": right(), "default": {"text": "Hello!"}}))
    made.write_routing([{"model": MODEL, "phase": "atomic", "enable_warmup": True, "status": "trial"}])
    for option in ("--selfopt-warmup", "--no-selfopt-warmup"):
        result = made.run("--selfopt-cycle", option)
        assert result.ret == 0
        assert "in turns" not in said(result)
