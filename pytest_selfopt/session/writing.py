"""Writing on pytest's terminal: in its width, in signs that it can show, with nothing in a text that controls it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING

from pytest_selfopt.report.columns import folded, in_encoding
from pytest_selfopt.report.visible import visible

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

WIDEST = 100
"""Longer lines are hard to read."""
NARROWEST = 30


class Page:
    """What is written for people; `loudness` is pytest's verbosity: 0, more with -v, less with -q."""

    def __init__(self, terminal: TerminalReporter) -> None:
        self._terminal = terminal
        self.loudness = terminal.config.get_verbosity()

    @property
    def width(self) -> int:
        """Characters of a line."""
        return width_of(self._terminal)

    def title(self, text: str) -> None:
        """Begin a section, as pytest begins its own."""
        if self.loudness >= 0:
            self._terminal.write_sep("=", shown(text))

    def say(self, text: str, **markup: bool) -> None:
        """Write a text, folded."""
        for line in folded(shown(text), self.width):
            self._terminal.write_line(line, **markup)

    def rows(self, lines: Iterable[str]) -> None:
        """Write lines that are laid out already."""
        for line in lines:
            self._terminal.write_line(shown(line))


def width_of(terminal: TerminalReporter) -> int:
    """How wide lines may be on a terminal."""
    return max(NARROWEST, min(WIDEST, terminal.config.get_terminal_writer().fullwidth))


def shown(text: str) -> str:
    """A text as the terminal can show it, whatever is in it."""
    # What pytest writes to is a copy of this one, whatever captures output now.
    stream = sys.__stdout__
    return in_encoding(visible(text), (stream.encoding if stream is not None else None) or "utf-8")


def rewrites(terminal: TerminalReporter) -> bool:
    """Whether a line can be written over: on a real terminal, not in a log that was told to have colours."""
    return bool(terminal.isatty) and os.environ.get("TERM") != "dumb"
