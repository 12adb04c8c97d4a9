"""Reading files of which nobody knows what stands in their place; the standard library only."""

from __future__ import annotations

import errno
import stat
from pathlib import Path


def require_regular(path: Path) -> None:
    """Refuse what is neither a file nor a folder: reading a pipe or a device may never end.

    Raises:
        OSError: if it is something else, or is not there.
    """
    mode = path.stat().st_mode
    if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
        raise OSError(errno.EINVAL, "it is not a regular file", str(path))


def read_regular(path: Path) -> bytes:
    """Read a file whole.

    Raises:
        OSError: if it cannot be read, or is no regular file.
    """
    require_regular(path)
    return path.read_bytes()
