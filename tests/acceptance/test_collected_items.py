"""What other marks, fixtures and classes make of a benchmark's items."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.acceptance.conftest import CALLS, RESTRAINT, Project, right, said
from tests.acceptance.test_gates import TWO_SPECS

CASES = CALLS + RESTRAINT
PARAMETRIZED = """
import pytest

@pytest.fixture(params={params})
def tenant(request):
    return request.param

@pytest.mark.parametrize("flavour", {flavours})
@pytest.mark.selfopt("items.jsonl")
class TestItems:
    def test_items(self, tenant, case, reply, flavour):
        assert flavour.startswith("f") and tenant == 1
        case.check(reply)
"""
WITHOUT_REPLY = """
import pytest

@pytest.mark.parametrize("flavour", ["f1", "f2"])
@pytest.mark.selfopt("items.jsonl")
def test_items(flavour, case):
    assert case.prompt
"""
IN_A_CLASS = """
import unittest

import pytest

class TestItems(unittest.TestCase):
    @pytest.mark.selfopt("items.jsonl")
    def test_items(self):
        pass
"""
TWICE = """
import pytest

@pytest.mark.selfopt("items.jsonl", phase="extended")
@pytest.mark.selfopt("items.jsonl")
def test_items(case, reply):
    case.check(reply)
"""
OUR_ARGUMENT = """
import pytest

@pytest.mark.parametrize("shade, case", [("dark", 1)])
@pytest.mark.selfopt("items.jsonl")
def test_items(shade, case, reply):
    case.check(reply)
"""


def test_other_parameter_with_one_value_is_harmless(long_project: Callable[..., Project]) -> None:
    made = long_project({"rules": right(constrained=True)})
    made.pytester.makepyfile(test_items=PARAMETRIZED.format(params=[1], flavours=["f"]))
    result = made.run("--selfopt-cycle")
    assert "PROMOTE atomic: schema, 36 of 36 answers right instead of 9 of 36" in said(result)


UNPRINTABLE = """
import pytest

class Unprintable:
    def __repr__(self):
        raise RuntimeError

NESTED = []
for _ in range(100_000):
    NESTED = [NESTED]

@pytest.mark.parametrize("value", [Unprintable(), float("nan"), lambda: 1, NESTED, "x" * 100_000])
@pytest.mark.selfopt("items.jsonl")
def test_items(value, case, reply):
    case.check(reply)
