"""Sections of the main thread that no signal cuts through whose handler raises, as Ctrl-C's and pytest-timeout's do.

An exception out of nowhere may come between taking a lock and being ready to give it back (`threading.Event.set` and
every generator that holds one have such places); whoever needs that lock next would then wait for ever.
"""

from __future__ import annotations

import inspect
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

_RAISING = (signal.SIGALRM, signal.SIGINT, signal.SIGTERM)


class Undisturbed:
    """Lets such signals wait until the section is left, or until they are heeded inside it.

    Sections may lie inside each other. On other threads than the main one they do nothing: Python runs no handlers
    there. It is about the handlers that were installed when `watch` was called; they stay in force, behind one of this
    object's, until `restore`.
    """

    def __init__(self) -> None:
        self._depth = 0
        self._came: list[int] = []
        self._handlers: dict[int, Any] = {}
        self._receiver = self._receive

    def watch(self) -> None:
        """Stand before the handlers that are installed now; to be repeated when others may have been since."""
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
        """Run the handlers of the signals that have come, which may raise; for places where all is in order."""
        while self._came and _on_main_thread():
            number = self._came.pop(0)
            self._handlers[number](number, inspect.currentframe())

    def restore(self) -> None:
        """Put the handlers back that were found."""
        for number, handler in self._handlers.items():
            if _on_main_thread() and signal.getsignal(number) is self._receiver:
                signal.signal(number, handler)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self._depth:
            self._came.append(number)
        else:
            self._handlers[number](number, frame)


def _on_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


undisturbed = Undisturbed()
"""The one of this process: signals are the process's, not a session's."""
