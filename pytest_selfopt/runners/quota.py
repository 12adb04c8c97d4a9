"""Quotas that are used up, and waits that no call is kept for: nobody is asked again until they may be over."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace

from pytest_selfopt import clock
from pytest_selfopt.console.quantities import format_duration
from pytest_selfopt.trial import CallError, ErrorKind, Reply

FORGOTTEN_AFTER_S = 60.0
"""Seconds after which a model is asked again: a worker outlives many sessions, and quotas return."""


def without_long_wait(answer: Reply | CallError, max_wait_s: float, at: float) -> Reply | CallError:
    """Return an answer; a rate limit that asks for a wait of more than `max_wait_s` seconds is a spent quota.

    A spent quota says until when it asks to wait, if it asks for that. `at` is the time of the answer in seconds since
    the epoch.
    """
    if isinstance(answer, Reply) or answer.kind not in (ErrorKind.RATE_LIMIT, ErrorKind.QUOTA):
        return answer
    wait_s = answer.retry_after_s
    if wait_s is None or wait_s <= max_wait_s:
        return answer
    until = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(at + wait_s))
    message = f"asks for a wait of {format_duration(wait_s)}, until {until}: {answer.message}"
    return replace(answer, kind=ErrorKind.QUOTA, message=message)


def spent_sentence(model: str, error: CallError) -> str:
    """Say that a model's quota is used up, as its server words it."""
    return f"{model} takes no more calls: {error.message}"


class SpentQuotas:
    """The models whose quota is used up, from the first answer that says so; any thread may ask."""

    def __init__(self, clock: Callable[[], float] = clock.monotonic) -> None:
        """Forget by a `clock` in seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._spent: dict[str, tuple[CallError, float]] = {}
        self.first: tuple[str, CallError] | None = None
        """The model whose quota was used up first, and the answer that said so; None if none was."""

    def note(self, model: str, answer: Reply | CallError) -> None:
        """Note an answer of a model."""
        if isinstance(answer, CallError) and answer.kind is ErrorKind.QUOTA:
            with self._lock:
                self.first = self.first or (model, answer)
                self._spent[model] = (answer, self._clock() + FORGOTTEN_AFTER_S)

    def refusal(self, model: str) -> CallError | None:
        """Return the error of a call that is not made because the model's quota is used up; None if it may be made."""
        with self._lock:
            if model not in self._spent:
                return None
            answer, until = self._spent[model]
            if self._clock() >= until:
                del self._spent[model]
                return None
        return CallError(kind=ErrorKind.CANCELLED, message=answer.message)
