"""Real pseudo-terminals, and what somebody who looks at one sees."""

from __future__ import annotations

import errno
import fcntl
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_STEP = re.compile(r"\x1b\[([0-9;]*)([A-Za-z])|\x1b.|[\s\S]")


def cells(character: str) -> int:
    """The columns a terminal gives a character."""
    if unicodedata.combining(character):
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1


def width_of(line: str) -> int:
    """The columns of a line."""
    return sum(map(cells, line))


@dataclass
class Screen:
    """A terminal of so many columns, without end downwards: what stands on it after everything was written."""

    width: int
    rows: list[list[str]] = field(default_factory=lambda: [[]])
    wrapped: list[str] = field(default_factory=list)
    """The rows that went on in the next one because they were too long."""
    foreign: list[str] = field(default_factory=list)
    """Control sequences other than colours and those that erase a line."""
    _column: int = 0

    def show(self, text: str) -> Screen:
        """Do what a terminal does with a text."""
        for step in _STEP.finditer(text):
            self._take(step)
        return self

    def _take(self, step: re.Match[str]) -> None:
        character = step[0]
        if character == "\n":
            self.rows.append([])
        elif character == "\r":
            self._column = 0
        elif step[2] == "K":
            del self.rows[-1][self._column if step[1] in ("", "0") else 0 :]
        elif character < " " or character.startswith("\x1b"):
            self.foreign += [] if step[2] == "m" else [character]
        else:
            self._put(character)

    def _put(self, character: str) -> None:
        wide = cells(character)
        if self._column + wide > self.width:
            self.wrapped.append("".join(self.rows[-1]))
            self.rows.append([])
            self._column = 0
        row = self.rows[-1]
        row += [" "] * (self._column + wide - len(row))
        if wide:
            row[self._column : self._column + wide] = [character, *[""] * (wide - 1)]
        self._column += wide

    @property
    def lines(self) -> list[str]:
        """What stands there."""
        return ["".join(row).rstrip() for row in self.rows]


@dataclass(frozen=True)
class Seen:
    """What came out of a program on a terminal: its status, every byte, and the screen after it."""

    status: int
    raw: str
    screen: Screen

    @property
    def lines(self) -> list[str]:
        """What stands on the screen."""
        return self.screen.lines

    @property
    def shown(self) -> list[str]:
        """Everything that stood on the rewritten line, one after the other."""
        return [text.rstrip() for text in re.findall(r"\r([^\r\n\x1b]*[^\s\x1b])", self.raw)]


def on_terminal(
    command: Sequence[str],
    *,
    width: int,
    cwd: Path,
    environment: Mapping[str, str] | None = None,
    until: Callable[[str], bool] | None = None,
    typed: str = "",
) -> Seen:
    """Run a command on a terminal of a width, on which `typed` was typed before it asks.

    Ctrl-C is pressed once `until` is true of what was written so far.
    """
    controller, terminal = pty.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, width, 0, 0))
    given = {
        name: value for name, value in os.environ.items() if name not in ("COLUMNS", "CI", "NO_COLOR", "PY_COLORS")
    }
    process = subprocess.Popen(
        command,
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        cwd=cwd,
        env={**given, "TERM": "xterm", **(environment or {})},
        start_new_session=True,
    )
    os.write(controller, typed.encode())
    os.close(terminal)
    raw = b""
    while True:
        try:
            chunk = os.read(controller, 65536)
        except OSError as end:
            # So Linux says that nobody writes to the terminal any more.
            if end.errno != errno.EIO:
                raise
            break
        if not chunk:
            break
        raw += chunk
        if until is not None and until(raw.decode(errors="replace")):
            process.send_signal(signal.SIGINT)
            until = None
    os.close(controller)
    text = raw.decode(errors="replace")
    return Seen(process.wait(), text, Screen(width).show(text))
