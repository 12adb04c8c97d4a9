"""Reading entries that other versions may have written: what is missing or strange is empty, and nothing is raised."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

Entry = Mapping[str, Any]
"""One object of the history, of the decisions log, or of a plan in the ledger."""

NOTHING: Entry = {}


def text_in(entry: Entry, name: str) -> str:
    """The text under a name; empty when there is none."""
    value = entry.get(name)
    return value if isinstance(value, str) else ""


def number_in(entry: Entry, name: str) -> float | None:
    """The finite number under a name."""
    value = entry.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def whole_in(entry: Entry, name: str) -> int | None:
    """The whole number under a name."""
    value = entry.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def count_in(entry: Entry, name: str) -> int:
    """The whole number under a name that is no less than 0; 0 when there is none."""
    return max(0, whole_in(entry, name) or 0)


def entry_in(entry: Entry, name: str) -> Entry:
    """The object under a name; an empty one when there is none."""
    value = entry.get(name)
    return value if isinstance(value, Mapping) else NOTHING


def entries_in(entry: Entry, name: str) -> list[Entry]:
    """The objects in the list under a name."""
    value = entry.get(name)
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def texts_in(entry: Entry, name: str) -> tuple[str, ...]:
    """The texts in the list under a name."""
    value = entry.get(name)
    return tuple(one for one in value if isinstance(one, str)) if isinstance(value, list) else ()


def wholes_in(entry: Entry, name: str) -> tuple[int, ...]:
    """The whole numbers in the list under a name."""
    value = entry.get(name)
    known = value if isinstance(value, list) else []
    return tuple(one for one in known if isinstance(one, int) and not isinstance(one, bool))
