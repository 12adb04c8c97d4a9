"""Escaping of untrusted texts for Markdown: none can become a table, link, image, HTML, or mention."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pytest_selfopt.console.sanitize import defused

_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
# Nothing can be escaped in code.
_UNQUOTED = str.maketrans({"`": "’", "|": "¦"})
# An underscore within a word has no meaning, and names are full of them; a final hash would close a heading.
_SPECIAL = re.compile(r"[<>&|\[\]`*~\\]|(?<![^\W_])_|_(?![^\W_])|#$")
# GitHub turns bare addresses into links and notifies mentioned users.
_ADDRESS = re.compile(r"(?i)(?<![a-z])(?:(https?|ftp|mailto|xmpp):|(www)\.)")
_MENTION = re.compile(r"@(?=\S)")
_OPENING = re.compile(r"^(\d*)([#+\-=:.)])")
_LEFT_OUT = "\nThe rest is left out here because it is too long; the page has it.\n"
_LONGEST_FENCE = 4096
LONGEST = 2000
"""The maximum length of a text in characters, including visible code points."""


def plain(text: str) -> str:
    """Escape a text and put it on one line."""
    escaped = _SPECIAL.sub(_escaped_sign, _short_line(text))
    unlinked = _ADDRESS.sub(_escaped_address, escaped)
    return _MENTION.sub("@<!-- -->", unlinked)


def _short_line(text: str) -> str:
    line = " ".join(text.split())
    return cut(line, LONGEST)


def _escaped_sign(match: re.Match[str]) -> str:
    sign = match[0]
    return _ENTITIES.get(sign, f"\\{sign}")


def _escaped_address(match: re.Match[str]) -> str:
    scheme, host = match[1], match[2]
    if scheme:
        return f"{scheme}\\:"
    return f"{host}\\."


def paragraph(text: str) -> str:
    """Escape a text that begins a line, so that it is no heading, list or rule."""
    return _OPENING.sub(r"\1\\\2", plain(text))


def code(text: str) -> str:
    """Format a short text as code."""
    return f"`{_short_line(text).translate(_UNQUOTED)}`"


def block(text: str) -> list[str]:
    """Return the lines of a text as a code block, with a fence longer than any in it."""
    longest = max(map(len, re.findall("`{3,}", text)), default=2)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", *defused(text).split("\n"), fence]


def whole(lines: Iterable[str], most: int) -> str:
    """Join lines to a document of at most `most` bytes: the rest is left out, and an open code block is closed."""
    kept: list[str] = []
    fence = ""
    left = most - len(_LEFT_OUT.encode()) - _LONGEST_FENCE
    for line in "\n".join(lines).split("\n"):
        left -= len(line.encode()) + 1
        if left < 0:
            if fence:
                kept.append(fence)
            return "\n".join([*kept, _LEFT_OUT])
        kept.append(line)
        fence = _fence_after(line, fence)
    return "\n".join(kept) + "\n"


def _fence_after(line: str, fence: str) -> str:
    """Return the fence of the code block that is open after a line; empty if none is."""
    if line == fence:
        return ""
    if fence or not line.startswith("```"):
        return fence
    return line[: len(line) - len(line.lstrip("`"))]


def table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """Return the lines of a table; a sentence if there are no rows."""
    lines = list(map(_row, rows))
    if not lines:
        return ["Nothing was measured."]
    rule = " | ".join(["---"] * len(names))
    return [_row(names), f"| {rule} |", *lines]


def cut(text: str, most: int) -> str:
    """Cut a text to at most `most` characters and an ellipsis, with hidden characters made visible."""
    shown = defused(text[: most + 1])
    if len(shown) <= most:
        return shown
    return f"{shown[:most]}…"


def _row(cells: Sequence[str]) -> str:
    line = " | ".join(map(plain, cells))
    return f"| {line} |"
