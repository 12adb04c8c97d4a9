"""The text of a suite file."""

from __future__ import annotations

import codecs
from pathlib import Path

from pytest_selfopt.errors import SuiteError

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(path: Path) -> str:
    """Read a file in UTF-8, with or without a byte order mark.

    Raises:
        SuiteError: if it cannot be read.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise SuiteError(f"{path}: suite file not found") from None
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
