"""Looks for a key in texts and files, by the standard library's own decoders: not as the product does it."""

from __future__ import annotations

import base64
import binascii
import contextlib
import html
import json
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

MOST_DEPTH = 12


def is_in(key: str, text: str) -> bool:
    """Whether a text has a key, or anything that can be decoded to one."""
    texts = {text}
    for _ in range(MOST_DEPTH):
        if any(key in one for one in texts):
            return True
        # What is encoded has one of these, or a long word.
        texts = {inner for one in texts for inner in _decoded(one, len(key)) if len(inner) >= len(key)} - texts
    return False


def _decoded(text: str, shortest: int) -> Iterator[str]:
    yield html.unescape(text)
    yield unquote(text, "latin-1")
    yield text.replace("\0", "").replace("\ufffd", "")
    if re.search(r"\\[ux/]", text):
        yield re.sub(r"\\(u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|.)", _unescaped, text)
    words = re.findall(rf"[\w+/-]{{{shortest},}}", text, re.ASCII)
    for start in range(4):
        inner = [_from_base64(word[start:]) for word in words]
        if inner:
            yield " ".join(inner)
    for word in words:
        with contextlib.suppress(binascii.Error, ValueError):
            yield bytes.fromhex(word).decode("latin-1")


def _unescaped(match: re.Match[str]) -> str:
    if match[1][0] in "ux" and match[1][1:]:
        return chr(int(match[1][1:], 16))
    return json.loads(f'"{match[0]}"') if match[1] in 'nrtbf"\\/' else match[1]


def _from_base64(word: str) -> str:
    word = word.replace("-", "+").replace("_", "/")
    word = word[: len(word) // 4 * 4]
    return base64.b64decode(word).decode("latin-1")


def files_with(key: str, folder: Path) -> list[str]:
    """The files below a folder that have a key in any form; a database is read row by row, too."""
    files = filter(Path.is_file, sorted(folder.rglob("*")))
    return [str(path.relative_to(folder)) for path in files if any(is_in(key, text) for text in _texts_of(path))]


def _texts_of(path: Path) -> Iterator[str]:
    # Lines, because a page's programs have thousands of escapes.
    content = path.read_bytes()
    yield from content.decode("latin-1").split("\n")
    if path.suffix == ".sqlite":
        with contextlib.closing(sqlite3.connect(path)) as ledger:
            yield from ledger.iterdump()
