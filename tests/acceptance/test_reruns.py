"""Plugins that run an item again, or in a process of its own: a cycle refuses them, and plain sessions bear them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.acceptance.conftest import BODY, WITHOUT, Project, said

Make = Callable[..., Project]
WithPackage = Callable[[str], None]
WAYS = [(), ("-n2",)]
MARKED = "@pytest.mark.selfopt"
AGAIN = """
from _pytest.runner import runtestprotocol

def pytest_runtest_protocol(item, nextitem):
    for _ in range(2):
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    return True
"""
AT_A_TIME = """
import threading

def pytest_runtestloop(session):
    run = lambda item: item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
    threads = [threading.Thread(target=run, args=[item]) for item in session.items]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    return True
"""
BACKWARDS = """
def pytest_runtestloop(session):
    for item in reversed(session.items):
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
    return True
"""
IN_A_CHILD = """
import os

def pytest_runtestloop(session):
    if child := os.fork():
        os.waitpid(child, 0)
        return True
    for item in session.items:
        item.ihook.pytest_runtest_protocol(item=item, nextitem=None)
    os._exit(0)

def pytest_runtest_logreport(report):
    if report.failed:
        os.write(2, report.longreprtext.encode())
"""


def refused(project: Project, *arguments: str) -> str:
    """What a cycle says that is refused before it makes a call."""
    result = project.run("--selfopt-cycle", *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR, said(result)
    assert project.server.seen.asked == 0
    return " ".join(result.stderr.str().split())


@pytest.mark.parametrize("way", WAYS)
def test_rerunning_until_passed_is_refused(long_project: Make, with_package: WithPackage, way: tuple[str, ...]) -> None:
    with_package("pytest-rerunfailures==16.7")
    made = long_project()
    problem = refused(made, "--reruns=2", *way)
    assert problem.startswith("ERROR: pytest-rerunfailures (--reruns) would run a test more than once")
    assert "give -o reruns= as well" in refused(made, "-o", "reruns=2", *way)
    made.pytester.makepyfile(test_items=BODY.replace(MARKED, f"@pytest.mark.flaky\n{MARKED}"))
    assert "remove the marker flaky, or give -p no:rerunfailures" in refused(made, *way)
    plain = made.run("--reruns=2", "-k", "item-3 or hello", *way)
    assert plain.ret == 1
    assert "1 failed, 3 passed" in said(plain)
    assert "1 rerun" in said(plain)
    assert "no longer kept" not in said(plain)
    assert made.server.seen.asked == 4


def test_decorator_of_flaky_is_refused(project: Make, with_package: WithPackage) -> None:
    with_package("flaky==3.8.1")
    made = project()
    assert "flaky (--force-flaky) would run" in refused(made, "--force-flaky")
    made.pytester.makepyfile(test_items="import flaky\n" + BODY.replace(MARKED, f"@flaky.flaky\n{MARKED}"))
    assert "flaky (its decorator @flaky)" in refused(made)


def test_bodies_in_a_debugger_are_refused(project: Make) -> None:
    assert "pytest (--trace) opens a debugger in each test" in refused(project(), "--trace")


@pytest.mark.parametrize("way", WAYS)
def test_second_run_ends_a_cycle(project: Make, way: tuple[str, ...]) -> None:
    made = project()
    made.pytester.makeconftest(AGAIN)
    result = made.run("--selfopt-cycle", *way)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "another plugin runs this item a second time" in said(result) + " ".join(result.stderr.str().split())
    assert "no decision: the session was interrupted" in said(result)
    assert not (made.path / "routing_config.json").exists()
    assert made.run(*way).ret == 1


def test_passes_in_another_order_are_not_awaited(project: Make) -> None:
    made = project()
    made.pytester.makeconftest(BACKWARDS)
    # Each of its passes waits for a decision on the one before.
    made.pytester.makepyfile(test_items=BODY.replace('"items.jsonl"', '"items.jsonl", phase="extended"'))
    result = made.run("--selfopt-cycle")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "another plugin runs items in its own way or order" in said(result)
    assert "right:" not in said(result)


def test_items_run_by_each_worker_share_a_reply(long_project: Make) -> None:
    made = long_project()
    result = made.run("-n2", "--dist=each", "-k", "item-3 or hello")
    assert "2 failed, 6 passed" in said(result)
    assert "no longer kept" not in said(result)
    assert made.server.seen.asked == 4


def test_items_run_at_a_time_get_no_reply(project: Make) -> None:
    made = project()
    made.pytester.makeconftest(AT_A_TIME)
    result = made.run("-p", "no:timeout")
    assert result.ret == 1
    assert "another plugin runs several items at a time" in said(result)


def test_items_in_a_child_get_no_reply(project: Make) -> None:
    made = project()
    made.pytester.makeconftest(IN_A_CHILD)
    assert "another plugin runs this item in a child process" in made.run().stderr.str()


@pytest.mark.parametrize("way", WAYS)
def test_forked_items_get_their_replies(
    long_project: Make, with_package: WithPackage, monkeypatch: pytest.MonkeyPatch, way: tuple[str, ...]
) -> None:
    # pytest-forked 1.7.5 cannot send reports of pytest 9.2 to its parent.
    with_package("pytest==8.4.2")
    with_package("pytest-forked==1.7.5")
    made = long_project()
    result = made.pytester.runpytest_subprocess(*WITHOUT, "--forked", "-k", "item-3 or hello", *way, timeout=60)
    result.assert_outcomes(passed=3, failed=1)
    assert made.server.seen.asked == 4
