"""A ledger as tests look at it, past the product."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path


@contextmanager
def open_ledger(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection to a ledger, which commits and is closed at the end.

    What `sqlite3.connect` gives does not close itself at the end of `with`. Its cache of statements refers to it, so
    it stays open until a garbage collection, and its write-ahead log vanishes then, perhaps while a test lists files.
    """
    with closing(sqlite3.connect(path)) as connection, connection:
        yield connection
