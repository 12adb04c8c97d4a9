"""Time that is frozen by a test, or set by somebody: the clocks of the harness go on, and decide the same."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from pytest_selfopt.routing.atomic_files import timestamp
from tests.acceptance.conftest import Project, right, said
from tests.ledger_file import open_ledger

FREEZER = """
import sys
import time
import pytest

# What freezegun (each name of a module) and time-machine (also clock_gettime) replace.
NAMES = ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns", "clock_gettime")

@pytest.fixture(autouse=True, scope="session")
def frozen():
    with pytest.MonkeyPatch.context() as patch:
        reals = {id(getattr(time, name)): name for name in NAMES}
        kept = ("threading", "queue", "multiprocessing", "_pytest")
        for module in list(sys.modules.values()):
            if module.__name__.startswith(kept):
                continue
            for name, value in list(vars(module).items()):
                if id(value) in reals:
                    patch.setattr(module, name, lambda *_: 500_000_000)
        yield
"""


def test_frozen_tests_leave_times_and_verdicts(project: Callable[..., Project]) -> None:
    made = project({"rules": right(constrained=True), "latency": 0.01})
    made.configure("[tool.selfopt.gates]\nlatency = 20\n")
    made.pytester.makeconftest(FREEZER)
    before = time.time()
    result = made.run("--selfopt-cycle")
    after = time.time()
    assert result.ret == 0
    assert "PROMOTE" in said(result)
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        calls = ledger.execute("SELECT started, ended, latency_s FROM call").fetchall()
        cycle = ledger.execute("SELECT started, ended FROM cycle").fetchone()
    assert before < cycle[0] < cycle[1] < after
    for started, ended, latency_s in calls:
        assert before < started < ended < after
        assert 0 < latency_s < after - before
    assert timestamp(before) <= made.history()[0]["started"] <= timestamp(after)


JUMP = """
import time
from pytest_selfopt import clock

real, read = clock._seconds, 0

def jumping(which):
    global read
    read += 1
    return real(which) + ({seconds} if read > 400 else 0)

clock._seconds = jumping
"""
HOUR = 3600
YEARS = 9 * 365 * 24 * HOUR


@pytest.mark.parametrize("seconds", [-YEARS, -3 * HOUR, YEARS], ids=["years-back", "hours-back", "years-on"])
def test_a_clock_that_is_set_leaves_no_negative_time(project: Callable[..., Project], seconds: int) -> None:
    made = project({"rules": right(constrained=True), "latency": 0.01})
    made.pytester.makeconftest(JUMP.replace("{seconds}", str(seconds)))
    result = made.run("--selfopt-cycle")
    assert result.ret == 0
    assert "PROMOTE" in said(result)
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        calls = ledger.execute("SELECT ended - started, latency_s, waited_s FROM call").fetchall()
        cycles = ledger.execute("SELECT ended - started FROM cycle").fetchall()
    assert min(min(call) for call in calls) >= 0
    assert min(cycles) > (0,)
    made.pytester.makeconftest("")
    again = made.run("--selfopt-cycle")
    assert again.ret in (0, 10), said(again)
    for command in (("history",), ("profile", "--all"), ("report",)):
        answer = made.selfopt(*command)
        assert (answer.returncode, "Traceback" in answer.stderr) == (0, False), answer
