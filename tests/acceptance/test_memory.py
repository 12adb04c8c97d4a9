"""What `session/memory.py` does inside pytest takes effect in the pytest that is installed, and changes no outcome."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from pytest_selfopt.session.memory import KEEP_ITEMS
from tests.acceptance.conftest import CALLS, RESTRAINT, Project, right
from tests.acceptance.test_calls import ONLY_BASELINE

Make = Callable[..., Project]
CASES = CALLS + RESTRAINT
ASKED = 3 * CASES
"""Trials of a cycle whose only spec goes through the fewest passes."""

COUNTING = """
import gc, json, pathlib, pytest

tracebacks = []
getrepr = pytest.ExceptionInfo.getrepr

def counted(*arguments, **named):
    tracebacks.append(1)
    return getrepr(*arguments, **named)

pytest.ExceptionInfo.getrepr = counted

@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session):
    if hasattr(session.config, "workerinput"):
        return
    kept = session.config.pluginmanager.get_plugin("terminalreporter").stats
    passed = kept.get("passed", [])
    counts = {
        "items": len(session.items),
        "items with parameters": sum(hasattr(item, "callspec") for item in session.items),
        "parameters in memory": sum(type(one).__name__.startswith("CallSpec") for one in gc.get_objects()),
        "reports without a category": len(kept.get("", [])),
        "reports of answers": len(passed),
        "keywords of their own": len({id(report.keywords) for report in passed}),
        "tracebacks": len(tracebacks),
    }
    pathlib.Path("counts.json").write_text(json.dumps(counts))
"""


@pytest.fixture
def counting(project: Make) -> Project:
    """A project whose sessions count what they keep; one question is answered wrongly."""
    made = project({"rules": right()[1:]})
    made.configure(ONLY_BASELINE)
    made.pytester.makeconftest(COUNTING)
    return made


def counts_of(made: Project) -> dict[str, int]:
    made.run("--selfopt-cycle")
    counts: dict[str, int] = json.loads((made.path / "counts.json").read_text())
    return counts


def test_finished_items_and_reports_are_small(counting: Project) -> None:
    counts = counts_of(counting)
    assert counts == {
        "items": counts["items"],
        # Which item is the last is known only when the next one begins.
        "items with parameters": 1,
        "parameters in memory": 1,
        "reports without a category": 0,
        "reports of answers": ASKED - 3,
        "keywords of their own": 1,
        "tracebacks": 0,
    }


def test_items_and_reports_can_be_kept(counting: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEEP_ITEMS, "1")
    counts = counts_of(counting)
    assert counts["items"] >= ASKED
    assert counts == {
        "items": counts["items"],
        "items with parameters": counts["items"],
        "parameters in memory": counts["items"],
        "reports without a category": 2 * ASKED,
        "reports of answers": ASKED - 3,
        "keywords of their own": ASKED - 3,
        "tracebacks": 0,
    }


def test_tracebacks_that_somebody_reads_are_made(counting: Project) -> None:
    counting.run().assert_outcomes(passed=CASES - 1, failed=1)
    assert json.loads((counting.path / "counts.json").read_text())["tracebacks"] == 1


def outcomes(made: Project, way: str) -> dict[str, Any]:
    """What a cycle came to, but for what it took."""
    for path in (made.path / "routing_config.json", *(made.path / ".selfopt").glob("*")):
        if path.is_file():
            path.unlink()
    seed = ("--selfopt-seed", "7")
    result = made.run("--selfopt-cycle", way, *seed, "--selfopt-json=outcome.json", "--junitxml=junit.xml")
    (phase,) = json.loads((made.path / "outcome.json").read_text())["phases"]
    answers = [[{**case, "seconds": None} for case in spec["cases"]] for spec in phase["specs"]]
    return {
        "status": result.ret,
        "counted": {name: number for name, number in result.parseoutcomes().items() if name != "seconds"},
        "verdicts": [(spec["spec"], spec["verdict"], spec["sentence"]) for spec in phase["specs"]],
        "answers": answers,
        "tests": read_junit(made.path / "junit.xml"),
        "rules": made.routing()["rules"][0]["variant"],
    }


def read_junit(report: Path) -> list[tuple[str, list[str]]]:
    """The tests of a JUnit report with what is said of each."""
    cases = ET.parse(report).getroot().iter("testcase")
    return sorted((str(case.get("name")), [child.tag for child in case]) for case in cases)


@pytest.mark.parametrize("way", ["-n0", "-n2"])
def test_outcomes_do_not_depend_on_what_is_kept(project: Make, monkeypatch: pytest.MonkeyPatch, way: str) -> None:
    made = project({"rules": right(constrained=True)})
    small = outcomes(made, way)
    monkeypatch.setenv(KEEP_ITEMS, "1")
    assert outcomes(made, way) == small


@pytest.mark.parametrize("durations", ["--durations=0", "--durations=500"])
def test_durations_include_set_up_and_teardown(project: Make, durations: str) -> None:
    made = project({"rules": right(constrained=True)})
    result = made.run("--selfopt-cycle", durations, "--durations-min=0", "-vv")
    phases = Counter(line.split()[1] for line in result.outlines if re.match(r"\d+\.\d+s (setup|call|teardown) ", line))
    assert phases["setup"] == phases["teardown"] == phases["call"] > 0
