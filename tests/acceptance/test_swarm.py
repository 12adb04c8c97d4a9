"""Swarms through whole sessions: as the model of a spec, in a cycle, resumed, and within a budget."""

from __future__ import annotations

import json
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_selfopt.cli import main
from tests.acceptance.conftest import CALLS, RESTRAINT, Project, call, right, said, suite_lines
from tests.acceptance.engines import Engine
from tests.acceptance.test_interruption import begin, wait_until
from tests.ledger_file import open_ledger

Make = Callable[..., Project]
CASES = CALLS + RESTRAINT
MEMBERS = 8
SWARM = "swarm:10@cheap"
BASELINE = ("--selfopt-baseline", f"{SWARM}/atomic/native_api/t60/r1/i0")


def cheap(project: Make, script: dict[str, Any], extra: str = "") -> Project:
    """A project with a tier of eight models on the scripted server, and a dear one."""
    made = project(script)
    names = [f"scripted/m{number}" for number in range(MEMBERS)]
    server = (
        f'[tool.selfopt.providers.scripted]\nwire = "openai"\nbase_url = "{made.server.base_url}"\n'
        "max_concurrency = 64\n"
    )
    models = "".join(f'[tool.selfopt.models."{name}"]\nprice_in = 0.02\nprice_out = 0.04\n' for name in names)
    (made.path / "pyproject.toml").write_text(
        f'[tool.selfopt]\nmodel = "scripted/dear"\ncandidates = 1\n{server}{models}'
        f'[tool.selfopt.models."scripted/dear"]\nprice_in = 1.0\nprice_out = 4.0\n'
        f"[tool.selfopt.tiers]\ncheap = {json.dumps(names)}\n{extra}"
    )
    return made


def wrong_for(model: str, *items: int) -> list[dict[str, Any]]:
    """Rules by which one model finds other items than these."""
    return [
        {"when": {"model": model, "prompt": f"item {item}."}, "then": {"call": call(f"not {item}")}} for item in items
    ]


def rows(path: Path, columns: str, where: str) -> list[tuple[Any, ...]]:
    with open_ledger(path / ".selfopt" / "ledger.sqlite") as ledger:
        return ledger.execute(f"SELECT {columns} FROM call WHERE {where}").fetchall()


def test_a_swarm_acts_as_model_with_recorded_stages(project: Make) -> None:
    made = cheap(project, {"rules": [*wrong_for("m1", 0, 1), *wrong_for("m2", 0, 2), *right()]})
    result = made.run("--selfopt-cycle", *BASELINE)
    assert result.ret == 0, said(result)
    mine = f"purpose = 'trial' AND spec LIKE '{SWARM}/%/native_api/%'"
    trials = rows(made.path, "outcome, count(*)", f"{mine} GROUP BY 1")
    assert dict(trials) == {"pass": 3 * CASES}
    stages = rows(made.path, "spec, reply, cost_usd, id", "purpose = 'stage' AND spec LIKE '%/native_api/%'")
    assert Counter(spec.split("/atomic/")[0] for spec, *_ in stages) == {
        SWARM: 3 * CASES,
        **{f"scripted/m{number}": 3 * CASES for number in range(MEMBERS)},
    }
    costs = rows(made.path, "id, cost_usd", f"purpose = 'trial' AND spec LIKE '{SWARM}/%'")
    for name, cost in costs:
        parts = rows(made.path, "cost_usd", f"id LIKE '{name}#%'")
        assert len(parts) == MEMBERS + 1
        assert cost == pytest.approx(sum(part for (part,) in parts))
        assert cost > 0
    assert f"in force now: {SWARM}/atomic" in said(result)


def test_the_loop_routes_to_a_cheaper_vote(project: Make) -> None:
    rules = [*wrong_for("dear", 0, 1, 2, 3, 4), *wrong_for("m1", 5, 6), *wrong_for("m2", 7, 8), *right()]
    nothing_else = "".join(f"{name} = []\n" for name in ("variants", "warmup", "retries", "timeouts", "isolation"))
    search = f'[tool.selfopt.search]\n{nothing_else}models = ["{SWARM}"]\n'
    made = cheap(project, {"rules": rules}, search)
    result = made.run("--selfopt-cycle", "--selfopt-cycles=2")
    assert result.ret == 0, said(result)
    assert "PROMOTE" in said(result)
    by_model = {rule["model"]: rule for rule in made.routing()["rules"]}
    assert by_model["scripted/dear"]["allow"] is False
    assert by_model["scripted/dear"]["fallback_model"] == SWARM
    asked = made.server.seen.asked
    made.run().assert_outcomes(passed=CASES)
    assert made.server.seen.asked - asked == MEMBERS * CASES
    assert "promoted" in (made.path / ".selfopt" / "routing_decisions.jsonl").read_text()
    assert main(["rollback", "1", "--rootdir", str(made.path)]) == 0
    assert not [rule for rule in made.routing()["rules"] if rule.get("status") == "confirmed" and not rule["allow"]]
    asked = made.server.seen.asked
    assert made.run().ret == 1
    assert made.server.seen.asked - asked == CASES


def test_a_killed_swarm_resumes_without_repeated_calls(project: Make) -> None:
    made = cheap(project, {"rules": right(), "latency": 0.05}, "[tool.selfopt.swarm]\nmax_concurrency = 8\n")
    process = begin(made, *BASELINE)
    wait_until(lambda: made.server.seen.asked > 100)
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=120)
    wait_until(lambda: not made.server.seen.in_flight)
    before = rows(made.path, "id", "reply IS NOT NULL AND spec NOT LIKE 'swarm%'")
    assert before
    result = made.run("--selfopt-cycle", "--selfopt-resume", *BASELINE)
    assert result.ret == 0, said(result)
    finished = rows(made.path, "count(*)", "spec NOT LIKE 'swarm%'")[0][0]
    # Eight were under way, and as many may have ended without being stored yet.
    assert made.server.seen.asked <= finished + 16
    trials = rows(made.path, "count(*), count(DISTINCT id)", "purpose = 'trial'")[0]
    assert trials[0] == trials[1] == (3 + 1) * CASES


