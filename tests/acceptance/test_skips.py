"""Items that marks skip, that tests skip themselves, and that are expected to fail."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.acceptance.conftest import CALLS, LONG_CASES, RESTRAINT, Project, right, said

SKIPPED_PHASE = """
import os
import unittest

import pytest

@pytest.mark.skipif("os.sep in ('/', os.sep)", reason="no model for it yet")
@pytest.mark.selfopt("items.jsonl", phase="extended")
def test_extended(case, reply):
    case.check(reply)

@unittest.skip("never")
@pytest.mark.selfopt("items.jsonl", phase="never")
def test_never(case, reply):
    case.check(reply)

@pytest.mark.selfopt("items.jsonl")
def test_items(case, reply):
    case.check(reply)
"""
SKIPS_SLOW = """
import pytest

def pytest_collection_modifyitems(items):
    for item in items:
        if "item-1" in item.nodeid:
            item.add_marker(pytest.mark.skip(reason="slow"))
        if "item-2" in item.nodeid:
            item.add_marker(pytest.mark.xfail(reason="crashes", run=False))
"""
ALL_SKIPPED = """
import pytest

pytestmark = pytest.mark.skip(reason="later")

@pytest.mark.selfopt("items.jsonl")
def test_items(case, reply):
    case.check(reply)
"""
WRONG_CONDITION = """
import pytest

@pytest.mark.skipif("no_such_name", reason="later")
@pytest.mark.selfopt("items.jsonl")
def test_items(case, reply):
    case.check(reply)
"""
SKIPS_ITSELF = """
import pytest

@pytest.fixture(autouse=True)
def available(case):
    if case.id == "item-1":
        pytest.skip("not here")

@pytest.mark.xfail(reason="known")
@pytest.mark.selfopt("items.jsonl")
def test_items(case, reply):
    case.check(reply)
"""
CASES = CALLS + RESTRAINT


def test_phase_skipped_whole_is_not_measured(long_project: Callable[..., Project]) -> None:
    made = long_project({"rules": right(constrained=True)})
    made.pytester.makepyfile(test_items=SKIPPED_PHASE)
    result = made.run("--selfopt-cycle")
    shown = said(result)
    assert result.ret == 0
    assert "PROMOTE atomic: schema" in shown
    assert "test_items.py::test_extended: 624 trials are skipped by a mark (no model for it yet) and not asked" in shown
    assert "test_never: 624 trials are skipped by a mark (never)" in shown
    assert made.server.seen.asked == (4 + 2 * 3) * LONG_CASES


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_skipped_items_make_selection_partial(project: Callable[..., Project], workers: str) -> None:
    made = project()
    made.pytester.makeconftest(SKIPS_SLOW)
    result = made.run("--selfopt-cycle", workers)
    assert result.ret == 10
    shown = said(result)
    assert "test_items.py::test_items: 52 trials are skipped by a mark (slow) and not asked" in shown
    assert "52 trials are skipped by a mark (not run, expected to fail: crashes) and not asked" in shown
    assert "only some trials are selected: they are recorded, nothing is decided" in shown
    assert "no decision: only some of the planned trials were selected" in shown
    assert "or skip marks decides" in shown
    assert made.server.seen.asked == 4 * (CASES - 2)
    assert result.parseoutcomes()["skipped"] == 52
    assert result.parseoutcomes()["xfailed"] == 52


def test_session_without_unskipped_items_decides_nothing(project: Callable[..., Project]) -> None:
    made = project()
    made.pytester.makepyfile(test_items=ALL_SKIPPED)
    plain = made.run()
    assert (plain.ret, plain.parseoutcomes()) == (0, {"skipped": CASES})
    for workers in ("-n0", "-n2"):
        judged = made.run("--selfopt-cycle", workers)
        assert judged.ret == 10
        assert "no decision: marks skip every selected trial, so no model was asked" in said(judged)
    assert made.server.seen.asked == 0
    without = made.run("-p", "no:skipping", "-o", "markers=skip")
    assert without.parseoutcomes()["failed"] == CALLS, "without its plugin, pytest skips nothing, and neither do we"


def test_mark_that_cannot_be_evaluated_is_refused(project: Callable[..., Project]) -> None:
    made = project()
    made.pytester.makepyfile(test_items=WRONG_CONDITION)
    assert made.run().parseoutcomes() == {"errors": CASES}
    result = made.run("--selfopt-cycle")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "test_items.py::test_items: a skip mark cannot be evaluated" in result.stderr.str()
    assert made.server.seen.asked == 0


def test_trials_of_expected_failures_are_judged(long_project: Callable[..., Project]) -> None:
    made = long_project({"rules": right(constrained=True)})
    made.pytester.makepyfile(test_items=SKIPS_ITSELF)
    result = made.run("--selfopt-cycle")
    assert result.ret == 10
    assert "12 trials were skipped by their test, after they were asked (not here)" in said(result)
    assert "12 planned trials never arrived" in said(result), "a miss that is marked xfail arrives"
    assert result.parseoutcomes() == {"xfailed": 48, "xpassed": 84, "skipped": 12}
