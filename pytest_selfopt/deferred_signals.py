"""Sections of the main thread that signal handlers cannot interrupt by raising, as Ctrl-C and pytest-timeout do.

Such an exception may come between acquiring a lock and the code that releases it (`threading.Event.set` and every
generator that holds a lock have such places); the next thread that needs the lock would then wait forever.
"""

from __future__ import annotations

import _thread
import inspect
import os
import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

_RAISING = (signal.SIGALRM, signal.SIGINT, signal.SIGTERM)

_LATER_S = 0.001


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

    def watch(self) -> None:
        """Wrap the installed handlers; call it again when others may have been installed since."""
        for number in _RAISING if _on_main_thread() else ():
            handler = signal.getsignal(number)
            if callable(handler) and handler is not self._receiver:
                self._handlers[number] = handler
                signal.signal(number, self._receiver)

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
                signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._depth:
            self._came.append(number)
        elif frame is not None and frame.f_lineno is None:
            # pytest cannot show a traceback that ends at an instruction without a line; the next one has one. Not
            # `threading.Thread`, which may hold a lock that the interrupted code holds.
            _thread.start_new_thread(_send_again, (number,))
        else:
            self._handlers[number](number, frame)


def _send_again(number: int) -> None:
    time.sleep(_LATER_S)
    os.kill(os.getpid(), number)


def _on_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


undisturbed = Undisturbed()
"""The process's only instance: signals belong to the process, not to a session."""
