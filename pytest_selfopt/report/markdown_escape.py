"""Untrusted texts in Markdown: none of them can become a table, a link, a picture, HTML, or a mention."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pytest_selfopt.console.sanitize import visible

_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}
# In code nothing can be escaped.
_UNQUOTED = str.maketrans({"`": "’", "|": "¦"})
# Within a word an underscore means nothing, and names are full of them; a hash at the end would end a heading.
_SPECIAL = re.compile(r"[<>&|\[\]`*~\\]|(?<![^\W_])_|_(?![^\W_])|#$")
# GitHub makes links of bare addresses, and notifies users who are mentioned.
_ADDRESS = re.compile(r"(?i)(?<![a-z])(?:(https?|ftp|mailto|xmpp):|(www)\.)")
_MENTION = re.compile(r"@(?=\S)")
_OPENING = re.compile(r"^(\d*)([#+\-=:.)])")
_LEFT_OUT = "\nWhat follows is left out here, because it is too long; the page has it.\n"
_LONGEST_FENCE = 4096
LONGEST = 2000
"""Of a text, in characters, with those that are shown by their code point."""


def plain(text: str) -> str:
    """A text on one line that is nothing but text."""
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
    """A text that begins a line, where signs mean more: it becomes no heading, list or rule."""
    return _OPENING.sub(r"\1\\\2", plain(text))


def code(text: str) -> str:
    """A short text as code."""
    return f"`{_short_line(text).translate(_UNQUOTED)}`"


def block(text: str) -> list[str]:
    """The lines of a text as a block of code, whatever fences are in it."""
    longest = max(map(len, re.findall("`{3,}", text)), default=2)
    fence = "`" * max(3, longest + 1)
    return [f"{fence}text", *visible(text).split("\n"), fence]


def whole(lines: Iterable[str], most: int) -> str:
    """Lines as a document of at most so many bytes: what is more is left out, and a block of code is ended."""
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
    """The fence of the block of code that is open after a line; empty where none is."""
    if line == fence:
        return ""
    if fence or not line.startswith("```"):
        return fence
    return line[: len(line) - len(line.lstrip("`"))]


def table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    """The lines of a table; without rows, a sentence."""
    lines = list(map(_row, rows))
    if not lines:
        return ["Nothing was measured."]
    rule = " | ".join(["---"] * len(names))
    return [_row(names), f"| {rule} |", *lines]


def cut(text: str, most: int) -> str:
    """A text with what it hides made visible; at most so many characters of it, and an ellipsis."""
    shown = visible(text[: most + 1])
    if len(shown) <= most:
        return shown
    return f"{shown[:most]}…"


def _row(cells: Sequence[str]) -> str:
    line = " | ".join(map(plain, cells))
    return f"| {line} |"
