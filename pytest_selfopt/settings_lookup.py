"""The project of a session, a command or an application: the nearest folder upwards that has settings.

Standard library only, because applications ask it, too.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

CONFIG_FILE = "selfopt.toml"
PYPROJECT = "pyproject.toml"
STATE_DIR = ".selfopt"
ROUTING_FILE = "routing_config.json"

_REPOSITORY = (".git", ".hg")
"""What a repository's root has; `.git` is a file in worktrees and submodules."""


@dataclass(frozen=True, slots=True)
class ProjectChoice:
    """The folder of a project, which its state directory and its routing configuration follow."""

    folder: Path
    found: Path | None = None
    """What made it the project: its settings or, without any settings, its state; None without either."""
    unused: tuple[Path, ...] = ()
    """The settings (or the state) that other starting points lead to, and that are not used."""


def choose_project(starts: Sequence[Path], *, given: Path | None = None, default: Path) -> ProjectChoice:
    """Return the project that is nearest upwards from the first of `starts` that leads to one.

    A folder with settings is preferred to one that has only state. `given` is a folder that the user named: what it
    leads to is used without a word about others. Without settings and state it is `given`, or else `default`.
    """
    named = [given] if given is not None else []
    for mark, groups in ((settings_file, (named, starts)), (_state, (named or starts,))):
        for group in groups:
            found = _found(group, mark)
            if found:
                return ProjectChoice(found[0].parent, found[0], tuple(found[1:]))
    return ProjectChoice(given or default)


def _found(starts: Sequence[Path], mark: Callable[[Path], Path | None]) -> list[Path]:
    """Return what each start leads to, once each."""
    found: dict[Path, Path] = {}
    for start in starts:
        # A link belongs to where it stands; only if nothing is there, to what it points to.
        nearest = _nearest(start, mark) or _nearest(start.resolve(), mark)
        if nearest is not None:
            found.setdefault(nearest.resolve(), nearest)
    return list(found.values())


def _nearest(start: Path, mark: Callable[[Path], Path | None]) -> Path | None:
    return next(filter(None, map(mark, searched_folders(start))), None)


def searched_folders(start: Path) -> Iterator[Path]:
    """Yield a folder and those above it that are searched.

    The search ends with the root of a repository and with the home directory. It ends before a folder in which every
    user may put files, such as /tmp, because settings name what is imported and whom keys are sent to.
    """
    home = _home()
    # `resolve` would follow links.
    folder = Path(os.path.normpath(Path.cwd() / start))
    for above in (folder, *folder.parents):
        if above != folder and _is_shared(above):
            return
        yield above
        if os.path.realpath(above) == home or any(os.path.lexists(above / name) for name in _REPOSITORY):
            return


def _home() -> str:
    try:
        return os.path.realpath(Path.home())
    except RuntimeError:
        return ""  # A user that the system does not know has none.


def _is_shared(folder: Path) -> bool:
    """Whether every user may put files here; mounted folders may be open to all, but only shared ones are sticky."""
    try:
        mode = folder.stat().st_mode
    except OSError:
        return True
    return bool(mode & stat.S_IWOTH and mode & stat.S_ISVTX)


def settings_file(folder: Path) -> Path | None:
    """Return the file of a folder's settings, readable or not; None without any."""
    own, project = folder / CONFIG_FILE, folder / PYPROJECT
    if os.path.lexists(own):
        return own
    try:
        content = project.read_bytes()
    except OSError:
        # What may hold settings and cannot be read is refused where it is read.
        return project if os.path.lexists(project) else None
    # Most projects above have no settings, and need no parser.
    if b"selfopt" not in content or not _has_table(content):
        return None
    return project


def _has_table(content: bytes) -> bool:
    try:
        return pyproject_settings(_parsed(content)) is not None
    except (ValueError, RecursionError):
        return b"[tool.selfopt" in content


def _parsed(content: bytes) -> dict[str, object]:
    import tomllib  # An application without settings needs no parser.

    return tomllib.loads(content.decode("utf-8"))


def pyproject_settings(document: Mapping[str, object]) -> object:
    """Return `[tool.selfopt]` of a pyproject.toml, unchecked; None without it."""
    tool = document.get("tool")
    return tool.get("selfopt") if isinstance(tool, dict) else None


def routing_file() -> tuple[Path, str]:
    """Return the routing configuration for an application in this working directory, and what to say of the choice.

    It is that of the nearest project upwards, looked for once in each working directory, whether the file exists or
    not. Where the project has none, it is `routing_config.json` in the working directory. Never raises.
    """
    try:
        cwd = Path.cwd()
    except OSError:
        return Path(ROUTING_FILE), ""
    if cwd not in _routing_files:
        _routing_files[cwd] = _routing_file(cwd)
    return _routing_files[cwd]


_routing_files: dict[Path, tuple[Path, str]] = {}


def _routing_file(cwd: Path) -> tuple[Path, str]:
    choice = choose_project([cwd], default=cwd)
    try:
        named, note = _named_routing(choice), ""
    except (OSError, ValueError, RecursionError) as problem:
        named, note = ROUTING_FILE, f"{choice.found} cannot be read ({problem}), so {ROUTING_FILE} beside it is read"
    path, own = choice.folder / named, cwd / ROUTING_FILE
    if path == own:
        return Path(ROUTING_FILE), note
    if not own.exists():
        return path, note
    if not path.exists():
        return Path(ROUTING_FILE), f"{path}, which the settings in {choice.found} lead to, does not exist"
    return path, f"{ROUTING_FILE} in the working directory is not read: the settings in {choice.found} lead to {path}"


def _named_routing(choice: ProjectChoice) -> str:
    """Return the routing configuration that the settings of a project name."""
    if choice.found is None or choice.found.name not in (CONFIG_FILE, PYPROJECT):
        return ROUTING_FILE
    settings: object = _parsed(choice.found.read_bytes())
    if choice.found.name == PYPROJECT and isinstance(settings, dict):
        settings = pyproject_settings(settings)
    named = settings.get("routing") if isinstance(settings, dict) else None
    return named if isinstance(named, str) and named else ROUTING_FILE


def _state(folder: Path) -> Path | None:
    """Return what a folder has of a project's state; None without any."""
    for name in (ROUTING_FILE, STATE_DIR):
        if os.path.lexists(folder / name):
            return folder / name
    return None


def shown_path(path: Path, cwd: Path) -> str:
    """Return a path as a person would write it in `cwd`: relative within it and to the folders above it."""
    if path.is_relative_to(cwd) or cwd.is_relative_to(path.parent):
        return os.path.relpath(path, cwd)
    return str(path)
