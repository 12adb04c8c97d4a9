"""Fixtures of a project that take the reply or other arguments of a benchmark."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.acceptance.conftest import BODY, Project, right
from tests.acceptance.test_bodies import WAYS, outcomes
from tests.acceptance.test_gates import TWO_SPECS

FIXTURES = """
import pytest

@pytest.fixture
def answer(reply, run):
    assert run >= 0
    return reply

@pytest.fixture
def judged(case, answer):
    return lambda: case.check(answer)

@pytest.mark.selfopt("items.jsonl")
def test_items(judged):
    judged()
"""

BY_REQUEST = """
import pytest

@pytest.fixture
def answer(request):
    return request.getfixturevalue("reply")

@pytest.mark.selfopt("items.jsonl")
def test_items(case, answer, request):
    assert request.getfixturevalue("reply") is answer
    case.check(answer)
"""
IN_BODY = """
import pytest

@pytest.fixture
def answer(reply):
    return reply

@pytest.mark.selfopt("items.jsonl")
def test_items(case, request):
    case.check(request.getfixturevalue("answer"))
"""


@pytest.mark.parametrize("body", [BY_REQUEST, IN_BODY])
def test_reply_is_taken_by_request(project: Callable[..., Project], body: str) -> None:
    made = project({"rules": right()[:5]})
    made.configure(TWO_SPECS)
    made.pytester.makepyfile(test_items=body)
    assert made.run().ret == 1
    assert made.run("--selfopt-cycle", "--selfopt-no-race").ret in (0, 10)
    assert set(outcomes(made)) == {("pass", None), ("miss", None)}


@pytest.mark.parametrize("way", WAYS)
def test_fixture_takes_the_reply(long_project: Callable[..., Project], way: tuple[str, ...]) -> None:
    refused = {"when": {"prompt": "item 1."}, "then": {"status": 400, "body": "no"}}
    made = long_project({"rules": [refused, *right()[:5]]})
    made.configure(TWO_SPECS)
    made.pytester.makepyfile(test_items=FIXTURES)
    made.run("--selfopt-cycle", "--selfopt-no-race", *way)
    found = outcomes(made)
    assert set(found) == {("pass", None), ("miss", None), ("error", "request")}
    assert found["miss", None] == 4 * found["error", "request"]


def test_time_limit_ends_the_wait_of_a_fixture(project: Callable[..., Project]) -> None:
    slow = {"when": {"prompt": "item 1."}, "then": {"text": "late", "latency": 60}}
    made = project({"rules": [slow, *right()]})
    made.configure("[tool.selfopt.phases.atomic.gate]\npasses = 1\n")
    made.pytester.makepyfile(test_items=FIXTURES)
    result = made.run("--selfopt-cycle", "--timeout=1", "--selfopt-no-race", "-k", "native_api and run0")
    assert result.ret == 10
    assert outcomes(made)["error", "timeout"] == 1


def test_fixture_of_a_module_cannot_take_the_reply(project: Callable[..., Project]) -> None:
    made = project()
    wide = '\n@pytest.fixture(scope="module", autouse=True)\ndef noted(reply): ...\n'
    made.pytester.makepyfile(test_items=BODY + wide)
    result = made.run("--selfopt-cycle")
    assert result.ret == 4
    assert "the fixture 'noted' has the scope 'module', but takes 'reply'" in result.stderr.str()
    assert not made.server.seen.asked
