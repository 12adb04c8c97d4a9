"""Work on replies within a limit of processor time: a regular expression can take years on a short text."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from types import FrameType
from typing import Any, NoReturn, TypeVar

from pytest_selfopt.import_string import imported

LIMIT_S = 1.0
"""Seconds of processor time that one expectation may take to judge one reply."""
_START_S = 30.0
"""Seconds that another process may take beside the work itself."""

_Result = TypeVar("_Result")


class TooSlow(Exception):
    """The work took longer than its limit."""


def bounded(
    function: Callable[..., _Result],
    *args: Any,
    seconds: float = LIMIT_S,
) -> _Result:
    """Return what a function of a module returns, but for at most `seconds` of processor time.

    Arguments and result are JSON values, because signals reach only the main thread: in any other thread the work is
    done in a process of its own.

    Raises:
        TooSlow: if it takes longer.
    """
    if threading.current_thread() is threading.main_thread():
        return _interrupted(function, args, seconds)
    result: _Result = _elsewhere(function, args, seconds)
    return result


def _interrupted(
    function: Callable[..., _Result],
    args: tuple[Any, ...],
    seconds: float,
) -> _Result:
    # `re` looks for signals while it matches. This timer is not the one that pytest-timeout sets.
    handler = signal.signal(signal.SIGVTALRM, _give_up)
    try:
        left, interval = signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
        try:
            return function(*args)
        finally:
            signal.setitimer(signal.ITIMER_VIRTUAL, left, interval)
    finally:
        signal.signal(signal.SIGVTALRM, handler)


def _give_up(_number: int, _frame: FrameType | None) -> NoReturn:
    raise TooSlow


def _elsewhere(function: Callable[..., Any], args: tuple[Any, ...], seconds: float) -> Any:
    name = f"{function.__module__}:{function.__qualname__}"
    order = {"path": sys.path, "function": name, "args": args, "seconds": seconds}
    try:
        process = subprocess.run(
            [sys.executable, "-m", __name__],
            input=json.dumps(order),
            capture_output=True,
            encoding="ascii",
            timeout=seconds + _START_S,
            check=True,
        )
    except subprocess.TimeoutExpired:
        raise TooSlow from None
    answer = json.loads(process.stdout)
    if answer is None:
        raise TooSlow
    return answer["result"]


def _carry_out() -> None:
    """Do the work that another process ordered, and write its result; null if it takes too long."""
    order = json.load(sys.stdin)
    sys.path[:] = order["path"]
    function: Any = imported(order["function"])
    answer = None
    with suppress(TooSlow):
        result: Any = bounded(function, *order["args"], seconds=order["seconds"])
        answer = {"result": result}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    _carry_out()
