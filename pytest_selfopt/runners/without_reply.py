"""The results of calls that end without a reply: not made, abandoned, or refused by an engine."""

from __future__ import annotations

from pytest_selfopt import clock
from pytest_selfopt.trial import CallError, CallResult, ErrorKind

GIVEN_UP = CallError(kind=ErrorKind.TIMEOUT, message="ended because the time limit of its test was over")
UNFINISHED = CallError(kind=ErrorKind.CANCELLED, message="cancelled before it had ended")


def ended_now(error: CallError, *, lane: str = "", answers: int = 1) -> CallResult:
    """Return the result of a call that ends at this moment with an error; it was sent `answers` times."""
    now = clock.now()
    return CallResult(error=error, started=now, ended=now, answers=answers, lane=lane)