def test_a_budget_bounds_member_calls(project: Make) -> None:
    made = cheap(project, {"rules": right()})
    result = made.run("--selfopt-cycle", "--selfopt-max-calls=100", *BASELINE)
    assert result.ret == 10, said(result)
    assert made.server.seen.asked == 100
    assert "the budget of 100 calls (--selfopt-max-calls) is used up" in said(result)


def test_an_unavailable_member_is_excluded_and_named(project: Make) -> None:
    made = cheap(project, {"rules": right()})
    text = (made.path / "pyproject.toml").read_text()
    text = text.replace(
        '[tool.selfopt.models."scripted/m3"]\n',
        f'[tool.selfopt.models."scripted/m3"]\nbase_url = "{made.server.base_url}"\napi_key_env = "NOT_THERE"\n',
    )
    (made.path / "pyproject.toml").write_text(text)
    result = made.run("--selfopt-cycle", *BASELINE)
    assert result.ret == 0, said(result)
    missing = "model 'scripted/m3': the environment variable NOT_THERE is not set"
    assert f"{SWARM} runs without scripted/m3: {missing}" in said(result)
    assert not rows(made.path, "id", "spec LIKE 'scripted/m3/%'")


def test_a_swarm_outliving_its_item_is_ended(project: Make) -> None:
    slow = {"when": {"prompt": "item 2.", "model": "m5"}, "then": {"latency": 20.0, "text": "At last."}}
    made = cheap(project, {"rules": [slow, *right()]})
    result = made.run("--timeout=2", *BASELINE)
    result.assert_outcomes(errors=1, passed=CASES - 1)
    assert "timeout" in said(result).lower()
    assert not made.server.seen.in_flight


def test_a_changed_member_expires_a_promoted_swarm(project: Make) -> None:
    nothing_else = "".join(f"{name} = []\n" for name in ("variants", "warmup", "retries", "timeouts", "isolation"))
    rules = [*wrong_for("dear", 0, 1, 2, 3, 4, 5, 6), *right()]
    made = cheap(project, {"rules": rules}, f'[tool.selfopt.search]\n{nothing_else}models = ["{SWARM}"]\n')
    assert "PROMOTE" in said(made.run("--selfopt-cycle", "--selfopt-cycles=2"))
    path = made.path / "pyproject.toml"
    path.write_text(path.read_text().replace('models."scripted/m3"]\n', 'models."scripted/m3"]\nname = "bigger"\n'))
    result = made.run("--selfopt-cycle")
    assert "member scripted/m3" in said(result)
    assert "bigger" in said(result)


def test_conversations_admit_no_swarm(project: Make) -> None:
    made = cheap(project, {"rules": right()}, f'[tool.selfopt.search]\nmodels = ["{SWARM}"]\n')
    notes = {"id": "notebook", "class": "pytest_selfopt.bench.worlds:Notes", "start": {"notes": {"a": "milk"}}}
    goal = {"state": {"notes": {}}, "no_call_in": [1]}
    turns = ["Delete my note.", "The one called a."]
    made.write_suite(
        [{"environment": notes}, {"id": "talk", "environment": "notebook", "turns": turns, "expect": goal}]
    )
    result = made.run("--selfopt-cycle", "--selfopt-dry-run")
    assert result.ret == 0, said(result) + result.stderr.str()
    assert SWARM not in said(result)
    result = made.run("--selfopt-cycle", *BASELINE)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "a swarm answers single questions" in " ".join(result.stderr.str().split())


def test_remote_workers_make_member_calls(project: Make, engine: Engine) -> None:
    limit = "[tool.selfopt.swarm]\nmax_concurrency = 8\n"
    made = cheap(project, {"rules": [*wrong_for("m1", 0, 1), *right()]}, engine.settings() + limit)
    cases = 4
    made.write_suite(suite_lines()[: 2 + cases])
    for _ in range(2):
        engine.work(made, "--models", "scripted")
    result = made.run("--selfopt-cycle", *BASELINE, *engine.use)
    assert result.ret == 0, said(result)
    assert made.server.seen.asked == (3 + 1) * cases * MEMBERS
    assert rows(made.path, "count(*)", "purpose = 'stage'") == [((3 + 1) * cases * (MEMBERS + 1),)]
    assert made.server.seen.most_in_flight <= 8
    passes = rows(made.path, "count(*)", f"purpose = 'trial' AND outcome = 'pass' AND spec LIKE '{SWARM}/%'")
    assert passes == [((3 + 1) * cases,)]


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("swarm:19@cheap", "'9' (character 2) is not one of 0, 1, 2 and 3"),
        ("swarm:10@chaep", "did you mean 'cheap'"),
        ("swarm:10", "has no tier"),
        ("swarm:10@outer", "tiers: outer: contains 'swarm:10@cheap'; a tier contains models"),
    ],
)
def test_an_unreadable_swarm_is_one_sentence(project: Make, name: str, sentence: str) -> None:
    made = cheap(project, {}, 'outer = ["swarm:10@cheap"]\n' if "outer" in name else 'odd = ["nobody/knows"]\n')
    result = made.run("--selfopt-cycle", "--selfopt-baseline", f"{name}/atomic/native_api/t60/r1/i0")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert sentence in " ".join(result.stderr.str().split())
    assert "Traceback" not in result.stderr.str()
