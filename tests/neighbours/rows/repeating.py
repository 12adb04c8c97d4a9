"""Plugins that run an item again: an answer may be asked twice in no cycle, and in plain sessions it stays the same."""

from __future__ import annotations

from tests.neighbours.row import BODY, Expected, Row, refused

RERUNFAILURES, FLAKY, RETRY = ("pytest-rerunfailures==16.7",), ("flaky==3.8.1",), ("pytest-retry==1.7.0",)
REPEAT, FLAKEFINDER = ("pytest-repeat==0.9.4",), ("pytest-flakefinder==1.1.0",)
TWICE = Expected(status=1, repeats=2)
SECOND_TIME = """
import pytest

seen = set()

@pytest.mark.selfopt("items.jsonl")
def test_items(case, reply):
    if case.id not in seen:
        seen.add(case.id)
        pytest.fail("only the first time")
    case.check(reply)
"""
"""Judges an answer only the second time that it is asked to."""


def marked(mark: str, body: str = BODY, imported: str = "") -> str:
    """Return a body with another decorator."""
    return imported + body.replace("@pytest.mark.selfopt", f"@{mark}\n@pytest.mark.selfopt")


def again(title: str, packages: tuple[str, ...], sentence: str, *options: str, body: str = BODY, ini: str = "") -> Row:
    """Return a row of something that runs failed items again."""
    no = refused(sentence)
    return Row(title=title, packages=packages, options=options, body=body, ini=ini, cycle=no, gate=no)


def more(title: str, packages: tuple[str, ...], sentence: str, *options: str, body: str = BODY) -> Row:
    """Return a row of something that makes two items of one."""
    no = refused(sentence)
    return Row(title=title, packages=packages, options=options, body=body, cycle=no, gate=no, plain=TWICE)


ROWS = (
    again("pytest-rerunfailures --reruns", RERUNFAILURES, "--reruns", "--reruns=2"),
    again("pytest-rerunfailures ini", RERUNFAILURES, "reruns", ini="reruns = 2"),
    again("pytest-rerunfailures mark", RERUNFAILURES, "flaky", body=marked("pytest.mark.flaky(reruns=2)")),
    Row(title="pytest-rerunfailures unused", packages=RERUNFAILURES),
    again("flaky mark", FLAKY, "flaky", body=marked("flaky(max_runs=3)", imported="from flaky import flaky\n")),
    again("flaky --force-flaky", FLAKY, "--force-flaky", "--force-flaky", "--max-runs=3"),
    Row(
        title="flaky --force-flaky, right the second time",
        packages=FLAKY,
        options=("--force-flaky", "--max-runs=3"),
        body=SECOND_TIME,
        cycle=refused("--force-flaky"),
        gate=refused("--force-flaky"),
    ),
    again("pytest-retry --retries", RETRY, "--retries", "--retries=2"),
    again("pytest-retry mark", RETRY, "flaky", body=marked("pytest.mark.flaky(retries=2)")),
    more("pytest-repeat --count", REPEAT, "", "--count=2"),
    more("pytest-repeat mark", REPEAT, "repeat", body=marked("pytest.mark.repeat(2)")),
    more("pytest-flakefinder", FLAKEFINDER, "", "--flake-finder", "--flake-runs=2"),
)
