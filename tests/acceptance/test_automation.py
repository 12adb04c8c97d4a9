"""What runs by itself and what can be switched off: several cycles, dry runs, forced models, no promotion, no rules."""

from __future__ import annotations

import signal
from collections.abc import Callable

import pytest

from pytest_selfopt.ledger.decision_log import verify
from pytest_selfopt.routing.decisions import read_decisions
from pytest_selfopt.routing.lock import hold_lock
from tests.acceptance.conftest import LONG_CASES, LONG_RESTRAINT, MODEL, Project, right, said
from tests.acceptance.test_gates import EXTENDED, TWO_SPECS
from tests.acceptance.test_interruption import begin, wait_until

Make = Callable[..., Project]
OTHER = "scripted/other"


def second_model(made: Project, *, extra: str = "", key: str = "") -> str:
    """The settings of another model on the same server."""
    needs = f'\napi_key_env = "{key}"' if key else ""
    return f'[tool.selfopt.models."{OTHER}"]\nbase_url = "{made.server.base_url}"{needs}\n{extra}'


def test_cycles_repeat_until_nothing_is_left(long_project: Make) -> None:
    made = long_project({"rules": right(constrained=True)[:-1]})
    made.configure(TWO_SPECS.replace('"schema"', '"schema", "atomic"'))
    result = made.run("--selfopt-cycles", "5", "-q", "--selfopt-candidates", "1")
    assert result.ret == 0
    assert [entry["cycle"] for entry in made.history()] == [1, 2]
    assert [entry["winner"] for entry in made.history()] == [f"{MODEL}/atomic/schema/t60/r1/i0", None]
    assert "selfopt: cycle 1 of 5" in said(result)
    assert "selfopt: stopped after 2 of 5 cycles: plateau, nothing untried is left around" in said(result)


def test_the_requested_number_of_cycles_runs(long_project: Make) -> None:
    made = long_project({"rules": right()[:-1]})
    result = made.run("--selfopt-cycles=2", "-q", "--selfopt-candidates", "1")
    assert result.ret == 0
    assert [len(entry["verdicts"]) for entry in made.history()] == [1, 1]
    assert "stopped after" not in said(result)


def test_cycles_that_cannot_begin_are_not_retried(long_project: Make) -> None:
    made = long_project({"rules": right()})
    made.configure("nonsense = 1")
    assert made.run("--selfopt-cycles", "3").ret == pytest.ExitCode.USAGE_ERROR
    made.configure()
    made.write_suite([{"id": 1}])
    result = made.run("--selfopt-cycles", "3", "-q")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "stopped after 1 of 3 cycles: the session ended with usage error" in said(result)


def test_an_interrupt_ends_all_cycles(long_project: Make) -> None:
    made = long_project({"rules": right(), "latency": 0.2})
    process = begin(made, "--selfopt-cycles", "3")
    wait_until(lambda: made.server.seen.asked > 5)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert process.returncode == 2
    asked = made.server.seen.asked
    wait_until(lambda: made.server.seen.in_flight == 0)
    assert made.server.seen.asked == asked


def test_a_dry_run_plans_without_calls(long_project: Make) -> None:
    made = long_project({"rules": right(constrained=True)})
    dry = made.run("--selfopt-cycle", "--selfopt-dry-run")
    assert dry.ret == 0
    assert f"candidate {MODEL}/atomic/schema/t60/r1/i0 (untried)" in said(dry)
    assert f"{LONG_CASES} prompts, 72 to 336 calls, cost unknown: {MODEL} has no price" in said(dry)
    assert made.server.seen.asked == 0
    assert not (made.path / ".selfopt").exists()
    assert made.run("--selfopt-cycle").ret == 0
    after = made.run("--selfopt-cycle", "--selfopt-dry-run")
    assert f"baseline {MODEL}/atomic/schema/t60/r1/i0" in said(after)
    assert made.server.seen.asked == 120


def test_a_dry_run_estimates_from_earlier_calls(long_project: Make) -> None:
    made = long_project({"rules": right()})
    prices = "\nprice_in = 10000\nprice_out = 20000\n"
    made.configure(prices)
    first = said(made.run("--selfopt-cycle", "--selfopt-dry-run"))
    assert "72 to 336 calls, at most $" in first
    assert ", by the bytes of the prompts; that is more than $0.50" in first
    made.run("--selfopt-cycle")
    dry = said(made.run("--selfopt-cycle", "--selfopt-dry-run"))
    assert "by the tokens of 36 earlier calls; that is more than $0.50" in dry


