"""Saying that calls are held back because their server asked for it."""

from __future__ import annotations

import time

from pytest_selfopt.console.quantities import format_duration

ANNOUNCED_WAIT_S = 5.0
"""Waits from this length on are announced, in seconds."""


class WaitAnnouncer:
    """Says of each wait once how long it is."""

    def __init__(self) -> None:
        self._announced = 0.0
        """The end of the wait that was announced last, in seconds since the epoch."""

    def next_line(self, held: tuple[str, float] | None, now: float) -> str:
        """Return what to say of the model that is held back until a time; empty if it was said, or the wait is short.

        Times are in seconds since the epoch.
        """
        if held is None:
            return ""
        model, until = held
        if until - now < ANNOUNCED_WAIT_S or until < self._announced + ANNOUNCED_WAIT_S:
            return ""
        self._announced = until
        moment = time.strftime("%H:%M:%S", time.localtime(until))
        return f"waiting {format_duration(until - now)} because the server asked for it ({model}, until {moment})"
