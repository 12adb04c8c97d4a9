"""The progress line on pytest's terminal: below pytest's own output, never in the middle of it."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING

from pytest_selfopt.console.encoding import shown
from pytest_selfopt.console.layout import folded, width_for
from pytest_selfopt.console.width import to_left
from pytest_selfopt.session.terminal.writer import encoding_of_output

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


class TerminalOutput:
    """Lines between pytest's own; only the main thread may write them. A terminal that was closed gets none."""

    def __init__(self, terminal: TerminalReporter) -> None:
        self._terminal = terminal
        self._writer = terminal.config.get_terminal_writer()
        # A rewritten line bypasses the writer, which would count all its versions as one long line of pytest.
        self._stream = sys.stdout
        self._encoding = encoding_of_output()
        self._loud = terminal.config.get_verbosity() > 0

    @property
    def columns(self) -> int:
        """The columns of a rewritten line: after the last column some terminals wrap."""
        return self._writer.fullwidth - 1

    def line(self, text: str) -> None:
        """Write a permanent text, folded."""
        with contextlib.suppress(OSError):
            self._leave()
            for line in folded(shown(text, self._encoding), width_for(self._writer.fullwidth)):
                self._writer.line(line)
            self._writer.flush()

    def rewrite(self, text: str) -> None:
        """Overwrite the rewritten line, or begin one."""
        with contextlib.suppress(OSError):
            self._leave()
        self._write(f"\r{to_left(shown(text, self._encoding), self.columns)}")

    def erase(self) -> None:
        """Leave the rewritten line empty for the next writer."""
        self._write(f"\r{' ' * self.columns}\r")

    def _write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._writer.flush()
            self._stream.write(text)
            self._stream.flush()

    def _leave(self) -> None:
        """Leave the line that pytest has begun; when pytest continues the line, it rewrites the item's name."""
        if self._loud:
            self._terminal.ensure_newline()
        elif self._writer.width_of_current_line:
            self._writer.line()
