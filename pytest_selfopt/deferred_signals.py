"""Sections of the main thread that signal handlers cannot interrupt by raising, as Ctrl-C and pytest-timeout do.

Such an exception may come between acquiring a lock and the code that releases it (`threading.Event.set` and every
generator that holds a lock have such places); the next thread that needs the lock would then wait forever.

Sessions that measure and commands that make calls also let SIGTERM and SIGHUP interrupt as Ctrl-C does, where nobody
else handles them.
"""

from __future__ import annotations

import _thread
import contextlib
import inspect
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, NoReturn

from pytest_selfopt import clock

_ENDING = (signal.SIGTERM, signal.SIGHUP)
_RAISING = (signal.SIGALRM, signal.SIGINT, *_ENDING)

_LATER_S = 0.001

SAME_S = 1.0
"""The seconds within which further signals to end are the same one: `timeout` and process managers send two."""


class Undisturbed:
    """Defers such signals until the section ends, or until `heed` is called inside it.

    Sections may be nested. On threads other than the main one they do nothing, since Python runs no handlers there. The
    handlers installed when `watch` is called stay in force, wrapped by one of this object's, until `restore`.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._came: list[int] = []
        self._handlers: dict[int, Any] = {}
        self._receiver = self._receive
        self._adopted: set[int] = set()
        """The signals that interrupt, and without this object would end the process."""
        self._ending_since: float | None = None
        """When the first of them came, by a monotonic clock."""
        self.told_to_end = False
        """Whether one of them came since `interrupt_when_ended`."""

    def watch(self) -> None:
        """Wrap the installed handlers; call it again when others may have been installed since."""
        for number in _RAISING if _on_main_thread() else ():
            handler = signal.getsignal(number)
            if callable(handler) and handler is not self._receiver:
                self._handlers[number] = handler
                self._adopted.discard(number)
                signal.signal(number, self._receiver)

    def interrupt_when_ended(self) -> None:
        """Let SIGTERM and SIGHUP interrupt as Ctrl-C does, unless somebody handles or ignores them, until `restore`.

        A second SIGTERM ends the process at once.
        """
        self.told_to_end = False
        for number in _ENDING if _on_main_thread() else ():
            if signal.getsignal(number) is signal.SIG_DFL and not _is_caught(number):
                self._handlers[number] = _interrupt
                self._adopted.add(number)
                signal.signal(number, self._receiver)

    def finish(self) -> None:
        """Let those signals interrupt no more, because the session ends by itself and writes its results."""
        for number in self._adopted:
            self._handlers[number] = _finish

    def __enter__(self) -> None:
        if _on_main_thread():
            self._depth += 1

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not _on_main_thread():
            return
        self._depth -= 1
        if not self._depth:
            self.heed()

    def heed(self) -> None:
        """Run the handlers of the deferred signals, which may raise; for places where state is consistent."""
        while self._came and _on_main_thread():
            number = self._came.pop(0)
            self._handlers[number](number, inspect.currentframe())

    def restore(self) -> None:
        """Restore the original handlers."""
        for number, handler in self._handlers.items():
            if _on_main_thread() and signal.getsignal(number) is self._receiver:
                signal.signal(number, signal.SIG_DFL if number in self._adopted else handler)
        self._adopted.clear()
        self._ending_since = None

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if number in self._adopted and self._came_before(number):
            return
        if self._depth:
            self._came.append(number)
        elif frame is not None and frame.f_lineno is None:
            # pytest cannot show a traceback that ends at an instruction without a line; the next one has one. Not
            # `threading.Thread`, which may hold a lock that the interrupted code holds.
            self._ending_since = None
            _thread.start_new_thread(_send_again, (number,))
        else:
            self._handlers[number](number, frame)

    def _came_before(self, number: int) -> bool:
        """Whether the session is ending already; another SIGTERM ends the process."""
        now = clock.monotonic()
        if self._ending_since is None:
            self._ending_since = now
            self.told_to_end = True
            return False
        # A terminal that is closed may send several SIGHUPs.
        if number == signal.SIGTERM and now - self._ending_since > SAME_S:
            _end_at_once(number)
        return True


def _interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt(signal.Signals(number).name)


def _finish(_number: int, _frame: FrameType | None) -> None:
    """Go on, since the session is about to end."""


def _end_at_once(number: int) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    # The first process of a container ignores what it does not handle.
    os._exit(128 + number)


def _is_caught(number: int) -> bool:
    """Whether code outside of Python handles a signal, as faulthandler does; only Linux says."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return False
    caught = re.search(r"^SigCgt:\s*([0-9a-f]+)", status, re.MULTILINE)
    return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)


def _send_again(number: int) -> None:
    time.sleep(_LATER_S)
    os.kill(os.getpid(), number)


def _on_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


undisturbed = Undisturbed()
"""The process's only instance: signals belong to the process, not to a session."""


@contextlib.contextmanager
def interrupted_when_ended() -> Iterator[None]:
    """Let SIGTERM and SIGHUP interrupt a command; see `Undisturbed.interrupt_when_ended`."""
    undisturbed.interrupt_when_ended()
    undisturbed.watch()
    try:
        yield
    finally:
        undisturbed.restore()


def ending_signals() -> list[int]:
    """Return the signals by which a process that handles them in an event loop is told to end; none that it ignores."""
    asked = (signal.SIGINT, *_ENDING)
    return [number for number in asked if signal.getsignal(number) is not signal.SIG_IGN]
