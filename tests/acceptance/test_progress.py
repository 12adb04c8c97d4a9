"""The progress of a session while no item ends, in this process and distributed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable

import pytest

from tests.acceptance.conftest import Project, right, said
from tests.acceptance.test_gates import EXTENDED

Make = Callable[..., Project]
OFTEN = """
from pytest_selfopt.session.terminal import progress

progress.LOG_INTERVAL_S = 0.4
"""
BOTH = pytest.mark.parametrize("arguments", [(), ("-n2",)], ids=["serial", "-n2"])


def logged(result: pytest.RunResult) -> list[str]:
    """The lines of progress in a log."""
    return [line for line in result.outlines if re.search(r"\bpass \d+  calls \d", line)]


@BOTH
def test_one_slow_answer_does_not_silence_progress(project: Make, arguments: tuple[str, ...]) -> None:
    slow = {"when": {"prompt": "Hello 0!"}, "then": {"reply": "Hello!", "latency": 2.2}}
    made = project({"rules": [slow, *right()]})
    made.pytester.makeconftest(OFTEN)
    result = made.run("--selfopt-cycle", "-k", "run0", *arguments)
    counted = Counter(re.findall(r"atomic pass 1  (calls \d+/\d+)", "\n".join(logged(result))))
    assert max(counted.values(), default=0) >= 4, said(result)


def test_calls_of_later_passes_count_from_the_start(long_project: Make) -> None:
    made = long_project({"rules": right(), "latency": 0.15})
    made.pytester.makepyfile(test_items=EXTENDED)
    made.pytester.makeconftest(OFTEN)
    lines = logged(made.run("--selfopt-cycle"))
    assert all("/72" in line for line in lines)
    assert re.search(r"extended pass 1 .*, at least 0:0[1-9] left", "\n".join(lines))


@BOTH
def test_progress_says_what_is_waited_for(project: Make, arguments: tuple[str, ...]) -> None:
    limit = {"when": {"prompt": "Hello 0!", "first": 1}, "then": {"status": 429, "retry_after": 3}}
    warm_up = {"when": {"prompt": "What is 2+2?"}, "then": {"reply": "4", "latency": 1.2}}
    made = project({"rules": [limit, warm_up, *right()]})
    made.pytester.makeconftest(OFTEN)
    result = made.run("--selfopt-cycle", "-k", "run0", "--selfopt-warmup", *arguments)
    assert "warming up scripted/model" in "\n".join(logged(result)), said(result)
    assert "rate limit of scripted/model until" in "\n".join(logged(result)), said(result)
