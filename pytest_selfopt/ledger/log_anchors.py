"""What the ledger knows of the decisions log: the hash of each of its lines."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_selfopt.ledger.database import Database
from pytest_selfopt.routing.decision_chain import Anchor

_ADD = "INSERT INTO log_line (number, hash, expected) SELECT max(number) + 1, ?, ? FROM log_line"


class LogAnchors:
    """The lines of the decisions log in an open ledger.

    Raises (all methods):
        StateError: if the ledger cannot be read or written.
    """

    def __init__(self, database: Database) -> None:
        """Use an open database."""
        self._database = database

    def read(self) -> Anchor | None:
        """Return what is known; None if an earlier version made the ledger, which takes over the log once."""
        rows = self._database.read("SELECT hash, expected FROM log_line ORDER BY number")
        if not rows:
            return None
        # Row 0 stands for the beginning, so that a ledger that knows no lines differs from one that was never asked.
        hashes = tuple(row["hash"] for row in rows[1:])
        expected = rows[-1]["expected"]
        if not all(isinstance(hashed, str) for hashed in hashes) or not isinstance(expected, str | None):
            raise self._database.damaged("table log_line")
        return Anchor(hashes=hashes, expected=expected)

    def extend(self, hashes: Iterable[str]) -> None:
        """Add lines after those that are known."""
        with self._database.writing() as connection:
            for hashed in hashes:
                connection.execute(_ADD, (hashed, None))

    def replace(self, hashes: Iterable[str]) -> None:
        """Know these lines, and no others."""
        with self._database.writing() as connection:
            connection.execute("DELETE FROM log_line WHERE number > 0")
            connection.execute("INSERT OR IGNORE INTO log_line (number, hash) VALUES (0, '')")
        self.extend(hashes)

    def expect(self, hashed: str, line: str) -> None:
        """Add a line that is about to be appended, on disk before this returns."""
        with self._database.synced(), self._database.writing() as connection:
            connection.execute(_ADD, (hashed, line))

    def arrived(self) -> None:
        """Note that the expected line is in the log."""
        with self._database.writing() as connection:
            connection.execute("UPDATE log_line SET expected = NULL WHERE expected IS NOT NULL")

    def give_up(self) -> None:
        """Forget the expected line, which did not get into the log."""
        with self._database.writing() as connection:
            connection.execute("DELETE FROM log_line WHERE expected IS NOT NULL")
