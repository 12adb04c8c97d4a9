"""Texts by which a model or a file would command a terminal or a build server, and what of that an output has."""

from __future__ import annotations

import re

COMMANDS = (
    "::error file=a.py,line=1::taken",
    "::add-mask::taken",
    "  \t::SET-OUTPUT name=a::taken",
    "\N{NO-BREAK SPACE}::warning::taken",
    "\N{IDEOGRAPHIC SPACE}::group::taken",
    "##[error]taken",
    "before ##[command]taken",
    "a###vso[task.setvariable variable=a]taken",
    "##VSO[task.complete result=Failed]taken",
    "##teamcity[testFailed name='a']",
    f"{'a' * 74}::error::taken",
    f"{'a' * 75}:::error::taken",
)
"""Lines that build servers obey: those of GitHub where they begin, the others anywhere."""
CONTROLS = (
    *("\x1b[2J", "\x1b]0;taken\x07", "\x1b[8mhidden\x1b[0m", "\x9b2J"),
    *("a\x00b", "a\x08b", "a\r::error::taken", "\u202etxt"),
)
"""Characters that command a terminal, or hide text on it."""
TEXT = "\n".join((*COMMANDS, *CONTROLS))
"""All of them, as one text of several lines."""

_OBEYED = re.compile(r"##(?:\[|vso\[|teamcity\[)|^\s*::[a-z]", re.IGNORECASE)
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e]")


def harm_in(output: str) -> list[str]:
    """Return the lines of an output that a build server would obey, or that have control characters."""
    lines = output.replace("\r\n", "\n").split("\n")
    return [line for line in lines if obeyed(line) or _CONTROL.search(line)]


def obeyed(line: str) -> bool:
    """Whether a build server would obey a line."""
    return _OBEYED.search(line) is not None
