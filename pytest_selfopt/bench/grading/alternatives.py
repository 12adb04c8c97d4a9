"""Alternatives among expected values: an argument has a list of them, and so has a member of an expected object."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pytest_selfopt.bench.call_format import line, show
from pytest_selfopt.bench.grading.folding import fold
from pytest_selfopt.trial import Json

_MOST = 120
_BEFORE = 20
"""Characters shown before the first difference of two texts."""


def members_of(wanted: Mapping[str, Json]) -> dict[str, list[Json]]:
    """Return the alternatives of each member of an expected object; a bare value is its only alternative."""
    alternatives = {}
    for name, value in wanted.items():
        values = value
        if not isinstance(values, list):
            values = [value]
        alternatives[name] = values
    return alternatives


def first_value(wanted: Json) -> Json:
    """Return a value that is as expected: of each member the first alternative, none of what may be left out."""
    if isinstance(wanted, list):
        return list(map(first_value, wanted))
    if not isinstance(wanted, dict):
        return wanted
    value: dict[str, Json] = {}
    for name, alternatives in members_of(wanted).items():
        if alternatives and "" not in alternatives:
            value[name] = first_value(alternatives[0])
    return value


def show_alternatives(values: Sequence[Json]) -> str:
    """Format alternatives as `'x' or 'y'`, those of members too, so that none looks like a list."""
    given = [show_wanted(value) for value in values if value != ""]
    return " or ".join(given) or "nothing"


def show_wanted(wanted: Json) -> str:
    """Format an expected value in at most 120 characters."""
    if not has_alternatives(wanted):
        return show(wanted)
    return line(_written(wanted), _MOST)


def has_alternatives(wanted: Json) -> bool:
    """Whether an object in a value has a list as a member, which as JSON would look like a value."""
    if isinstance(wanted, list):
        return any(map(has_alternatives, wanted))
    if not isinstance(wanted, dict):
        return False
    members = list(wanted.values())
    if any(isinstance(member, list) for member in members):
        return True
    return any(map(has_alternatives, members))


def _written(wanted: Json) -> str:
    if isinstance(wanted, list):
        return f"[{', '.join(map(_written, wanted))}]"
    if not isinstance(wanted, dict):
        return show(wanted)
    members = []
    for name, values in members_of(wanted).items():
        given = [_written(value) for value in values if value != ""]
        shown = " or ".join(given) or "nothing"
        members.append(f"{show(name)}: {shown}")
    return f"{{{', '.join(members)}}}"


def show_apart(wanted: Sequence[Json], got: Json) -> tuple[str, str]:
    """Format alternatives, and a value that is none of them, so that no two of these texts are equal.

    What is equal as far as it is shown is shown from shortly before the first difference, in ASCII.
    """
    shown = show(got)
    alternatives = [value for value in wanted if value != ""]
    alike = [value for value in alternatives if _looks_like(value, shown)]
    if not alike:
        return show_alternatives(alternatives), shown
    place = _first_difference(_whole(alike[0]), _whole(got))
    given = []
    for value in alternatives:
        text = show_wanted(value)
        if value in alike:
            text = _from(place, _whole(value))
        given.append(text)
    return " or ".join(given), _from(place, _whole(got))


def _looks_like(value: Json, shown: str) -> bool:
    return fold(show_wanted(value)) == fold(shown)


def _whole(value: Json) -> str:
    """Return all of a value, uncut, so that different values have different texts."""
    if isinstance(value, str):
        return ascii(value)
    try:
        return json.dumps(value, default=str)
    except RecursionError:
        return show(value)


def _first_difference(left: str, right: str) -> int:
    for place, (sign, other) in enumerate(zip(left, right, strict=False)):
        if sign != other:
            return place
    return min(len(left), len(right))


def _from(place: int, text: str) -> str:
    start = max(0, place - _BEFORE)
    part = line(text[start:], 60)
    if start:
        return f"…{part}"
    return part