def test_a_dry_run_needs_a_cycle(long_project: Make) -> None:
    assert long_project().run("--selfopt-dry-run").ret == pytest.ExitCode.USAGE_ERROR


def test_without_promotion_the_baseline_stays(long_project: Make) -> None:
    made = long_project({"rules": right(constrained=True)})
    made.configure(TWO_SPECS)
    result = made.run("--selfopt-cycle", "--selfopt-no-promote")
    assert result.ret == 0
    assert "schema passed, and promoting is switched off; fixed 27 answers" in said(result)
    assert made.routing()["rules"][0]["variant"] == "native_api"
    assert "promoting is switched off; better is scripted/model/atomic/schema/t60/r1/i0" in said(result)
    assert made.history()[0]["winner"] is None
    assert made.run("--selfopt-cycle").ret == 0
    assert made.routing()["rules"][0]["variant"] == "schema"


EDITING = """
import json, pathlib

def pytest_runtest_teardown():
    rule = {"model": "mine", "phase": "chat", "retries": 3}
    pathlib.Path("routing_config.json").write_text(json.dumps({"rules": [rule]}))
"""


def test_an_edit_while_a_cycle_runs_is_kept(long_project: Make) -> None:
    made = long_project({"rules": right(constrained=True)})
    made.configure(TWO_SPECS)
    made.pytester.makeconftest(EDITING)
    result = made.run("--selfopt-cycle")
    assert result.ret == 0
    assert "the rule for mine in chat was changed in routing_config.json while the cycle ran, and is kept" in said(
        result
    )
    found = {rule["model"]: (rule.get("retries"), rule.get("variant")) for rule in made.routing()["rules"]}
    assert found == {"mine": (3, None), MODEL: (1, "schema")}


def capable(made_rules: list[dict[str, object]]) -> dict[str, object]:
    """A server on which one model finds everything and the other nothing."""
    return {"rules": made_rules, "default": {"call": {"name": "look_up", "arguments": {"item": "wrong"}}}}


def able(model: str) -> list[dict[str, object]]:
    hello = [
        {"when": {"prompt": f"Hello {index}", "model": model}, "then": {"text": "Hello!"}}
        for index in range(LONG_RESTRAINT)
    ]
    return [*right(model=model), *hello]


def test_an_incapable_model_is_replaced_by_fallback(long_project: Make) -> None:
    made = long_project(capable(able("other")))
    made.pytester.makepyfile(test_items=EXTENDED)
    made.configure(TWO_SPECS + f'[tool.selfopt.phases.extended]\nfallback = "{OTHER}"\n' + second_model(made))
    second = made.run("--selfopt-cycle")
    assert second.ret == 0
    assert "on trial: disable_for_stateful for scripted/model in extended" in said(second)
    assert f"selfopt cycle 2, proof of what is on trial: baseline {MODEL}/extended/native_api" in said(second)
    assert "(on trial: 0 of 12 answers are right" in said(second)
    assert made.history()[1]["metrics"][f"{OTHER}/extended/native_api/t60/r1/i0"]["accuracy"] == 1.0
    assert "confirmed disable_for_stateful for scripted/model in extended: PROMOTE extended: fixed 36" in said(second)
    (rule,) = made.routing()["rules"]
    assert (rule["status"], rule["allow"], rule["fallback_model"]) == ("confirmed", False, OTHER)
    assert "before" not in rule
    assert set(rule["premises"]) >= {"served model", "provider", "fallback served model", "suite items"}
    asked = len(made.server.seen.requests)
    third = made.run("--selfopt-cycle")
    assert f"selfopt cycle 3, phase extended: baseline {OTHER}/extended/native_api" in said(third)
    assert {request["model"] for request in made.server.seen.requests[asked:]} == {"other"}
    log = read_decisions(made.path / ".selfopt" / "routing_decisions.jsonl")
    assert [entry["kind"] for entry in log] == ["trial", "confirmed", "route", "keep"]
    assert (log[2]["cycle"], log[2]["original_model"], log[2]["effective_model"]) == (3, MODEL, OTHER)
    made.run("-q")
    assert {request["model"] for request in made.server.seen.requests[-LONG_CASES:]} == {"other"}


def test_a_fallback_stands_in_for_atomic_work_too(long_project: Make) -> None:
    made = long_project(capable(able("other")))
    made.configure(TWO_SPECS + f'[tool.selfopt.phases.atomic]\nfallback = "{OTHER}"\n' + second_model(made))
    result = said(made.run("--selfopt-cycle"))
    assert "on trial: disable_for_stateful for scripted/model in atomic" in result
    assert "confirmed disable_for_stateful for scripted/model in atomic: PROMOTE atomic: fixed 36" in result
    (rule,) = made.routing()["rules"]
    assert (rule["status"], rule["allow"], rule["fallback_model"]) == ("confirmed", False, OTHER)