"""
MANY = UNPRINTABLE.replace('[Unprintable(), float("nan"), lambda: 1, NESTED, "x" * 100_000]', "range(20_000)")


def test_values_of_any_kind_are_told_briefly(project: Callable[..., Project]) -> None:
    made = project()
    made.pytester.makepyfile(test_items=UNPRINTABLE)
    result = made.run("--selfopt-cycle")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "each trial has 5 items ('value' has the values <Unprintable instance at" in said_of(result)
    assert len(said_of(result)) < 1_000


def test_twenty_thousand_values_are_refused_early(project: Callable[..., Project]) -> None:
    made = project()
    made.pytester.makepyfile(test_items=MANY)
    result = made.run("--selfopt-cycle", "-k", "nothing")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "its parameters have 20,000 values, which would make" in said_of(result)


def test_items_that_take_much_memory_are_announced(long_project: Callable[..., Project]) -> None:
    made = long_project()
    made.pytester.makeconftest("from pytest_selfopt.session import collection\n\ncollection._MANY_TRIALS = 100\n")
    result = made.run("--selfopt-cycle", "--selfopt-dry-run")
    assert "test_items.py::test_items has 624 trials; pytest keeps an item for each" in said(result)
    assert result.stdout.str().index("pytest keeps an item") < result.stdout.str().index("dry run")


def said_of(result: pytest.RunResult) -> str:
    return " ".join(result.stderr.str().split())


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_several_items_for_a_trial_are_refused(project: Callable[..., Project], workers: str) -> None:
    made = project({"rules": right(constrained=True)})
    made.configure(TWO_SPECS)
    made.pytester.makepyfile(test_items=PARAMETRIZED.format(params=[1], flavours=["f1", "f2", "f3", "f4"]))
    result = made.run("--selfopt-cycle", workers)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "each trial has 4 items ('flavour' has the values 'f1', 'f2', 'f3' and 1 more)" in result.stderr.str()
    assert "tenant" not in result.stderr.str()
    assert made.server.seen.asked == 0
    selected = made.run("--selfopt-cycle", "-k", "f2", workers)
    assert "PROMOTE atomic: schema" in said(selected)


def test_plain_items_of_a_trial_share_its_reply(project: Callable[..., Project]) -> None:
    made = project({"rules": right()})
    made.pytester.makepyfile(test_items=PARAMETRIZED.format(params=[1], flavours=["f1", "f2"]))
    assert made.run().parseoutcomes() == {"passed": 2 * CASES}
    assert made.server.seen.asked == CASES
    made.pytester.makepyfile(test_items=WITHOUT_REPLY)
    assert made.run().parseoutcomes() == {"passed": 2 * CASES}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (IN_A_CLASS, "TestItems::test_items: a method of a unittest.TestCase takes no case and no reply"),
        (TWICE, "test_items: the marker selfopt stands twice, but a test asks one suite"),
        (OUR_ARGUMENT, "test_items: 'case' is an argument of benchmarks, which the suite fills"),
    ],
)
def test_wrong_use_of_marker_is_refused(project: Callable[..., Project], body: str, sentence: str) -> None:
    made = project()
    made.pytester.makepyfile(test_items=body)
    for arguments in ((), ("--selfopt-cycle", "-n2")):
        result = made.run(*arguments)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        assert sentence in result.stderr.str()
    assert made.server.seen.asked == 0


def test_looponfail_is_refused_where_it_costs(project: Callable[..., Project]) -> None:
    made = project()
    result = made.run("--selfopt-gate", "--looponfail")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--looponfail runs failed tests again until they pass" in result.stderr.str()


def test_plugins_of_pytest_may_be_switched_off(project: Callable[..., Project]) -> None:
    made = project({"rules": right(constrained=True)})
    names = "setuponly setupplan skipping junitxml warnings logging capture faulthandler stepwise pastebin debugging"
    names += " assertion unraisableexception threadexception tmpdir monkeypatch legacypath doctest unittest"
    without = [f"-pno:{name}" for name in names.split()]
    assert made.run(*without).parseoutcomes() == {"failed": CALLS, "passed": RESTRAINT}
    assert "PROMOTE atomic: schema" in said(made.run("--selfopt-cycle", "-n2", *without))
    silent = made.run("--selfopt-cycle", "-pno:terminal", "-pno:reports", *without)
    assert (silent.ret, silent.stdout.str()) == (0, "")


SEES_ITEMS = """
import pytest

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item):
    with open("seen.txt", "a") as file:
        print(item.nodeid, file=file)
    return (yield)

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.failed:
        with open("reprs.txt", "a") as file:
            print(report.longrepr, file=file)
    return report

def pytest_runtest_logreport(report):
    if report.failed:
        crash = report.longrepr.reprcrash
        assert crash.message.startswith("expected a call of look_up")
        assert str(report.longrepr) == f"{crash.path}:{crash.lineno}: {crash.message}"

def pytest_exception_interact(report):
    assert report.longrepr.chain[0][0].reprentries[0].reprfileloc.path == "items.jsonl"
"""


@pytest.mark.parametrize("workers", ["-n0", "-n2"])
def test_plugins_see_only_items_that_run(project: Callable[..., Project], workers: str) -> None:
    made = project({"rules": right(constrained=True)})
    made.pytester.makepyfile(watcher=SEES_ITEMS)
    result = made.run("--selfopt-cycle", "-p", "watcher", workers)
    assert result.ret == 0
    seen = (made.path / "seen.txt").read_text().splitlines()
    assert len(seen) == len(set(seen)) == (4 + 2 * 3) * CASES, "of 624 items, the race has stopped the others"
    lines = (made.path / "reprs.txt").read_text().splitlines()
    assert len(lines) == (3 + 1) * CALLS
    assert lines[0].startswith("items.jsonl:"), "one line, for plugins that see it before ours, too"
