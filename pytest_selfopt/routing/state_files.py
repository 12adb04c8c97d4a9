"""The files of the state directory: nobody else may read them, and no link is followed.

They hold what servers answered. The state directory itself may be a link: that is the choice of whoever made it.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

from pytest_selfopt.errors import StateError

FOLDER_MODE = 0o700
FILE_MODE = 0o600
_OTHERS = 0o077


def open_state_file(path: Path, flags: int) -> int:
    """Open a file of the state directory and return its descriptor; a new one can be read by its owner only.

    An older one that others could read no longer can. A stricter umask is kept. No link is followed, and nothing
    but a file is opened, so that opening never waits.

    Raises:
        StateError: if it is a link, or no file.
        OSError: if it cannot be opened.
    """
    try:
        handle = os.open(path, flags | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, FILE_MODE)
    except OSError as problem:
        if problem.errno in (errno.ELOOP, errno.EMLINK):
            require_no_link(path)
        raise
    try:
        state = os.fstat(handle)
        _require_file(path, state)
        if _is_open_to_others(state):
            with contextlib.suppress(OSError):  # Not every file system supports this.
                os.fchmod(handle, stat.S_IMODE(state.st_mode) & ~_OTHERS)
    except BaseException:
        os.close(handle)
        raise
    return handle


def read_state_file(path: Path) -> bytes:
    """Read a file of the state directory.

    Raises:
        StateError: if it is a link, or no file.
        OSError: if it cannot be read.
    """
    with os.fdopen(open_state_file(path, os.O_RDONLY), "rb") as file:
        return file.read()


def require_no_link(path: Path) -> None:
    """Refuse a symbolic link in the state directory.

    Raises:
        StateError: if it is one.
    """
    if path.is_symlink():
        raise StateError(
            f"{path} is a symbolic link, and links in the state directory are not followed; put the real one there "
            "(the directory as a whole may be a link)"
        )


def make_state_folder(folder: Path) -> None:
    """Make a folder that only its owner can enter, and those above it; one that is there stays as it is.

    Raises:
        OSError: if it cannot be made.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    folder.mkdir(mode=FOLDER_MODE, exist_ok=True)


def make_folder_within(folder: Path) -> None:
    """Make a folder in the state directory, and the directory itself if there is none.

    Raises:
        StateError: if it is a link.
        OSError: if it cannot be made.
    """
    require_no_link(folder)
    make_state_folder(folder.parent)
    make_state_folder(folder)


def close_to_others(path: Path) -> None:
    """Let only its owner use a folder or a file that is there, if it is our own, without opening it."""
    with contextlib.suppress(OSError):  # Not every file system supports this.
        state = path.stat()
        if _is_open_to_others(state):
            path.chmod(stat.S_IMODE(state.st_mode) & ~_OTHERS)


def secure_database(path: Path, beside: tuple[str, ...]) -> None:
    """Make a database's file if there is none, and close it to others, with the files that end in `beside`.

    An existing file is not opened: to close it again would free the locks that this process has on it.

    Raises:
        StateError: if one of them is a link, or no file.
        OSError: if one of them cannot be made.
    """
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, FILE_MODE))
    for name in (path, *(path.with_name(path.name + suffix) for suffix in beside)):
        try:
            state = name.lstat()
        except FileNotFoundError:
            continue
        require_no_link(name)
        _require_file(name, state)
        close_to_others(name)


def _is_open_to_others(state: os.stat_result) -> bool:
    return bool(state.st_mode & _OTHERS) and state.st_uid == os.geteuid()


def _require_file(path: Path, state: os.stat_result) -> None:
    if stat.S_ISDIR(state.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    if not stat.S_ISREG(state.st_mode):
        raise StateError(f"{path} is no file; move it away")