def test_without_a_fallback_one_line_says_so(long_project: Make) -> None:
    made = long_project(capable([]))
    made.configure(TWO_SPECS)
    result = said(made.run("--selfopt-cycle"))
    assert result.count("no fallback is named for scripted/model in atomic") == 1
    assert "and none is invented; name one as phases.atomic.fallback" in result


def test_classic_makes_seven_runs_before_it_disables(long_project: Make) -> None:
    made = long_project(capable([]))
    made.pytester.makepyfile(test_items=EXTENDED)
    made.configure(TWO_SPECS.replace(', "schema"', ""))
    result = said(made.run("--selfopt-cycle", "--selfopt-profile=classic"))
    assert "diagnosis: capability limit: 0 of 84 answers are right" in result
    assert made.server.seen.asked == 7 * LONG_CASES


def test_plain_sessions_log_a_fallback(long_project: Make) -> None:
    made = long_project(capable([*able("other"), *able("model")]))
    made.configure(TWO_SPECS + second_model(made))
    log = made.path / ".selfopt" / "routing_decisions.jsonl"
    made.run("-q").assert_outcomes(passed=LONG_CASES)
    assert not log.exists()
    made.write_routing([{"model": MODEL, "phase": "atomic", "allow": False, "fallback_model": OTHER, "reason": "weak"}])
    made.run("-q").assert_outcomes(passed=LONG_CASES)
    made.run("-q", "-n", "2").assert_outcomes(passed=LONG_CASES)
    with hold_lock(made.path / ".selfopt"):
        made.run("-q").assert_outcomes(passed=LONG_CASES)
    entries = read_decisions(log)
    assert verify(log.parent).ok
    assert [(one["kind"], one["cycle"], one["original_model"], one["effective_model"]) for one in entries] == [
        ("route", 0, MODEL, OTHER)
    ] * 3
    assert "weak" in entries[0]["reason"]
    made.run("-q", "--collect-only")
    assert read_decisions(log) == entries


def test_an_unwritable_log_fails_no_test(long_project: Make) -> None:
    made = long_project(capable([*able("other"), *able("model")]))
    made.configure(TWO_SPECS + second_model(made))
    made.write_routing([{"model": MODEL, "phase": "atomic", "allow": False, "fallback_model": OTHER}])
    (made.path / ".selfopt").write_text("a file where the folder should be")
    result = made.run("-q")
    result.assert_outcomes(passed=LONG_CASES)
    assert "selfopt: a routing is not logged: cannot use" in said(result)


def test_the_best_known_model_is_default_fallback(long_project: Make) -> None:
    made = long_project(capable(able("other")))
    made.pytester.makepyfile(test_items=EXTENDED)
    made.configure(TWO_SPECS + second_model(made))
    unknown = made.run("--selfopt-cycle")
    assert "no fallback is named for scripted/model in extended, and none is invented" in said(unknown)
    made.run("--selfopt-cycle", "--selfopt-baseline", f"{OTHER}/extended/native_api/t60/r1/i0")
    known = made.run("--selfopt-cycle")
    assert "on trial: disable_for_stateful for scripted/model in extended" in said(known)
    rules = {rule["model"]: rule for rule in made.routing()["rules"]}
    assert rules[MODEL]["fallback_model"] == OTHER


