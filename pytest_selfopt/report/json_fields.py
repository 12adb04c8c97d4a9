"""Reading entries that other versions may have written: what is missing or strange is empty, and nothing is raised.

Numbers beyond what anything here can come to are strange, too, so that whatever is reckoned with them is finite.
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
"""What every reader of JSON has exactly (RFC 8259, 6)."""


def text_in(entry: Entry, name: str) -> str:
    """The text under a name; empty when there is none."""
    value = entry.get(name)
    if isinstance(value, str):
        return value
    return ""


def first_text_in(entries: Iterable[Entry], name: str) -> str:
    """The first text under a name that is not empty; empty when there is none."""
    for entry in entries:
        text = text_in(entry, name)
        if text:
            return text
    return ""


def number_in(entry: Entry, name: str) -> float | None:
    """The finite number under a name."""
    return _number(entry.get(name))


def share_in(entry: Entry, name: str) -> float | None:
    """The number from 0 to 1 under a name."""
    value = number_in(entry, name)
    if value is None or not 0 <= value <= 1:
        return None
    return value


def whole_in(entry: Entry, name: str) -> int | None:
    """The whole number under a name."""
    return _whole(entry.get(name))


def count_in(entry: Entry, name: str) -> int:
    """The whole number under a name that is no less than 0; 0 when there is none."""
    return max(0, whole_in(entry, name) or 0)


def entry_in(entry: Entry, name: str) -> Entry:
    """The object under a name; an empty one when there is none."""
    value = entry.get(name)
    if isinstance(value, Mapping):
        return value
    return NOTHING


def entries_in(entry: Entry, name: str) -> list[Entry]:
    """The objects in the list under a name."""
    return [value for value in _list(entry, name) if isinstance(value, Mapping)]


def texts_in(entry: Entry, name: str) -> tuple[str, ...]:
    """The texts in the list under a name."""
    return tuple(value for value in _list(entry, name) if isinstance(value, str))


def wholes_in(entry: Entry, name: str) -> tuple[int, ...]:
    """The whole numbers in the list under a name."""
    return tuple(_known(map(_whole, _list(entry, name))))


def numbers_in(entry: Entry, name: str) -> tuple[float, ...]:
    """The finite numbers in the list under a name."""
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
