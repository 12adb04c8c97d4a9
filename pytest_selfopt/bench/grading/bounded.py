"""Work on replies within a limit of processor time: a regular expression can take years on a short text."""

from __future__ import annotations

import gc
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any, TypeVar

from pytest_selfopt import clock
from pytest_selfopt.bench.grading.judgement import BrokenGrader
from pytest_selfopt.bench.helper_process import HELPER

LIMIT_S = 1.0
"""Seconds of processor time that one expectation may take to judge one reply of usual length."""
_AGAIN_S = 0.1
"""Seconds after which work is interrupted again that has swallowed an interruption."""

_Result = TypeVar("_Result")


class TooSlow(Exception):
    """The work took longer than its limit."""


def is_interruptible() -> bool:
    """Whether signals reach this thread, so that its work can be interrupted where it is done."""
    return threading.current_thread() is threading.main_thread()


def bounded(
    function: Callable[..., _Result],
    *args: Any,
    seconds: float = LIMIT_S,
) -> _Result:
    """Return what a function of a module returns, but for at most `seconds` of processor time of this thread.

    Arguments and result are JSON values, because signals reach only the main thread: in any other thread the work is
    done in a process of its own.

    Raises:
        TooSlow: if it takes longer.
        BrokenGrader: if the function raises it.
    """
    if is_interruptible():
        return _interrupted(function, args, seconds)
    answer = HELPER.carry_out(function, args, seconds)
    if not answer:
        raise TooSlow
    if "problem" in answer:
        raise BrokenGrader(answer["problem"])
    result: _Result = answer["result"]
    return result


class _Deadline:
    """Interrupts the work of the main thread once it has had its processor time."""

    def __init__(self, seconds: float) -> None:
        self._end = clock.processor_time() + seconds
        self.is_over = False

    def heed(self, _number: int, _frame: FrameType | None) -> None:
        """Handle the signal; the timer counts the work of other threads, too."""
        if self.is_over:
            return
        left = self._end - clock.processor_time()
        if left <= 0:
            raise TooSlow
        signal.setitimer(signal.ITIMER_VIRTUAL, left, _AGAIN_S)


def _interrupted(
    function: Callable[..., _Result],
    args: tuple[Any, ...],
    seconds: float,
) -> _Result:
    # Python swallows what is raised in a callback of its garbage collection, such as Hypothesis has.
    collects = gc.isenabled()
    gc.disable()
    # `re` looks for signals while it matches. This timer is not the one that pytest-timeout sets.
    deadline = _Deadline(seconds)
    handler = signal.signal(signal.SIGVTALRM, deadline.heed)
    left, interval = signal.setitimer(signal.ITIMER_VIRTUAL, seconds, _AGAIN_S)
    try:
        try:
            return function(*args)
        finally:
            # An interruption at this very place still ends in the outer block.
            deadline.is_over = True
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, left, interval)
        signal.signal(signal.SIGVTALRM, handler)
        if collects:
            gc.enable()
