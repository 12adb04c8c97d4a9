"""The files in which promptfoo's prompts stand."""

from __future__ import annotations

import re
from pathlib import Path

from pytest_selfopt.bench.call_format import show
from pytest_selfopt.bench.loading.texts import read_text
from pytest_selfopt.errors import SuiteError

_FILE = "file://"
_TEXT = ".txt"
_READABLE = (_TEXT, ".md", ".json")
_OTHERS = (".j2", ".jsonl", ".yaml", ".yml", ".csv")
_PROGRAMS = (".py", ".js", ".cjs", ".mjs", ".ts", ".cts", ".mts", ".sh", ".rb")
_SERVERS = ("portkey://", "langfuse://", "helicone://", "package:")
_PROGRAM = "exec:"
_BETWEEN = re.compile(r"^[^\S\n]*---[^\S\n]*$", re.MULTILINE)


def is_elsewhere(text: str) -> bool:
    """Whether a prompt names a file, a program or a server: promptfoo looks for one first."""
    if text.startswith((_FILE, _PROGRAM, *_SERVERS)):
        return True
    words = text.split()
    if len(words) != 1 or "{{" in text:
        return False
    endings = (*_READABLE, *_OTHERS, *_PROGRAMS)
    return text.endswith(endings) or text.partition(":")[0].endswith(endings)


def prompts_in(named: str, folder: Path) -> list[str]:
    """Return the prompts of the file that a prompt of a configuration in `folder` names.

    Raises:
        ValueError: with the reason, if it names none that can be read.
    """
    name = named.removeprefix(_FILE)
    if named.startswith(_SERVERS):
        raise ValueError(f"the prompt {show(named)} is on a server")
    if named.startswith(_PROGRAM) or name.endswith(_PROGRAMS) or name.rpartition(":")[0].endswith(_PROGRAMS):
        raise ValueError(f"the prompt {show(named)} is made by a program")
    if "*" in name or not name.endswith(_READABLE):
        raise ValueError(f"the prompt {show(named)} is no single file with the ending {', '.join(_READABLE)}")
    text = _content(folder / name, named)
    if name.endswith(_TEXT):
        return _parts(text, named)
    if name.endswith(".json") and _FILE in text:
        raise ValueError(f"the prompt {show(named)} is in several files")
    return [text]


def _parts(text: str, named: str) -> list[str]:
    """Return the prompts of a text, between which lines of three hyphens stand."""
    parts = list(filter(None, map(str.strip, _BETWEEN.split(text))))
    if not parts:
        raise ValueError(f"there is no prompt in {show(named)}")
    return parts


def _content(path: Path, named: str) -> str:
    try:
        if not path.is_file():
            raise ValueError(f"there is no file {show(named)}")
        return read_text(path).replace("\r\n", "\n")
    except OSError as problem:
        raise ValueError(f"{show(named)} cannot be read: {problem.strerror}") from None
    except SuiteError as problem:
        raise ValueError(str(problem)) from None
