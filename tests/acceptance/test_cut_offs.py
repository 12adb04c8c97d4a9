"""Answers that end at their limit of tokens: diagnosed, raised on trial or as a candidate, and never taken for misses."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from pytest_selfopt.routing.resolve import resolve
from tests.acceptance.conftest import BASELINE, CALLS, MODEL, RESTRAINT, Project, right, said, selfopt

Make = Callable[..., Project]
CASES = CALLS + RESTRAINT
THINKS = 5
"""The items that take long thoughts."""
NOTHING_ELSE = """
[tool.selfopt.search]
variants = []
warmup = []
isolation = []
retries = []
timeouts = []
"""
NEEDED = "/max256"


def cut_off(tokens: int = 256, **when: Any) -> list[dict[str, Any]]:
    """Rules by which answers of the first items need this many tokens, and are thoughts alone below it."""
    return [
        {"when": {"prompt": f"item {index}.", "max_tokens_below": tokens, **when}, "then": {"finish": "length"}}
        for index in range(THINKS)
    ]


def thinking(project: Make, extra: str = NOTHING_ELSE, tokens: int = 256) -> Project:
    """A project whose model may use 64 tokens, which is too few."""
    made = project({"rules": [*cut_off(tokens), *right()], "default": {"text": "Hello!"}})
    made.configure(f"max_tokens = 64\n{extra}")
    return made


def test_one_command_confirms_more_tokens(project: Make) -> None:
    made = thinking(project)
    result = made.run("--selfopt-cycle")
    assert result.ret == 0
    assert (
        "diagnosis: cut off: 15 of 36 answers ended at the limit of 64 tokens, "
        "all of them before a word was said; raise max"
    ) in said(result)
    assert f"on trial: more_tokens for {MODEL} in atomic" in said(result)
    assert f"confirmed more_tokens for {MODEL} in atomic: PROMOTE atomic: fixed" in said(result)
    assert "of them had not come at all" in said(result)
    (rule,) = made.routing()["rules"]
    assert (rule["status"], rule["sampling"]["max_tokens"]) == ("confirmed", 256)
    assert made.history()[-1]["baseline_after"] == BASELINE + NEEDED


def test_a_held_trial_goes_on_once(project: Make) -> None:
    """One prompt in seven passes is short of the odds; the next cycle goes on with it, beside other candidates."""
    made = thinking(project, "")
    made.server.play({"rules": [*cut_off()[:1], *right()], "default": {"text": "Hello!"}})
    first = made.run("--selfopt-cycle", "--selfopt-no-race", "--selfopt-candidates", "2")
    assert "HOLD max_tokens default→256: fixed 7 answers (7 of them had not come at all)" in said(first)
    assert made.routing()["rules"][0]["status"] == "trial"
    assert resolve(MODEL, "atomic", path=made.path / "routing_config.json").sampling == {"max_tokens": 256}
    second = made.run("--selfopt-cycle", "--selfopt-candidates", "2")
    assert said(second).count("candidate: max_tokens default → 256") == 1
    assert f"confirmed more_tokens for {MODEL} in atomic: PROMOTE atomic: fixed" in said(second)
    (rule,) = made.routing()["rules"]
    assert (rule["status"], rule["sampling"]["max_tokens"]) == ("confirmed", 256)
