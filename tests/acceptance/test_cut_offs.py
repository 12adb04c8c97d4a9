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
    print(result.stdout.str())
    assert result.ret == 0
    assert (
        "diagnosis: cut off: 15 of 36 answers ended at the limit of 64 tokens, "
        "15 of them before a word was said; raise max"
    ) in said(result)
    assert f"on trial: more_tokens for {MODEL} in atomic" in said(result)
    assert f"confirmed more_tokens for {MODEL} in atomic: PROMOTE atomic: fixed" in said(result)
    assert "of them had not come at all" in said(result)
    (rule,) = made.routing()["rules"]
    assert (rule["status"], rule["sampling"]["max_tokens"]) == ("confirmed", 256)
    assert made.history()[-1]["baseline_after"] == BASELINE + NEEDED
