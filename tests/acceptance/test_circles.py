"""Models that replace each other in turn: what the loop decides never leads fallbacks in a circle."""

from __future__ import annotations

from collections.abc import Callable

from tests.acceptance.conftest import MODEL, Project, said
from tests.acceptance.test_automation import OTHER, able, capable, second_model
from tests.acceptance.test_gates import TWO_SPECS

Make = Callable[..., Project]
SEARCHING = TWO_SPECS.replace('["native_api", "schema"]', "[]") + f'models = ["{OTHER}"]\n'
BACK = {"model": OTHER, "phase": "atomic", "allow": False, "fallback_model": MODEL, "source": "harness_feedback"}


def test_a_replaced_model_comes_back(project: Make) -> None:
    """It becomes the fallback of the one that had replaced it, also where that one has a rule on trial."""
    made = project(capable(able("other")))
    made.configure(SEARCHING + f'[tool.selfopt.phases.atomic]\nfallback = "{OTHER}"\n' + second_model(made))
    longer = {"model": MODEL, "phase": "atomic", "retries": 2, "status": "trial", "evidence": {"action": "retry"}}
    made.write_routing([{**longer, "before": {"model": MODEL, "phase": "atomic", "retries": 1}}, BACK])
    began = made.routing()["rules"]
    result = made.run("--selfopt-cycle")
    assert result.ret == 0, said(result)
    assert f"{OTHER}, the fallback of atomic, was itself replaced by {MODEL}" in said(result)
    rules = {rule["model"]: rule for rule in made.routing()["rules"] if rule.get("status") != "rolled_back"}
    assert (rules[MODEL]["allow"], rules[MODEL]["fallback_model"], rules[OTHER]["allow"]) == (False, OTHER, True)
    assert made.run("-q").ret == 0
    following = made.run("--selfopt-cycle")
    assert f"baseline {OTHER}/atomic" in said(following)

    before = made.routing()
    refused = made.selfopt("rollback", f"{OTHER}::atomic")
    assert (refused.returncode, made.routing()) == (4, before)
    assert "nothing was changed, because then the fallbacks of phase atomic are circular" in refused.stderr
    assert "selfopt rollback CYCLE undoes all decisions of a cycle" in refused.stderr
    own = made.selfopt("rollback", f"{MODEL}::atomic")
    assert (own.returncode, made.routing()["rules"]) == (0, began), "the promotion and the end of the trial"
