"""Routing configurations as people write them: sessions, commands and applications understand them alike."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pytest_selfopt.routing.decisions import read_decisions
from pytest_selfopt.routing.resolve import resolve
from tests.acceptance.conftest import MODEL, Project, right, said
from tests.acceptance.test_automation import OTHER, second_model

Make = Callable[..., Project]
OFF: dict[str, Any] = {"model": MODEL, "phase": "atomic", "allow": False, "reason": "0 of 7"}


def with_other(made: Project, extra: str = "") -> Project:
    """The project has a second model on the same server."""
    made.configure(extra + second_model(made))
    return made


def models_asked(made: Project, *arguments: str) -> set[str]:
    """The models that a plain session asks."""
    before = len(made.server.seen.requests)
    assert made.run("-q", *arguments).ret == 0
    return {request["model"] for request in made.server.seen.requests[before:]}


def test_the_documents_form_of_a_rule_routes(project: Make) -> None:
    made = with_other(project({"rules": right()}))
    rule = {"model": MODEL, "phase": "atomic", "enable_warmup": False, "fallback_model": OTHER, "timestamp": 1771848000}
    text = json.dumps({"version": "1.0", "timestamp": 1771848000.5, "rules": [rule]})
    (made.path / "routing_config.json").write_text(text)
    assert models_asked(made) == {"other"}
    assert resolve(MODEL, "atomic", path=made.path / "routing_config.json").model == OTHER
    assert f"{MODEL} in atomic: {OTHER}" in made.selfopt("resolve", MODEL, "atomic").stdout
    assert (made.path / "routing_config.json").read_text() == text


def test_the_fallback_of_the_phase_completes_a_rule(project: Make) -> None:
    made = with_other(project({"rules": right()}), f'[tool.selfopt.phases.atomic]\nfallback = "{OTHER}"\n')
    made.write_routing([OFF])
    assert models_asked(made) == {"other"}
    (entry,) = read_decisions(made.path / ".selfopt" / "routing_decisions.jsonl")
    assert f"is disabled for atomic; {OTHER}, the fallback of the phase, replaces it (0 of 7)" in entry["reason"]
    with_other(made)
    refused = made.run("-q")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    assert "name a fallback_model in that rule, a fallback of the phase in the settings" in refused.stderr.str()


def test_forcing_a_disabled_model_is_told_and_logged(project: Make) -> None:
    made = with_other(project({"rules": right()}))
    made.write_routing([{**OFF, "fallback_model": OTHER}])
    forced = made.run("-q", "--selfopt-force-model", MODEL)
    told = (
        f"{MODEL} is asked by --selfopt-force-model, over the routing configuration; "
        f"overruled: {MODEL} is disabled for atomic; {OTHER} replaces it (0 of 7)"
    )
    assert told in said(forced)
    (entry,) = read_decisions(made.path / ".selfopt" / "routing_decisions.jsonl")
    assert (entry["kind"], entry["original_model"], entry["effective_model"]) == ("forced", MODEL, MODEL)
    assert entry["reason"] == told


def test_a_broken_rule_does_not_hide_others(project: Make) -> None:
    made = with_other(project({"rules": right()}))
    made.write_routing([{**OFF, "fallback_model": OTHER}, {"model": OTHER, "phase": "atomic", "retries": "two"}])
    routed = made.selfopt("resolve", MODEL, "atomic")
    assert (routed.returncode, routed.stdout.splitlines()[0]) == (4, f"{MODEL} in atomic: {OTHER}")
    assert "rules[1]: 'retries' must be int, not 'two'; its readable rules hold (2)" in routed.stderr
    assert made.run("-q").ret == pytest.ExitCode.USAGE_ERROR
    asked = len(made.server.seen.requests)
    cycle = made.run("--selfopt-cycle", "-k", "hello-0")
    assert "and its readable rules hold (2)" in said(cycle)
    assert {request["model"] for request in made.server.seen.requests[asked:]} == {"other"}
    assert resolve(MODEL, "atomic", path=made.path / "routing_config.json").model == OTHER
