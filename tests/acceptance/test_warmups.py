"""Warm-ups as candidates: in turns from cold starts, or not at all."""

from __future__ import annotations

from collections.abc import Callable

from tests.acceptance.conftest import BASELINE, CALLS, LONG_CASES, RESTRAINT, Project, said
from tests.acceptance.test_rules import cold_for, with_ollama

Make = Callable[..., Project]
CASES = CALLS + RESTRAINT
SPACE = "[tool.selfopt.search]\nexhaustive = true\nretries = []\ntimeouts = []\nisolation = []\n"


def test_an_untried_warm_up_is_promoted(long_project: Make) -> None:
    made = with_ollama(long_project(cold_for(2 * LONG_CASES)), extra=f"{SPACE}variants = []\n")
    result = made.run("--selfopt-cycle")
    assert "candidate: warm-up off → on (untried) 12 prompts, 6 to 18 passes" in said(result)
    assert "asked in blocks of 3 passes, each from a cold start" in said(result)
    assert "PROMOTE warm-up off→on: fixed 24 answers, broke 0 in 3 passes" in said(result)
    assert "Gain +0.667" in said(result)
    assert made.routing()["rules"][0]["enable_warmup"] is True
    assert result.ret == 0


def test_a_warm_up_that_cannot_show_is_not_compared(project: Make) -> None:
    made = project(cold_for(2 * CASES, "first"))
    made.configure(f"{SPACE}variants = []\n")
    result = made.run("--selfopt-cycle")
    assert "no other warm-up is compared, because it shows only from a cold start: this server cannot be" in said(
        result
    )
    assert "plateau: nothing untried is left around the configuration in force" in said(result)
    (entry,) = made.history()
    assert list(entry["metrics"]) == [BASELINE]