@pytest.mark.parametrize(
    ("fallback", "rule", "complaint"),
    [
        (
            "claude-sonnet",
            {},
            "phases extended: fallback: 'claude-sonnet' cannot be asked: unknown model 'claude-sonnet'",
        ),
        (
            OTHER,
            {},
            f"fallback: '{OTHER}' cannot be asked: model '{OTHER}': the environment variable NO_SUCH_KEY is not",
        ),
        ("swarm:10@tier9", {}, "fallback: 'swarm:10@tier9' cannot be asked: unknown tier 'tier9'"),
        (OTHER, {"model": OTHER, "fallback_model": MODEL}, f"fallback: '{OTHER}' cannot replace {MODEL}: "),
        (None, {"model": MODEL, "fallback_model": "claude-sonnet"}, "routing_config.json, phase 'extended' (scripted/"),
        (
            None,
            {"model": MODEL, "fallback_model": "claude-sonnet", "status": "trial"},
            f"routing_config.json, phase 'extended' ({MODEL} is disabled for extended; claude-sonnet replaces it): ",
        ),
    ],
    ids=["unknown", "without key", "swarm", "circle", "rule", "trial"],
)
def test_a_fallback_that_cannot_be_asked_is_refused(
    long_project: Make, fallback: str | None, rule: dict[str, str], complaint: str
) -> None:
    made = long_project(capable([]))
    made.pytester.makepyfile(test_items=EXTENDED)
    named = f'[tool.selfopt.phases.extended]\nfallback = "{fallback}"\n' if fallback else ""
    made.configure(TWO_SPECS + named + second_model(made, key="NO_SUCH_KEY"))
    if rule:
        made.write_routing([{"phase": "extended", "allow": False, **rule}])
    before = made.routing() if rule else None
    result = made.run("--selfopt-cycle")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert complaint in " ".join(result.stderr.str().split()) + said(result)
    assert made.server.seen.asked == 0
    assert (made.routing() if rule else None) == before


def test_a_failed_fallback_is_not_retried(long_project: Make) -> None:
    made = long_project(capable([]))
    made.pytester.makepyfile(test_items=EXTENDED)
    made.configure(TWO_SPECS + f'[tool.selfopt.phases.extended]\nfallback = "{OTHER}"\n' + second_model(made))
    second = made.run("--selfopt-cycle")
    assert "on trial: disable_for_stateful" in said(second)
    assert "rolled back disable_for_stateful for scripted/model in extended: REJECT" in said(second)
    (rule,) = made.routing()["rules"]
    assert (rule["status"], rule["fallback_model"]) == ("rolled_back", OTHER)
    assert "skipped disable_for_stateful" not in said(second)
    third = made.run("--selfopt-cycle")
    assert "skipped disable_for_stateful: it was tried and rolled back in cycle 2" in said(third)
    assert f"baseline {MODEL}/extended/native_api" in said(third)
    assert "on trial:" not in said(third)
    asked = len(made.server.seen.requests)
    made.run("-q")
    assert {request["model"] for request in made.server.seen.requests[asked:]} == {"model"}


def test_without_enforcing_diagnoses_make_no_rule(long_project: Make) -> None:
    made = long_project(capable(able("other")))
    made.pytester.makepyfile(test_items=EXTENDED)
    made.configure(TWO_SPECS + f'[tool.selfopt.phases.extended]\nfallback = "{OTHER}"\n' + second_model(made))
    result = made.run("--selfopt-cycle", "--selfopt-no-enforce")
    assert "skipped disable_for_stateful: this action is switched off" in said(result)
    assert not (made.path / "routing_config.json").exists()


def test_a_forced_model_overrides_rules_and_is_logged(long_project: Make) -> None:
    made = long_project(capable(able("other")))
    made.pytester.makepyfile(test_items=EXTENDED)
    made.configure(TWO_SPECS + f'[tool.selfopt.phases.extended]\nfallback = "{OTHER}"\n' + second_model(made))
    made.run("--selfopt-cycle")
    asked = len(made.server.seen.requests)
    made.run("-q", "--selfopt-force-model", MODEL)
    assert {request["model"] for request in made.server.seen.requests[asked:]} == {"model"}
    forced = made.run("--selfopt-cycle", "--selfopt-force-model", OTHER)
    assert f"{OTHER} is asked by --selfopt-force-model, over the routing configuration" in said(forced)
    log = read_decisions(made.path / ".selfopt" / "routing_decisions.jsonl")
    assert [(entry["original_model"], entry["effective_model"]) for entry in log if entry["kind"] == "forced"] == [
        (MODEL, MODEL),
        (MODEL, OTHER),
    ]
    unknown = made.run("--selfopt-cycle", "--selfopt-force-model", "nobody")
    assert "unknown model 'nobody'" in unknown.stderr.str()


def test_a_fallback_without_key_is_reported_early(long_project: Make) -> None:
    made = long_project(capable(able("other")))
    made.pytester.makepyfile(test_items=EXTENDED)
    fallback = f'[tool.selfopt.phases.extended]\nfallback = "{OTHER}"\n'
    made.configure(TWO_SPECS + fallback + second_model(made, key="NO_SUCH_KEY_IS_SET"))
    made.run("--selfopt-cycle")
    asked = made.server.seen.asked
    refused = made.run("--selfopt-cycle")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    assert f"model '{OTHER}'" in refused.stderr.str()
    assert "NO_SUCH_KEY_IS_SET" in refused.stderr.str()
    assert made.server.seen.asked == asked
