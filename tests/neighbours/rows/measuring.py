"""Plugins that measure a session: coverage, speed, memory; and those that end what takes too long."""

from __future__ import annotations

from tests.neighbours.row import Expected, Mode, Row, Way, refused, true
from tests.neighbours.rows.fixtures import loaded
from tests.neighbours.rows.judging import body

COV, BENCHMARK = ("pytest-cov==7.1.0",), ("pytest-benchmark==5.3.1",)
NO_ITEM = Expected(status=10, cases=())
NONE_MEASURED = Expected(status=5, cases=())
"""It takes only tests that are marked for it."""
REFUSES_XDIST = refused("benchmark")
UNCOVERED = {"uncovered.py": "def never():\n    return 1\n"}
TOO_LITTLE = true(status=1, sentence="Required test coverage of 100% not reached")

ROWS = (
    Row(title="pytest-cov --cov", packages=COV, options=("--cov=.",)),
    Row(
        title="pytest-cov --cov-fail-under=100",
        packages=COV,
        options=("--cov=.", "--cov-fail-under=100"),
        files=UNCOVERED,
        cycle=TOO_LITTLE,
        gate=TOO_LITTLE,
        plain=TOO_LITTLE,
    ),
    Row(
        title="pytest-cov --cov-branch --cov-report=xml",
        packages=COV,
        options=("--cov=.", "--cov-branch", "--cov-report=xml", "--cov-context=test"),
    ),
    Row(
        title="pytest-benchmark --benchmark-only",
        packages=BENCHMARK,
        options=("--benchmark-only",),
        cycle=NO_ITEM,
        gate=NO_ITEM,
        plain=Expected(status=0, cases=()),
        differs=dict.fromkeys(((mode, Way.DISTRIBUTED) for mode in Mode), REFUSES_XDIST),
    ),
    Row(title="pytest-benchmark --benchmark-skip", packages=BENCHMARK, options=("--benchmark-skip",)),
    Row(title="pytest-benchmark --benchmark-disable", packages=BENCHMARK, options=("--benchmark-disable",)),
    Row(
        title="pytest-benchmark fixture",
        packages=BENCHMARK,
        options=("--benchmark-max-time=0.01", "--benchmark-min-rounds=1"),
        body=body("benchmark.pedantic(case.check, (reply,))", uses="benchmark"),
    ),
    loaded("pytest-codspeed==5.0.4"),
    Row(
        title="pytest-codspeed --codspeed",
        packages=("pytest-codspeed==5.0.4",),
        options=("--codspeed",),
        cycle=NONE_MEASURED,
        gate=NONE_MEASURED,
        plain=NONE_MEASURED,
    ),
    loaded("pytest-memray==1.11.0"),
    loaded("pytest-memray==1.11.0", "--memray"),
    loaded("pytest-profiling==1.8.1", "--profile"),
    loaded("pytest-durations==1.10.0"),
    Row(title="pytest-timeout signal", options=("--timeout=50", "--timeout-method=signal")),
    Row(title="pytest-timeout thread", options=("--timeout=50", "--timeout-method=thread")),
    Row(title="pytest-timeout --session-timeout", options=("--session-timeout=50",)),
)
