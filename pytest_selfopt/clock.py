"""The clocks of the harness, read from the operating system.

Libraries that freeze or shift time for a test (freezegun, time-machine) replace Python's own clocks in the whole
process while calls are made in other threads. They do not reach the C library.
"""

from __future__ import annotations

import ctypes
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop

_NANOSECONDS = 1e-9


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


# PyDLL keeps the lock of the interpreter: else each reading would let another thread overtake this one.
_read = ctypes.PyDLL(None, use_errno=True).clock_gettime
_read.argtypes = (ctypes.c_int, ctypes.POINTER(_Timespec))
_read.restype = ctypes.c_int


def now() -> float:
    """Return the seconds since the epoch."""
    return _seconds(time.CLOCK_REALTIME)


def monotonic() -> float:
    """Return the seconds since an arbitrary moment; they never go back."""
    return _seconds(time.CLOCK_MONOTONIC)


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
