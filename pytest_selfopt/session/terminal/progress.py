"""Progress while calls are under way: a line that is rewritten on a terminal, one now and then in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from pytest_selfopt.console.quantities import format_clock
from pytest_selfopt.console.width import cells
from pytest_selfopt.session.terminal.live_line import TerminalPlace
from pytest_selfopt.session.terminal.writer import rewrites

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

LOG_INTERVAL_S = 15.0
QUIET_LOG_INTERVAL_S = 60.0
"""Under -q, so that a long session does not look like one that hangs."""
TERMINAL_INTERVAL_S = 0.2


class Place(Protocol):
    """Where progress is shown."""

    @property
    def columns(self) -> int:
        """Columns that a rewritten line may take."""

    def line(self, text: str) -> None:
        """Write a text that stays."""

    def rewrite(self, text: str) -> None:
        """Write over the line that was last rewritten, or begin one."""

    def erase(self) -> None:
        """Leave the rewritten line empty for the next writer."""


class Progress:
    """Says how far a session is; only the main thread may call it.

    `clock` gives seconds. On a terminal (`live`) one line is rewritten, else a line is added now and then. Of a
    `quiet` session (-q) that is all; a `silent` one (-qq) says nothing.
    """

    def __init__(
        self,
        place: Place,
        *,
        live: bool,
        clock: Callable[[], float],
        quiet: bool = False,
        silent: bool = False,
        which: str = "",
    ) -> None:
        """Show it at a place; `which` of several sessions this is, such as "cycle 2/3" (empty: the only one)."""
        self._place = place
        self._live = live
        self._quiet = quiet or silent
        self._silent = silent
        self._which = which
        self._clock = clock
        self._started = clock()
        self._said = self._started
        self._shown = False

    @classmethod
    def on(cls, terminal: TerminalReporter, which: str) -> Progress:
        """Progress on pytest's own terminal; under -v pytest rewrites nothing, because it tells every item."""
        verbosity = terminal.config.get_verbosity()
        return cls(
            TerminalPlace(terminal),
            live=rewrites(terminal) and verbosity <= 0,
            clock=time.monotonic,
            quiet=verbosity < 0,
            silent=verbosity < -1,
            which=which,
        )

    def say_all(self, lines: Sequence[str]) -> None:
        """Write several lines that stay."""
        for line in lines:
            self.say(line)

    def say(self, text: str) -> None:
        """Write a line that stays."""
        if not self._quiet:
            self.clear()
            self._place.line(text)

    @property
    def due(self) -> bool:
        """Whether it is time to show the state again."""
        if self._silent:
            return False
        return self._clock() - self._said >= self._interval_s

    @property
    def _interval_s(self) -> float:
        if self._live:
            return TERMINAL_INTERVAL_S
        if self._quiet:
            return QUIET_LOG_INTERVAL_S
        return LOG_INTERVAL_S

    def tick(self, *, label: str, done: int, total: int, in_flight: int) -> None:
        """Show the state if it is time to."""
        if not self.due:
            return
        now = self._said = self._clock()
        text = describe(
            label=label,
            done=done,
            total=total,
            in_flight=in_flight,
            elapsed_s=now - self._started,
            which=self._which,
            most=self._place.columns,
        )
        if not text:
            return
        if self._live:
            self._place.rewrite(text)
            self._shown = True
        else:
            self._place.line(text)

    def clear(self) -> None:
        """Take the rewritten line away, so that something else can be written there."""
        if self._shown:
            self._place.erase()
            self._shown = False


def describe(
    *, label: str, done: int, total: int, in_flight: int, elapsed_s: float, which: str = "", most: int = 1000
) -> str:
    """One line on how far it is, such as "  pass 2  calls 120/576, 4 in flight, 1:05 elapsed, about 4:07 left".

    `which` of several sessions it is stands before. Where it takes more than `most` columns, what matters least is left
    out; it is empty where nothing fits.
    """
    count = f"calls {done}/{total}"
    flight = f"{in_flight} in flight"
    elapsed = f"{format_clock(elapsed_s)} elapsed"
    left = _time_left(done, total, elapsed_s)
    named = _listed(which, label)
    forms = (
        f"  {named}  {_listed(count, flight, elapsed, left)}",
        f"  {named}  {_listed(count, elapsed, left)}",
        f"  {named}  {_listed(count, left)}",
        f"  {label}  {_listed(count, left)}",
        f"  {label}  {count}",
        f"{label} {done}/{total}",
        f"{done}/{total}",
    )
    for form in forms:
        if cells(form) <= most:
            return form
    return ""


def _time_left(done: int, total: int, elapsed_s: float) -> str:
    """The time that is left if calls go on at their mean rate; empty before the first and after the last."""
    if not 0 < done < total:
        return ""
    left_s = elapsed_s / done * (total - done)
    return f"about {format_clock(left_s)} left"


def _listed(*parts: str) -> str:
    return ", ".join(filter(None, parts))
