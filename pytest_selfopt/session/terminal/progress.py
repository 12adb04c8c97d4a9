"""Progress while calls are in flight: a rewritten line on a terminal, a line now and then in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from pytest_selfopt import clock
from pytest_selfopt.console.quantities import format_clock
from pytest_selfopt.console.width import cells
from pytest_selfopt.session.terminal.live_line import TerminalOutput
from pytest_selfopt.session.terminal.writer import rewrites

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

LOG_INTERVAL_S = 15.0
QUIET_LOG_INTERVAL_S = 60.0
"""The interval under -q, so that a long session does not seem to hang."""
TERMINAL_INTERVAL_S = 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """The progress of calls: `done` of a `total` that is certain, and the `activity` in words.

    If it `waits`, the activity says why no call is answered now, and is the most important. `left_s` are the seconds
    that the others take (None: not known); the total grows if further passes, a proof or cycles follow.
    """

    label: str
    done: int
    total: int
    activity: str
    waits: bool = False
    left_s: float | None = None
    may_grow: bool = False


class ProgressOutput(Protocol):
    """The output on which progress is shown."""

    @property
    def columns(self) -> int:
        """The columns of a rewritten line."""

    def line(self, text: str) -> None:
        """Write a permanent text."""

    def rewrite(self, text: str) -> None:
        """Overwrite the rewritten line, or begin one."""

    def erase(self) -> None:
        """Leave the rewritten line empty for the next writer."""


class Progress:
    """The progress of a session; only the main thread may call it.

    `clock` gives seconds. On a terminal (`live`) one line is rewritten, else a line is added now and then. A
    `quiet` session (-q) shows nothing else; a `silent` one (-qq) shows nothing.
    """

    def __init__(
        self,
        output: ProgressOutput,
        *,
        live: bool,
        clock: Callable[[], float],
        quiet: bool = False,
        silent: bool = False,
        which: str = "",
    ) -> None:
        """Show progress on an output; `which` names the subsession, such as "cycle 2/3" (empty: no subsession)."""
        self._output = output
        self._live = live
        self._quiet = quiet or silent
        self._silent = silent
        self._which = which
        self._clock = clock
        self._started = clock()
        self._shown_at = self._started
        self._shown = False

    @classmethod
    def on(cls, terminal: TerminalReporter, which: str) -> Progress:
        """Make progress for pytest's terminal; under -v pytest writes a line for each item, so none is rewritten."""
        verbosity = terminal.config.get_verbosity()
        return cls(
            TerminalOutput(terminal),
            live=rewrites(terminal) and verbosity <= 0,
            clock=clock.monotonic,
            quiet=verbosity < 0,
            silent=verbosity < -1,
            which=which,
        )

    def write_lines(self, lines: Sequence[str]) -> None:
        """Write permanent lines."""
        for line in lines:
            self.write_line(line)

    def write_line(self, text: str) -> None:
        """Write a permanent line."""
        if not self._quiet:
            self.clear()
            self._output.line(text)

    @property
    def due(self) -> bool:
        """Whether it is time to show the progress again."""
        if self._silent:
            return False
        return self._clock() - self._shown_at >= self._interval_s

    @property
    def _interval_s(self) -> float:
        if self._live:
            return TERMINAL_INTERVAL_S
        if self._quiet:
            return QUIET_LOG_INTERVAL_S
        return LOG_INTERVAL_S

    def tick(self, status: Status) -> None:
        """Show the progress if it is due."""
        if not self.due:
            return
        now = self._shown_at = self._clock()
        text = describe(
            status,
            elapsed_s=now - self._started,
            which=self._which,
            most=self._output.columns,
        )
        if not text:
            return
        if self._live:
            self._output.rewrite(text)
            self._shown = True
        else:
            self._output.line(text)

    def clear(self) -> None:
        """Erase the rewritten line, so that other output can be written."""
        if self._shown:
            self._output.erase()
            self._shown = False


def describe(status: Status, *, elapsed_s: float, which: str = "", most: int = 1000) -> str:
    """Return one line of progress, such as "  pass 2  calls 120/576, 4 in flight, 1:05 elapsed, at least 4:07 left".

    `which` names the subsession. A line of more than `most` columns leaves out the least important parts; it is empty
    if nothing fits.
    """
    label = status.label
    share = f"{status.done}/{status.total}"
    count = f"calls {share}"
    elapsed = f"{format_clock(elapsed_s)} elapsed"
    left = _describe_left(status)
    named = _listed(which, label)
    forms = [f"  {named}  {_listed(count, status.activity, elapsed, left)}"]
    if status.waits:
        forms.append(f"  {named}  {_listed(count, status.activity, elapsed)}")
        forms.append(f"  {named}  {_listed(count, status.activity)}")
    forms += [
        f"  {named}  {_listed(count, elapsed, left)}",
        f"  {named}  {_listed(count, left)}",
        f"  {label}  {_listed(count, left)}",
        f"  {label}  {count}",
        f"{label} {share}",
        share,
    ]
    for form in forms:
        if cells(form) <= most:
            return form
    return ""


def describe_activity(
    *, warming: Sequence[str], in_flight: int, hold: tuple[str, float] | None, clock: float, unfinished: int
) -> str:
    """Say what is waited for: warm-ups, calls in flight, a server that asked to wait, or tests that run elsewhere.

    `hold` is a model and the seconds until it may be asked again, from the time `clock` on (seconds since the epoch).
    """
    if warming:
        return f"warming up {_listed(*warming)}"
    if unfinished == 1:
        return "1 test unfinished"
    if unfinished:
        return f"{unfinished:,} tests unfinished"
    if not in_flight and hold is not None and hold[1] > 0:
        model, seconds = hold
        until = time.strftime("%H:%M:%S", time.localtime(clock + seconds))
        return f"rate limit of {model} until {until}"
    return f"{in_flight} in flight"


def _describe_left(status: Status) -> str:
    """Return the time that is left; empty if it is not known, or less than a second."""
    if status.left_s is None or status.left_s < 1 or status.done >= status.total:
        return ""
    how = "about"
    if status.may_grow:
        how = "at least"
    return f"{how} {format_clock(status.left_s)} left"


def _listed(*parts: str) -> str:
    return ", ".join(filter(None, parts))
