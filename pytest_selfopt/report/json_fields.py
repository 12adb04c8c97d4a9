"""Readers of entries that other versions may have written: a missing or invalid value is empty, never an error.

Numbers that are too large are invalid too, so that all calculations with them are finite.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

_Value = TypeVar("_Value")
Entry = Mapping[str, Any]
"""One object of the history, of the decisions log, or of a plan in the ledger."""

NOTHING: Entry = {}

LARGEST_NUMBER = 1e300
LARGEST_WHOLE = (1 << 53) - 1
"""The largest whole number that every reader of JSON represents exactly (RFC 8259, 6)."""


def text_in(entry: Entry, name: str) -> str:
    """Return the text under a name; empty if there is none."""
    value = entry.get(name)
    if isinstance(value, str):
        return value
    return ""


def first_text_in(entries: Iterable[Entry], name: str) -> str:
    """Return the first nonempty text under a name; empty if there is none."""
    for entry in entries:
        text = text_in(entry, name)
        if text:
            return text
    return ""


def number_in(entry: Entry, name: str) -> float | None:
    """Return the finite number under a name."""
    return _number(entry.get(name))


def share_in(entry: Entry, name: str) -> float | None:
    """Return the number from 0 to 1 under a name."""
    value = number_in(entry, name)
    if value is None or not 0 <= value <= 1:
        return None
    return value


def whole_in(entry: Entry, name: str) -> int | None:
    """Return the whole number under a name."""
    return _whole(entry.get(name))


def count_in(entry: Entry, name: str) -> int:
    """Return the whole number under a name; 0 if it is negative or missing."""
    return max(0, whole_in(entry, name) or 0)


def entry_in(entry: Entry, name: str) -> Entry:
    """Return the object under a name; an empty one if there is none."""
    value = entry.get(name)
    if isinstance(value, Mapping):
        return value
    return NOTHING


def counts_in(entry: Entry, name: str) -> dict[str, int]:
    """Return the whole numbers in the object under a name."""
    counts = entry_in(entry, name)
    return {key: count_in(counts, key) for key in counts}


def entries_in(entry: Entry, name: str) -> list[Entry]:
    """Return the objects in the list under a name."""
    return [value for value in _list(entry, name) if isinstance(value, Mapping)]


def texts_in(entry: Entry, name: str) -> tuple[str, ...]:
    """Return the texts in the list under a name."""
    return tuple(value for value in _list(entry, name) if isinstance(value, str))


def wholes_in(entry: Entry, name: str) -> tuple[int, ...]:
    """Return the whole numbers in the list under a name."""
    return tuple(_known(map(_whole, _list(entry, name))))


def numbers_in(entry: Entry, name: str) -> tuple[float, ...]:
    """Return the finite numbers in the list under a name."""
    return tuple(_known(map(_number, _list(entry, name))))


def _known(values: Iterable[_Value | None]) -> Iterator[_Value]:
    for value in values:
        if value is not None:
            yield value


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not -LARGEST_NUMBER <= value <= LARGEST_NUMBER:
        return None
    return float(value)


def _whole(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    if not -LARGEST_WHOLE <= value <= LARGEST_WHOLE:
        return None
    return value


def _list(entry: Entry, name: str) -> list[object]:
    value = entry.get(name)
    if isinstance(value, list):
        return value
    return []
