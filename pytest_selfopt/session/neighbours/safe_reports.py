"""What a test prints and asserts may hold the text of a model: reports show it without hidden signs, commands and keys.

pytest prints captured output, assertion texts and tracebacks as they are, to terminals and into the logs of build
servers, which obey lines such as ::error::. The classes are those of pytest 8.4, 9.0 and 9.2 (`_pytest._code.code`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any
from warnings import WarningMessage

import pytest
from _pytest._code import code

from pytest_selfopt.console.sanitize import harmless
from pytest_selfopt.session.options import terminal_of

_ONE = "(?:0?[0-4]|2[2-4]|[349][0-7]|[34]9|10[0-7])"
_COLOUR = re.compile(rf"(\x1b\[(?:{_ONE}(?:;{_ONE})*)?m)")
"""The codes by which pytest colours a difference; none of them hides anything or moves the cursor."""
_SHOWN = code.__name__


def make_safe(report: pytest.TestReport, config: pytest.Config) -> None:
    """Make all texts of a report harmless that pytest prints; what pytest has coloured itself stays so."""
    make = harmless
    terminal = terminal_of(config)
    if terminal is not None and terminal.hasmarkup:
        make = _defused_but_colours
    report.sections[:] = [(title, make(_with_plain_breaks(text))) for title, text in report.sections]
    if report.failed or report.skipped:
        report.longrepr = _made(report.longrepr, make)
    if hasattr(report, "wasxfail"):
        report.wasxfail = make(str(report.wasxfail))


def make_warning_safe(warning: WarningMessage) -> None:
    """Make the text of a warning harmless before pytest and its plugins render it; its category stays."""
    text = str(warning.message)
    shown = harmless(text)
    if shown != text:
        warning.message = UserWarning(shown)


def _made(value: Any, make: Callable[[str], str]) -> Any:
    """Return a text, or a collection of them, made harmless; what pytest shows is changed in place."""
    if isinstance(value, str):
        return make(value)
    if isinstance(value, tuple):
        return tuple(_made(part, make) for part in value)
    if isinstance(value, list):
        value[:] = [_made(part, make) for part in value]
    elif type(value).__module__ == _SHOWN:
        for name, part in vars(value).items():
            setattr(value, name, _made(part, make))
    return value


def _with_plain_breaks(text: str) -> str:
    return text.replace("\r\n", "\n")


def _defused_but_colours(text: str) -> str:
    pieces = _COLOUR.split(text)
    pieces[::2] = map(harmless, pieces[::2])
    return "".join(pieces)
