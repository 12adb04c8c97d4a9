"""The writer for pytest's terminal: folds to its width, keeps to its encoding, and escapes control characters."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_selfopt.console.encoding import shown
from pytest_selfopt.console.layout import folded, table, width_for

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


@dataclass(frozen=True, slots=True)
class StyledText:
    """A text for people, of any length; its colour says nothing that its words do not."""

    text: str
    colour: str = ""
    bold: bool = False

    @property
    def markup(self) -> dict[str, bool]:
        """The markup arguments of pytest's terminal writer."""
        markup: dict[str, bool] = {}
        if self.colour:
            markup[self.colour] = True
        if self.bold:
            markup["bold"] = True
        return markup


_PLAIN = StyledText("")


class TerminalWriter:
    """A writer of texts for people; `verbosity` is pytest's verbosity: 0, more with -v, less with -q."""

    def __init__(self, terminal: TerminalReporter) -> None:
        self._terminal = terminal
        self._encoding = encoding_of_output()
        self.verbosity = terminal.config.get_verbosity()
        self._lines = 0

    @property
    def has_scrolled(self) -> bool:
        """Whether what was written first stands no longer on the terminal's screen; never for files and pipes."""
        # Pytest itself adds two lines at the end, and the shell its prompt.
        return rewrites(self._terminal) and self._lines + 3 > shutil.get_terminal_size().lines

    @property
    def width(self) -> int:
        """The columns of a line."""
        return width_for(self._terminal.config.get_terminal_writer().fullwidth)

    def title(self, text: str) -> None:
        """Begin a section, as pytest begins its own."""
        if self.verbosity >= 0:
            self._terminal.write_sep("=", shown(text, self._encoding))

    def write_lines(self, lines: Iterable[StyledText]) -> None:
        """Write texts, folded."""
        for styled in lines:
            text = shown(styled.text, self._encoding)
            for line in folded(text, self.width):
                self._write(line, styled)

    def table(self, rows: Sequence[Sequence[str]], *, dispensable: Sequence[str] = ()) -> None:
        """Write a table, the heads first; with -v no column is left out."""
        if self.verbosity > 0:
            dispensable = ()
        cells: list[list[str]] = []
        for row in rows:
            shown_row = [shown(cell, self._encoding) for cell in row]
            cells.append(shown_row)
        for line in table(cells, self.width, dispensable=dispensable):
            self._write(line)

    def _write(self, line: str, style: StyledText = _PLAIN) -> None:
        self._terminal.write_line(line, **style.markup)
        self._lines += 1


def encoding_of_output() -> str:
    """Return the encoding of pytest's output, even while output is captured."""
    if sys.__stdout__ is None:
        return "utf-8"
    return sys.__stdout__.encoding or "utf-8"


def rewrites(terminal: TerminalReporter) -> bool:
    """Whether a line can be rewritten: on a real terminal, not in a log with forced colours."""
    return bool(terminal.isatty) and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
