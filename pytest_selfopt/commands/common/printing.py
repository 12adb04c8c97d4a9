"""How commands print: answers to stdout, each line as soon as it is there; notes to stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TextIO

from pytest_selfopt.bounded_text import bounded
from pytest_selfopt.console.layout import width_for
from pytest_selfopt.console.output import JsonText, Printed, columns_of, laid_out


def output_width() -> int | None:
    """The width that lines on stdout are folded to: the terminal's, up to a hundred columns; None in a pipe."""
    return _width_of(sys.stdout)


def write_lines(printed: Iterable[Printed]) -> None:
    """Print parts of an answer, folded to the terminal, each as soon as it is there."""
    encoding = sys.stdout.encoding or "utf-8"
    for line in laid_out(printed, output_width(), encoding):
        print(line, flush=True)


def write_line(printed: Printed) -> None:
    """Print one part of an answer."""
    write_lines([printed])


def write_json(value: object) -> None:
    """Print an answer for programs."""
    import json

    text = json.dumps(value, indent=2)
    write_line(JsonText(text))


def write_note(text: str) -> None:
    """Print a sentence to stderr, which is no part of the answer."""
    width = _width_of(sys.stderr)
    encoding = sys.stderr.encoding or "utf-8"
    for line in laid_out([bounded(text)], width, encoding):
        print(line, file=sys.stderr)


def _width_of(stream: TextIO) -> int | None:
    if not stream.isatty():
        return None
    columns = columns_of(stream)
    return width_for(columns)
