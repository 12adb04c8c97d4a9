"""Files that hold values of promptfoo's variables and assertions."""

from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

from pytest_selfopt.bench.call_format import show
from pytest_selfopt.bench.importing.javascript import WHITE_SPACE, dated, javascript_json, javascript_key
from pytest_selfopt.bench.loading.texts import read_text
from pytest_selfopt.bench.loading.yaml_files import YamlProblem, read_yaml
from pytest_selfopt.errors import SuiteError

_FILE = "file://"
_YAML = (".yaml", ".yml")
_WILDCARDS = frozenset("*?[{!(")
_NO_TEXT = (
    *(".js", ".cjs", ".mjs", ".ts", ".cts", ".mts", ".py", ".rb", ".pdf"),
    *(".jpg", ".jpeg", ".png", ".gif", ".bmp", ".webp", ".svg", ".tif", ".tiff", ".ico", ".avif", ".heic", ".heif"),
    *(".mp4", ".webm", ".ogg", ".mov", ".avi", ".wmv", ".mkv", ".m4v"),
    *(".wav", ".mp3", ".m4a", ".flac", ".aac", ".opus", ".wma", ".aiff"),
)


def variable_in(name: str, named: str, folder: Path) -> str:
    """Return the value of a variable that names a file: its text, or in JSON what a file of YAML says.

    Raises:
        ValueError: with the reason, if it cannot be read, or is made by a program.
    """
    whose = f"the variable {name!r}"
    path = _path(whose, named, folder)
    if path.suffix in _YAML:
        return javascript_json(_yaml(whose, path))
    return _text(whose, path).strip(WHITE_SPACE)


def value_in(kind: str, named: str, folder: Path) -> Any:
    """Return the value of an assertion that names a file: of JSON or YAML what it says, else its text.

    Raises:
        ValueError: with the reason, if it cannot be read, or is made by a program.
    """
    whose = f"the value of the assertion {kind!r}"
    path = _path(whose, named, folder)
    if path.suffix in (*_YAML, ".json"):
        return _yaml(whose, path)
    if path.suffix == ".txt":
        return _text(whose, path).strip(WHITE_SPACE)
    raise ValueError(f"{whose} is in {show(named)}; files of values end with .json, .yaml, .yml or .txt")


def object_in(whose: str, named: str, folder: Path) -> Any:
    """Return what a file of YAML or JSON says; `whose` begins sentences about it.

    Raises:
        ValueError: with the reason, if it cannot be read.
    """
    path = _path(whose, named, folder)
    if path.suffix not in (*_YAML, ".json"):
        raise ValueError(f"{whose} is in another file, {named!r}, which is neither YAML nor JSON")
    return _yaml(whose, path)


def _path(whose: str, named: str, folder: Path) -> Path:
    name = named.removeprefix(_FILE)
    suffix = PurePosixPath(name.partition(":")[0]).suffix.lower()
    if not named.startswith(_FILE) or suffix in _NO_TEXT:
        raise ValueError(f"{whose} is in another file, {named!r}, which is no text")
    if not _WILDCARDS.isdisjoint(name):
        raise ValueError(f"{whose} names several files, {named!r}")
    return folder / name


def _text(whose: str, path: Path) -> str:
    try:
        if not path.is_file():
            raise ValueError(f"{whose} is in a file that does not exist, {show(path.name)}")
        return read_text(path)
    except OSError as problem:
        raise ValueError(f"{whose} is in {show(path.name)}, which cannot be read: {problem.strerror}") from None
    except SuiteError as problem:
        raise ValueError(f"{whose} is in another file: {problem}") from None


def _yaml(whose: str, path: Path) -> Any:
    try:
        return read_yaml(_text(whose, path), name_key=javascript_key, plain_text=dated).value
    except YamlProblem as problem:
        raise ValueError(f"{whose} is in {show(path.name)}, which cannot be read: {problem}") from None
