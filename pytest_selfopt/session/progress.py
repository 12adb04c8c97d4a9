"""Progress while calls are under way: a line that is rewritten on a terminal, one now and then in a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

LOG_INTERVAL_S = 15.0
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

    `clock` gives seconds. On a terminal (`live`) one line is rewritten, else a line is added every 15 seconds.
    """

    def __init__(self, writer: Writer, *, live: bool, quiet: bool, clock: Callable[[], float]) -> None:
        self._writer = writer
        self._live = live
        self._quiet = quiet
        self._clock = clock
        self._started = clock()
        self._said = self._started
        self._shown = False

    @classmethod
    def on(cls, terminal: TerminalReporter) -> Progress:
        """Progress on pytest's own terminal; a quiet session shows none."""
        writer = terminal.config.get_terminal_writer()
        quiet = terminal.config.get_verbosity() < 0
        return cls(writer, live=writer.hasmarkup and not quiet, quiet=quiet, clock=time.monotonic)

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
            self._writer.line(text)

    @property
    def due(self) -> bool:
        """Whether it is time to show the state again."""
        interval = TERMINAL_INTERVAL_S if self._live else LOG_INTERVAL_S
        return not self._quiet and self._clock() - self._said >= interval

    def tick(self, *, label: str, done: int, total: int, in_flight: int) -> None:
        """Show the state if it is time to."""
        if not self.due:
            return
        now = self._said = self._clock()
        text = describe(label=label, done=done, total=total, in_flight=in_flight, elapsed_s=now - self._started)
        if self._live:
            self._writer.write("\r" + text[: self._writer.fullwidth - 1].ljust(self._writer.fullwidth - 1), flush=True)
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


def describe(*, label: str, done: int, total: int, in_flight: int, elapsed_s: float) -> str:
    """One line on how far it is, such as "pass 2/3  calls 120/576, 4 in flight, 1:05 elapsed, about 4:07 left"."""
    parts = [f"calls {done}/{total}", f"{in_flight} in flight", f"{minutes(elapsed_s)} elapsed"]
    if 0 < done < total:
        parts.append(f"about {minutes(elapsed_s / done * (total - done))} left")
    return f"  {label}  " + ", ".join(parts)


def minutes(seconds: float) -> str:
    """Seconds as minutes and seconds, such as 1:05."""
    return f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
