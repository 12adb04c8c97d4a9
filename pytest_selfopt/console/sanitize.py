"""Texts of models and files made harmless: hidden characters visible, no commands to a build server, no secrets."""

from __future__ import annotations

import re

from pytest_selfopt.redaction.known import redact_written

# Cc except tab and line feed, Cs, line separators, and Default_Ignorable_Code_Point of Unicode 16, except for one
# variation selector 16 after a character: emoji need it, and it can hide nothing.
_HIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e"
    "\u2060-\u206f\u3164\ufe00-\ufe0e\ufeff\uffa0\ufff0-\ufffb\ud800-\udfff\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
    "|(?<![^\ufe00-\ufe0f])\ufe0f"
)
# GitHub and Azure read ##[…], Azure ##vso[…] and TeamCity ##teamcity[…] anywhere in a line.
_COMMAND_ANYWHERE = re.compile(r"#(?=#(?:\[|vso\[|teamcity\[))", re.IGNORECASE)
# GitHub reads ::command:: where a line begins, after any blanks, and ends lines at a carriage return, too.
_COMMAND_OF_LINE = re.compile(r"(?:^|(?<=\r))([^\S\r\n]*):(?=:[a-z])", re.IGNORECASE | re.MULTILINE)
# A line that is going to be folded may begin after any of these.
_COMMAND_OF_FOLDED_LINE = re.compile(r"(?:^|(?<=[\s/\\,;:=])):(?=:[a-z])", re.IGNORECASE)


def visible(text: str) -> str:
    """Replace hidden characters in a text with their code points, such as ⟨U+202E⟩.

    Hidden characters are control characters other than tab and line feed, marks of text direction, zero-width
    characters, and lone surrogates.
    """
    return _HIDDEN.sub(_code_point, text)


def defused(text: str) -> str:
    """Make hidden characters in a text visible, and break the commands to build servers in it, such as ::error::."""
    return without_commands(visible(text))


def without_commands(text: str) -> str:
    """Break the commands to build servers in a text, and leave the rest as it is."""
    return _COMMAND_OF_LINE.sub(r"\1⟨U+003A⟩", without_marked_commands(text))


def harmless(text: str) -> str:
    """Make a text as it may be shown: without secrets, with hidden characters visible, and without commands."""
    return defused(redact_written(text))


def defused_line(text: str) -> str:
    """Break the commands to build servers in a text of one line, wherever it may be folded."""
    return _COMMAND_OF_FOLDED_LINE.sub("⟨U+003A⟩", without_marked_commands(text))


def without_marked_commands(text: str) -> str:
    """Break the commands that build servers read anywhere in a line, such as ##[error]."""
    return _COMMAND_ANYWHERE.sub("⟨U+0023⟩", text)


def defused_json(text: str) -> str:
    """Spell hidden characters, and commands to build servers, in a JSON text by its own escapes: its value stays."""
    escaped = _HIDDEN.sub(_json_escape, text)
    return _COMMAND_ANYWHERE.sub(r"\\u0023", escaped)


def _code_point(match: re.Match[str]) -> str:
    return f"⟨U+{ord(match[0]):04X}⟩"


def _json_escape(match: re.Match[str]) -> str:
    units = match[0].encode("utf-16-be", "surrogatepass").hex()
    return "".join(f"\\u{units[at : at + 4]}" for at in range(0, len(units), 4))
