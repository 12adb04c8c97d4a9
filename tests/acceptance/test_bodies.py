"""Bodies that judge in another way than one assertion: async, subtests, and what judges nothing."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Callable

import pytest

from tests.acceptance.conftest import BODY, Project, right, said
from tests.acceptance.test_gates import TWO_SPECS
from tests.ledger_file import open_ledger

WAYS = [pytest.param((), id="serial"), pytest.param(("-n2",), id="xdist")]


def outcomes(made: Project) -> Counter[tuple[str, str | None]]:
    """How often the ledger has each outcome and kind of error."""
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        return Counter(ledger.execute("SELECT outcome, error_kind FROM call WHERE purpose = 'trial'").fetchall())


@pytest.mark.parametrize("way", WAYS)
def test_async_body_without_plugin_is_refused(project: Callable[..., Project], way: tuple[str, ...]) -> None:
    made = project()
    made.pytester.makepyfile(test_items=BODY.replace("def test", "async def test"))
    result = made.run("--selfopt-cycle", "-p", "no:anyio", *way)
    assert result.ret == 4
    expected = "test_items.py::test_items: no plugin runs this async test, so it would judge nothing; install"
    assert expected in " ".join(result.stderr.str().split())
    assert not made.server.seen.asked


@pytest.mark.parametrize("way", WAYS)
def test_async_body_of_plugin_judges(long_project: Callable[..., Project], way: tuple[str, ...]) -> None:
    made = long_project({"rules": right()[:5]})
    made.configure(TWO_SPECS)
    backend = "import pytest\n\n@pytest.fixture\ndef anyio_backend(): return 'asyncio'\n"
    made.pytester.makeconftest(backend)
    body = BODY.replace("def test", "@pytest.mark.anyio\nasync def test")
    made.pytester.makepyfile(test_items=body)
    made.run("--selfopt-cycle", "--selfopt-no-race", *way)
    found = outcomes(made)
    assert found["miss", None] / found["pass", None] == 4 / 8
    assert len(found) == 2


def test_awaitable_is_no_wrong_answer(project: Callable[..., Project]) -> None:
    made = project({"rules": right()})
    made.configure(TWO_SPECS)
    body = BODY.replace("case.check(reply)", "return later()")
    made.pytester.makepyfile(test_items=f"{body}\nasync def later(): ...\n")
    assert made.run("--selfopt-cycle").ret == 1
    assert set(outcomes(made)) == {("error", "test")}


def test_returned_value_is_no_judgement(project: Callable[..., Project]) -> None:
    made = project({"rules": right()})
    made.configure(TWO_SPECS)
    made.pytester.makepyfile(test_items=BODY.replace("case.check(reply)", "return bool(reply.tool_calls)"))
    result = made.run("--selfopt-cycle")
    assert result.ret == 1
    assert "Did you mean to use `assert` instead of `return`?" in said(result)
    assert set(outcomes(made)) == {("error", "test")}


SUBTESTS = """
import pytest

@pytest.mark.selfopt("items.jsonl")
def test_items(case, reply, subtests):
    with subtests.test("first"):
        assert reply
    with subtests.test("second"):
        case.check(reply)
    with subtests.test("third"):
        if case.id == "item-1":
            raise RuntimeError("broken")
    if case.id == "item-2":
        raise ValueError("late")
    with subtests.test("fourth"):
        pytest.skip("not today")
"""


@pytest.mark.parametrize("way", WAYS)
def test_trial_is_that_of_all_subtests(long_project: Callable[..., Project], way: tuple[str, ...]) -> None:
    made = long_project({"rules": right()[:5]})
    made.configure(TWO_SPECS)
    made.pytester.makepyfile(test_items=SUBTESTS)
    result = made.run("--selfopt-cycle", "--selfopt-no-race", "--junitxml=junit.xml", *way)
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        found = ledger.execute('SELECT DISTINCT "case", outcome, error_kind, reason FROM call').fetchall()
    told = {case.rpartition("/")[2]: (outcome, kind) for case, outcome, kind, _ in found}
    assert told["item-0"] == ("pass", None)
    assert told["item-1"] == told["item-2"] == ("error", "test")
    assert told["item-7"] == ("miss", None)
    assert "twice" not in said(result)
    assert "SUBFAILED" not in said(result)
    assert "RuntimeError: broken" in said(result)
    assert result.ret == 1
    cases = ET.parse(made.path / "junit.xml").findall(".//testcase[@classname='test_items']")
    properties = [{one.get("name"): one.get("value") for one in case.iter("property")} for case in cases]
    assert len(cases) == len({(one["selfopt.case"], one["selfopt.spec"], one["selfopt.run"]) for one in properties})
    failures = Counter(len(case.findall("failure")) for case in cases)
    assert set(failures) == {0, 1}


COVERAGE = """
import pytest

@pytest.hookimpl(wrapper=True)
def pytest_runtestloop(session):
    result = yield
    session.testsfailed += 1
    return result
"""


@pytest.mark.parametrize("way", WAYS)
def test_verdict_hides_no_failure_of_plugins(project: Callable[..., Project], way: tuple[str, ...]) -> None:
    made = project({"rules": right(constrained=True)})
    made.configure(TWO_SPECS)
    made.pytester.makeconftest(COVERAGE)
    result = made.run("--selfopt-cycle", *way)
    assert "PROMOTE" in said(result)
    assert result.ret == 1


def test_verdict_hides_no_status_of_plugins(project: Callable[..., Project]) -> None:
    made = project({"rules": right(constrained=True)})
    made.configure(TWO_SPECS)
    body = BODY.replace("case.check", "import warnings; warnings.warn('old'); case.check")
    made.pytester.makepyfile(test_items=body)
    result = made.run("--selfopt-cycle", "--max-warnings=0")
    assert "PROMOTE" in said(result)
    assert result.ret == 6


STRICT = """
import pytest

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call" and "item-3-run1" in item.nodeid:
        report.outcome = "failed"
        report.longrepr = "no resources left"
    return report
"""


def test_verdict_hides_no_failed_right_answer(project: Callable[..., Project]) -> None:
    made = project({"rules": right()})
    made.configure(TWO_SPECS)
    made.pytester.makeconftest(STRICT)
    result = made.run("--selfopt-cycle", "--selfopt-no-race")
    assert "no resources left" in said(result)
    assert result.ret == 1
    assert set(outcomes(made)) == {("pass", None)}
