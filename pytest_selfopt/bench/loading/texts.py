"""The text of a suite file."""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import Any

from pytest_selfopt.errors import SuiteError
from pytest_selfopt.strict_json import parse_json
from pytest_selfopt.suggest import did_you_mean_file

SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
HALF_A_CHARACTER = r"half a character: an escape from \ud800 to \udfff needs its other half, as in \ud83d\ude00"
_HALF = re.compile("[\ud800-\udfff]")
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(path: Path) -> str:
    """Read a file in UTF-8, with or without a byte order mark.

    Raises:
        SuiteError: if it cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise SuiteError(f"{path}: suite file not found{did_you_mean_file(path)}") from None
    except IsADirectoryError:
        raise SuiteError(f"{path}: is a folder, not a suite file") from None
    except OSError as problem:
        raise SuiteError(f"{path}: cannot be read: {problem.strerror}") from None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        reason = f"not valid UTF-8 (byte {problem.start})"
        if content.startswith(_UTF_16):
            reason = "is in UTF-16"
        raise SuiteError(f"{path.name}: {reason}; save it as UTF-8") from None


def whole_text(text: str) -> str:
    """Return a text with the halves of characters joined.

    Raises:
        ValueError: if a half stands alone, which no file and no database can hold.
    """
    if not _HALF.search(text):
        return text
    try:
        return text.encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError:
        raise ValueError(HALF_A_CHARACTER) from None


def whole_json(text: str) -> Any:
    """Parse a JSON text without halves of characters.

    Raises:
        ValueError: with the reason.
    """
    value = parse_json(text)
    if SURROGATE.search(text):
        _check_whole(value)
    return value


def _check_whole(value: Any) -> None:
    if isinstance(value, str):
        whole_text(value)
    elif isinstance(value, list):
        for item in value:
            _check_whole(item)
    elif isinstance(value, dict):
        for name, item in value.items():
            whole_text(name)
            _check_whole(item)
