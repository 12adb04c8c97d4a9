"""What a rule rests on changes: it is proven anew, leaves force, or may be tried again, and the log says why."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pytest_selfopt.ledger.decision_log import verify
from pytest_selfopt.routing.decisions import read_decisions
from tests.acceptance.conftest import BASELINE, CALLS, MODEL, Project, call, long_suite, right, said, suite_lines
from tests.acceptance.test_gates import TWO_SPECS
from tests.acceptance.test_rules import cold_for, kinds, with_ollama

Make = Callable[..., Project]


def more_items(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A suite with one more prompt."""
    asked = {"id": "again", "prompt": "Find item 1. again", "tools": ["look_up"], "expect": {"call": call("1")}}
    return [*lines, asked]


def promoted(made: Project) -> None:
    made.configure(TWO_SPECS)
    assert made.run("--selfopt-cycle").ret == 0
    (rule,) = made.routing()["rules"]
    assert (rule["variant"], rule["status"]) == ("schema", "confirmed")


def test_a_promotion_is_retried_on_a_new_suite(long_project: Make) -> None:
    made = long_project({"rules": right(constrained=True)})
    promoted(made)
    before = made.routing()["rules"][0]
    made.write_suite(more_items(long_suite()))
    result = made.run("--selfopt-cycle")
    assert result.ret == 0
    assert f"expired, and on trial again: the rule for {MODEL} in atomic, because suite items was" in said(result)
    assert f"baseline {BASELINE}" in said(result)
    assert "confirmed the rule for scripted/model in atomic: PROMOTE atomic: fixed 30" in said(result)
    (rule,) = made.routing()["rules"]
    assert (rule["variant"], rule["status"], rule["cycle"]) == ("schema", "confirmed", 2)
    assert rule["premises"]["suite items"] != before["premises"]["suite items"]
    assert kinds(made) == ["promote", "expired", "confirmed"]
    assert made.run("--selfopt-cycle").ret == 0
    assert kinds(made) == ["promote", "expired", "confirmed"]


def test_a_new_model_can_reverse_a_promotion(project: Make) -> None:
    made = project({"rules": right(constrained=True)})
    promoted(made)
    made.server.play({"rules": right(), "served_as": "model-2"})
    second = made.run("--selfopt-cycle")
    assert "expired" not in said(second)
    third = made.run("--selfopt-cycle")
    assert "because served model was model, is model-2" in said(third)
    assert "rolled back the rule for scripted/model in atomic: REJECT" in said(third)
    assert f"in force now: {BASELINE}" in said(third)
    remembered, *_ = [rule for rule in made.routing()["rules"] if rule["status"] == "rolled_back"]
    assert remembered["premises"]["served model"] == "model-2"


def test_changed_weights_are_noticed_before_calls(project: Make) -> None:
    made = with_ollama(project({**cold_for(2 * (CALLS + 3)), "digests": {"model": "sha-one"}}))
    made.write_routing([{"model": "desk/model", "phase": "atomic", "enable_warmup": True, "status": "trial"}])
    assert "confirmed" in said(made.run("--selfopt-cycle"))
    assert made.routing()["rules"][0]["premises"]["model digest"] == "sha-one"
    assert "expired" not in said(made.run("--selfopt-cycle"))
    made.server.play({**cold_for(2 * (CALLS + 3)), "digests": {"model": "sha-two"}})
    result = made.run("--selfopt-cycle")
    assert "because model digest was sha-one, is sha-two" in said(result)
    assert "asked in blocks of 3 passes, each from a cold start" in said(result)
    assert kinds(made)[-2:] == ["expired", "confirmed"]


def test_a_new_suite_allows_a_rolled_back_rule(project: Make) -> None:
    made = with_ollama(project(cold_for(2 * (CALLS + 3), "first")))
    assert "rolled back allow_for_bounded_tasks" in said(made.run("--selfopt-cycle", "--selfopt-no-race"))
    made.write_suite(more_items(suite_lines()))
    made.server.play(cold_for(2 * (CALLS + 4), "first"))
    third = said(made.run("--selfopt-cycle", "--selfopt-no-race"))
    assert "may be tried again: what was rolled back for desk/model in atomic, because suite items was" in third
    assert "on trial: allow_for_bounded_tasks" in third
    assert kinds(made)[-3:] == ["forgotten", "trial", "rolled_back"]


def test_another_suites_diagnosis_is_dropped(project: Make) -> None:
    made = with_ollama(project(cold_for(2 * (CALLS + 3))))
    assert "on trial: allow_for_bounded_tasks" in said(
        made.run("--selfopt-cycle", "--selfopt-no-race", "--selfopt-no-prove")
    )
    made.write_suite(more_items(suite_lines()))
    second = said(made.run("--selfopt-cycle"))
    assert "expired before it was proven: the rule for desk/model in atomic, because suite items was" in second
    statuses = [rule.get("status") for rule in made.routing()["rules"]]
    assert "expired" in statuses
    assert "trial" not in statuses
    log = made.path / ".selfopt" / "routing_decisions.jsonl"
    assert verify(log.parent).ok
    assert read_decisions(log)[-1]["evidence"]["rule_after"]["enable_warmup"] is False


def test_a_rule_without_provenance_never_expires(project: Make) -> None:
    made = project({"rules": right()})
    made.configure(TWO_SPECS)
    made.write_routing([{"model": MODEL, "phase": "atomic", "variant": "schema", "status": "confirmed"}])
    made.write_suite(more_items(suite_lines()))
    assert "expired" not in said(made.run("--selfopt-cycle"))
