"""What the end of a test body says about its trial, in words of pytest: exceptions and subtests."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TypeAlias

import pytest

from pytest_selfopt.execution.replies import CallFailed, one_line
from pytest_selfopt.trial import ErrorKind, Outcome

Judgement: TypeAlias = tuple[Outcome, ErrorKind | None, str]
"""Outcome, error kind and reason."""

PASSED: Judgement = (Outcome.PASS, None, "")

_TIMED_OUT = re.compile(r"Timeout (>|\()")
_NOT_JUDGED = re.compile(r"async def functions are not natively supported|Expected None, but ")
"""How failures begin by which pytest refuses a body: one that it did not run, or one that returned something."""


def classify_exception(problem: BaseException) -> Judgement | None:
    """Classify the exception that ended a test body; None if it did not judge (skip, xfail)."""
    if isinstance(problem, pytest.skip.Exception | pytest.xfail.Exception):
        return None
    if isinstance(problem, BaseExceptionGroup):
        return _classify_group(problem)
    if isinstance(problem, CallFailed):
        return Outcome.ERROR, problem.error.kind, one_line(problem.error.message)
    name = type(problem).__name__
    reason = one_line(str(problem)) or name
    if isinstance(problem, pytest.fail.Exception):
        if _TIMED_OUT.match(str(problem)):
            return Outcome.ERROR, ErrorKind.TIMEOUT, reason
        if _NOT_JUDGED.match(str(problem)):
            return Outcome.ERROR, ErrorKind.TEST, reason
    if isinstance(problem, AssertionError | pytest.fail.Exception):
        return Outcome.MISS, None, reason
    return Outcome.ERROR, ErrorKind.TEST, f"{name}: {reason}"


def _classify_group(group: BaseExceptionGroup[BaseException]) -> Judgement:
    """Classify what tasks, or several failing examples of Hypothesis, raised together."""
    judgements: list[Judgement] = []
    for problem in group.exceptions:
        judgement = classify_exception(problem)
        if judgement is None:
            # pytest does not look for skips in groups: the test fails.
            name = type(problem).__name__
            judgement = (Outcome.ERROR, ErrorKind.TEST, f"{name}: {one_line(str(problem))}")
        judgements.append(judgement)
    return worst(judgements)


def worst(judgements: Sequence[Judgement]) -> Judgement:
    """Return the judgement of a trial from those of its parts: an error before a miss before a pass, the first each."""
    for outcome in (Outcome.ERROR, Outcome.MISS):
        for judgement in judgements:
            if judgement[0] is outcome:
                return judgement
    return PASSED
