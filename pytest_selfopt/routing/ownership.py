"""Whose a file or folder is that this user may not use."""

from __future__ import annotations

import errno
import os
import pwd
from pathlib import Path

from pytest_selfopt.errors import StateError


def reason(problem: OSError, path: Path) -> str:
    """Say why a file cannot be used, and whose it or its folder is if that is another user's."""
    said = problem.strerror or str(problem)
    if problem.errno in (errno.EACCES, errno.EPERM):
        said += owner_note(path)
    return said


def owner_note(path: Path) -> str:
    """Return " (it belongs to user ann)" about the first of a path and its parents that can be seen; empty if ours."""
    for place in (path, *path.parents):
        try:
            owner = place.stat().st_uid
        except OSError:
            continue
        if owner == os.geteuid():
            return ""
        which = "it"
        if place != path:
            which = str(place)
        return f" ({which} belongs to user {_name(owner)}, and this is user {_name(os.geteuid())})"
    return ""


def is_closed(state_dir: Path) -> bool:
    """Whether this user may not look into a state directory that is there."""
    try:
        (state_dir / "journal.json").stat()
    except PermissionError:
        return True
    except OSError:
        return False
    return False


def require_access(state_dir: Path) -> None:
    """Refuse a state directory that this user may not look into.

    Raises:
        StateError: if so.
    """
    if is_closed(state_dir):
        raise StateError(
            f"cannot read the state directory {state_dir}: {os.strerror(errno.EACCES)}{owner_note(state_dir)}; "
            "run this as its owner, or name another by --selfopt-state-dir (of commands: --state-dir)"
        )


def _name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)
