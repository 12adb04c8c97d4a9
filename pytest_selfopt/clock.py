"""The clocks of the harness, read from the operating system.

Libraries that freeze or shift time for a test (freezegun, time-machine) replace Python's own clocks in the whole
process while calls are made in other threads. They do not reach the C library.

A machine's clock may be set back at any time. These go on from where they were, for as long as the process lives, so
that nothing that began before a moment ends before it too.
"""

from __future__ import annotations

import ctypes
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

_NANOSECONDS = 1e-9
_JUMP_S = 1.0


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


# PyDLL keeps the lock of the interpreter: else each reading would let another thread overtake this one.
_read = ctypes.PyDLL(None, use_errno=True).clock_gettime
_read.argtypes = (ctypes.c_int, ctypes.POINTER(_Timespec))
_read.restype = ctypes.c_int


class _ForwardClock:
    """A clock that is never set back."""

    def __init__(self, clock: int) -> None:
        self._clock = clock
        self._latest = float("-inf")
        self._set_back = 0.0
        """The seconds by which the system's clock was set back."""

    def read(self) -> float:
        set_back = self._set_back
        seconds = _seconds(self._clock) + set_back
        # Threads may come here out of order, by far less than a jump.
        if seconds < self._latest - _JUMP_S:
            self._set_back = set_back + self._latest - seconds
            return self._latest
        self._latest = seconds
        return seconds


_wall = _ForwardClock(time.CLOCK_REALTIME)
_steady = _ForwardClock(time.CLOCK_MONOTONIC)


def now() -> float:
    """Return the seconds since the epoch; in one process, they do not go back by a second or more."""
    return _wall.read()


def monotonic() -> float:
    """Return the seconds since an arbitrary moment; they do not go back, even where a tool sets this clock back."""
    return _steady.read()


def processor_time() -> float:
    """Return the seconds of processor time that this thread has had."""
    return _seconds(time.CLOCK_THREAD_CPUTIME_ID)


def drive(loop: AbstractEventLoop) -> None:
    """Let an event loop measure its time-outs by this clock."""
    vars(loop)["time"] = monotonic


def _seconds(clock: int) -> float:
    read = _Timespec()
    if _read(clock, ctypes.byref(read)) != 0:
        raise OSError(ctypes.get_errno(), f"the clock {clock} of this system cannot be read")
    seconds: int = read.seconds
    nanoseconds: int = read.nanoseconds
    return seconds + nanoseconds * _NANOSECONDS
