"""The connection to a ledger's file, shared by all threads: transactions, rows, and steps over several of them."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from pytest_selfopt.deferred_signals import undisturbed
from pytest_selfopt.errors import StateError
from pytest_selfopt.ledger.schema import connect, why_unusable

PAGE_ROWS = 200
"""Rows read at a time when streaming."""
NO_VALUES = (ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError)
"""What reading values raises that no version wrote, such as those of a file with a changed byte."""
T = TypeVar("T")


class UnstorableError(StateError):
    """A value that no row can hold."""


class Database:
    """An open database.

    Raises (all methods):
        StateError: if the file cannot be read or written.
    """

    def __init__(self, path: Path) -> None:
        """Open or create the database at `path`."""
        self._path = path
        self._connection = connect(path)
        # One connection serves all threads; sqlite3 objects need this lock.
        self._turn = threading.Lock()
        self._in_step = False
        """Whether a step is open, whose writes are committed together."""

    def close(self) -> None:
        """Close the file; a second call is harmless."""
        with undisturbed, self._turn:
            self._connection.close()

    @contextmanager
    def step(self, step: str) -> Iterator[None]:
        """Commit what is written in the block together at its end, synced, under the id `step`; an exception undoes it.

        Only one thread may use the database meanwhile.
        """
        with self.synced():
            with self._reported():
                self._connection.execute("BEGIN IMMEDIATE")
            self._in_step = True
            try:
                yield
                with self._reported():
                    self._connection.execute("DELETE FROM step")
                    self._connection.execute("INSERT INTO step (id) VALUES (?)", (step,))
                    self._connection.execute("COMMIT")
            finally:
                self._in_step = False
                with self._reported():
                    if self._connection.in_transaction:
                        self._connection.execute("ROLLBACK")

    @contextmanager
    def synced(self) -> Iterator[None]:
        """Let what is committed in the block be on disk at once: files that belong to it are, too."""
        with self._reported():
            self._connection.execute("PRAGMA synchronous = FULL")
        try:
            yield
        finally:
            with self._reported():
                self._connection.execute("PRAGMA synchronous = NORMAL")

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Commit what is written in the block; an exception undoes it."""
        with undisturbed, self._turn, self._reported():
            if self._in_step:
                yield self._connection
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def _reported(self) -> Iterator[None]:
        """Report what SQLite cannot write as a `StateError`."""
        try:
            yield
        except sqlite3.DataError as problem:
            raise UnstorableError(f"the ledger {self._path} cannot hold a value: {problem}") from None
        except sqlite3.Error as problem:
            raise StateError(f"cannot write to the ledger {self._path}: {why_unusable(self._path, problem)}") from None

    def read(self, query: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        """Return all rows of a query."""
        with undisturbed, self._turn:
            try:
                return self._connection.execute(query, values).fetchall()
            except (sqlite3.Error, UnicodeDecodeError) as problem:
                raise self._unreadable(problem) from None

    def decoded(self, make: Callable[[sqlite3.Row], T], rows: Iterable[sqlite3.Row]) -> Iterator[T]:
        """Yield what `make` reads from each row; one that it cannot read is damaged."""
        for row in rows:
            try:
                value = make(row)
            except NO_VALUES as problem:
                raise self.damaged(f"{type(problem).__name__}: {problem}") from None
            yield value

    def damaged(self, why: str) -> StateError:
        """Return the error of values that no version wrote."""
        return damaged(self._path, why)

    def stream(self, query: str, values: Sequence[object]) -> Iterator[sqlite3.Row]:
        """Yield rows page by page, to bound memory."""
        try:
            with undisturbed, self._turn:
                cursor = self._connection.execute(query, values)
            while True:
                with undisturbed, self._turn:
                    page = cursor.fetchmany(PAGE_ROWS)
                if not page:
                    return
                yield from page
        except (sqlite3.Error, UnicodeDecodeError) as problem:
            raise self._unreadable(problem) from None

    def _unreadable(self, problem: sqlite3.Error | UnicodeDecodeError) -> StateError:
        return StateError(f"cannot read the ledger {self._path}: {why_unusable(self._path, problem)}")


def damaged(path: Path, why: str) -> StateError:
    """Return the error of values in the ledger at `path` that no version wrote."""
    return StateError(
        f"cannot read the ledger {path}: a row of it is damaged ({why}); "
        "put a copy in its place, or move it away to start a new one"
    )
