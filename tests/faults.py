"""Faults at every write of the state: kill -9, a write that fails once, or something that fails from then on.

Importing this counts the writes of the process to `.selfopt/` and the routing configuration, by file and SQL statement,
and lets the one named `FAULT_AT` fail as `FAULT` says: kill, once, or from then on a full disk (full), a read-only file
system (read-only) or no descriptor for anything (descriptors). `FAULT_LOG` is a file for the names of all.
"""

from __future__ import annotations

import errno
import os
import re
import resource
import signal
import sqlite3
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

STATE = (".selfopt", "routing_config")
_HERE = os.path.realpath(Path.cwd())
_STAGE = "proof" if os.environ.get("PYTEST_SELFOPT_CYCLE_OF") else "cycle"
_AT, _HOW, _LOG = os.environ.get("FAULT_AT"), os.environ.get("FAULT", "kill"), os.environ.get("FAULT_LOG")
_GROWING = ("fsync", "write", "link", "open", "sql")
"""What a full disk refuses; names can still be changed and removed."""
_SENTENCES = {
    "read-only": ("attempt to write a readonly database", sqlite3.SQLITE_READONLY),
    "descriptors": ("unable to open database file", sqlite3.SQLITE_CANTOPEN),
}
_NUMBERS = {"read-only": errno.EROFS, "descriptors": errno.EMFILE}
_counts = Counter[str]()
_turn = threading.Lock()
_lasting = threading.Event()
"""Whether what the fault says lasts: a full disk, a read-only file system."""


def _problem() -> OSError:
    number = _NUMBERS.get(_HOW, errno.ENOSPC)
    return OSError(number, os.strerror(number))


def _use_up_descriptors() -> None:
    """Let this process open nothing more, whatever it is: modules and folders, too."""
    opened = [int(entry.name) for entry in Path("/proc/self/fd").iterdir()]
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(opened), hard))
    # The highest of them was that of the listing; below the limit there may be gaps.
    while True:
        try:
            _real_open(os.devnull, os.O_RDONLY)
        except OSError:
            return


_real_open = os.open


def _fails(what: str, torn: Callable[[], object] | None = None) -> bool:
    """Count a write; kill the process at the chosen one, or say whether it fails."""
    with _turn:
        _counts[what] += 1
        point = f"{_STAGE} {_counts[what]} {what}"
        if _LOG:
            with Path(_LOG).open("a", encoding="utf-8") as log:
                log.write(f"{point}\n")
        if point == _AT:
            # Without descriptors, what is open already is written as ever.
            if torn is not None and _HOW != "descriptors":
                torn()
            if _HOW == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if _HOW in ("full", "read-only"):
                _lasting.set()
            if _HOW == "descriptors":
                _use_up_descriptors()
                # What is opened fails by itself; what is open already can be written.
                return what.startswith("open ")
            return True
        return _lasting.is_set() and (_HOW == "read-only" or what.startswith(_GROWING))


def _named(place: Any) -> str | None:
    """The name of a file of the state, without what differs between runs; None for any other."""
    if isinstance(place, int):
        try:
            place = Path(f"/proc/self/fd/{place}").readlink()
        except OSError:
            return None
    path = Path(_HERE, os.fspath(place))
    inside = str(path).startswith(_HERE) and (STATE[0] in path.parts or STATE[1] in path.name)
    if not inside or "sqlite" in path.name or "reports" in path.parts:
        return None
    if not path.name.endswith(".tmp"):
        return path.name
    return re.sub(r"\.[0-9a-z_]+(\.old)?\.tmp$", r"\1.tmp", path.name)


def _stand_in(name: str, where: int) -> None:
    real = getattr(os, name)

    def stand_in(*arguments: Any, **options: Any) -> Any:
        file = _named(arguments[where])
        if file is None:
            return real(*arguments, **options)
        if name == "write":
            half = bytes(arguments[1])[: len(arguments[1]) // 2]
            if _fails(f"write half of {file}", lambda: real(arguments[0], half)):
                raise _problem()
        if _fails(f"{name} {file}"):
            raise _problem()
        return real(*arguments, **options)

    setattr(os, name, stand_in)


class _Connection(sqlite3.Connection):
    """A connection whose writing statements can fail."""

    last = ""

    def execute(self, query: str, *arguments: Any) -> sqlite3.Cursor:
        if not query.startswith(("SELECT", "PRAGMA", "BEGIN", "ROLLBACK")):
            self.last = f"after {self.last}" if query == "COMMIT" else " ".join(query.split()[:3])
            self._arrive(self.last)
        return super().execute(query, *arguments)

    def executemany(self, query: str, *arguments: Any) -> sqlite3.Cursor:
        self.last = " ".join(query.split()[:4])
        self._arrive(f"many {self.last}")
        return super().executemany(query, *arguments)

    def _arrive(self, what: str) -> None:
        if _fails(f"sql {what}"):
            sentence, code = _SENTENCES.get(_HOW, ("database or disk is full", sqlite3.SQLITE_FULL))
            problem = sqlite3.OperationalError(sentence)
            problem.sqlite_errorcode = code
            raise problem


def _opened(event: str, seen: Any) -> None:
    if event != "open" or not isinstance(seen[0], str | bytes) or not seen[2]:
        return
    if seen[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        file = _named(os.fsdecode(seen[0]))
        if file is not None and _fails(f"open {file}"):
            raise _problem()


for _name, _where in (
    ("replace", 1),
    ("rename", 0),
    ("fsync", 0),
    ("write", 0),
    ("unlink", 0),
    ("link", 1),
    ("truncate", 0),
    ("ftruncate", 0),
):
    _stand_in(_name, _where)
_connect = sqlite3.connect
sqlite3.connect = lambda *arguments, **options: _connect(*arguments, **{"factory": _Connection, **options})
sys.addaudithook(_opened)

if __name__ == "__main__":
    from pytest_selfopt.cli import main

    sys.exit(main(sys.argv[1:]))
