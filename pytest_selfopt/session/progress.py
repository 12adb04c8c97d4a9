"""Progress while calls are under way: a line that is rewritten on a terminal, one now and then in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from pytest_selfopt.report.columns import folded
from pytest_selfopt.session.writing import NARROWEST, WIDEST, rewrites, shown

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

LOG_INTERVAL_S = 15.0
QUIET_LOG_INTERVAL_S = 60.0
"""Under -q, so that nobody takes a long session for one that hangs."""
TERMINAL_INTERVAL_S = 0.2


class Writer(Protocol):
    """What progress needs of pytest's terminal writer."""

    @property
    def fullwidth(self) -> int:
        """Columns of the terminal."""

    @property
    def width_of_current_line(self) -> int:
        """Columns written since the last line break."""

    def write(self, msg: str, *, flush: bool = False, **markup: bool) -> None:
        """Write a text."""

    def line(self, s: str = "", **markup: bool) -> None:
        """Write a line."""


class Progress:
    """Says how far a session is; only the main thread may call it.

    `clock` gives seconds. On a terminal (`live`) one line is rewritten, else a line is added now and then. Of a
    `quiet` session (-q) that is all; a `silent` one (-qq) says nothing.
    """

    def __init__(
        self, writer: Writer, *, live: bool, clock: Callable[[], float], quiet: bool = False, silent: bool = False
    ) -> None:
        self._writer = writer
        self._live = live
        self._quiet = quiet or silent
        self._silent = silent
        self._clock = clock
        self._started = clock()
        self._said = self._started
        self._shown = False

    @classmethod
    def on(cls, terminal: TerminalReporter) -> Progress:
        """Progress on pytest's own terminal."""
        loudness = terminal.config.get_verbosity()
        writer = terminal.config.get_terminal_writer()
        return cls(writer, live=rewrites(terminal), clock=time.monotonic, quiet=loudness < 0, silent=loudness < -1)

    def say_all(self, lines: Sequence[str]) -> None:
        """Write several lines that stay."""
        for line in lines:
            self.say(line)

    def say(self, text: str) -> None:
        """Write a line that stays."""
        if not self._quiet:
            if self._shown:
                self.clear()
            else:
                self._leave_pytests_line()
            for line in folded(shown(text), min(WIDEST, max(NARROWEST, self._writer.fullwidth))):
                self._writer.line(line)

    @property
    def due(self) -> bool:
        """Whether it is time to show the state again."""
        interval = QUIET_LOG_INTERVAL_S if self._quiet else LOG_INTERVAL_S
        if self._live:
            interval = TERMINAL_INTERVAL_S
        return not self._silent and self._clock() - self._said >= interval

    def tick(self, *, label: str, done: int, total: int, in_flight: int) -> None:
        """Show the state if it is time to."""
        if not self.due:
            return
        now = self._said = self._clock()
        most = self._writer.fullwidth - 1
        elapsed_s = now - self._started
        text = shown(describe(label=label, done=done, total=total, in_flight=in_flight, elapsed_s=elapsed_s, most=most))
        if self._live:
            if not self._shown:
                self._leave_pytests_line()
            self._writer.write("\r" + text.ljust(most), flush=True)
            self._shown = True
        else:
            self._leave_pytests_line()
            self._writer.line(text)

    def _leave_pytests_line(self) -> None:
        """Leave the line on which pytest has written the name of the file."""
        if self._writer.width_of_current_line:
            self._writer.line()

    def clear(self) -> None:
        """Take the rewritten line away, so that something else can be written there."""
        if self._shown:
            self._writer.write("\r" + " " * (self._writer.fullwidth - 1) + "\r", flush=True)
            self._shown = False


def describe(*, label: str, done: int, total: int, in_flight: int, elapsed_s: float, most: int = 1000) -> str:
    """One line on how far it is, such as "pass 2  calls 120/576, 4 in flight, 1:05 elapsed, about 4:07 left".

    Where it is longer than `most` characters, what matters least is left out.
    """
    parts = {
        "calls": f"calls {done}/{total}",
        "flight": f"{in_flight} in flight",
        "time": f"{minutes(elapsed_s)} elapsed",
    }
    if 0 < done < total:
        parts["left"] = f"about {minutes(elapsed_s / done * (total - done))} left"
    texts = [f"  {label}  {', '.join(parts.values())}"]
    for name in ("flight", "time", "left"):
        parts.pop(name, None)
        texts.append(f"  {label}  {', '.join(parts.values())}")
    texts += [f"{label} {done}/{total}", f"{done}/{total}"]
    return next((text for text in texts if len(text) <= most), texts[-1][: max(0, most)])


def minutes(seconds: float) -> str:
    """Seconds as minutes and seconds, such as 1:05."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
