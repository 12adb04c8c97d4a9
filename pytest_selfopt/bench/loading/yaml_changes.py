"""What readers of YAML 1.1 made of plain values: suites were read by one, and most of Python's tools still are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import yaml

from pytest_selfopt.bench.call_format import line as one_line
from pytest_selfopt.bench.call_format import show

_SHOWN = 5
_WORDS = frozenset(["yes", "Yes", "YES", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF"])
_JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?")
_LIKE_NUMBER = re.compile(r"[-+]?\.?[0-9][-+.:_0-9a-fA-FoxtTZ \t]*")
_LONGEST = 80
"""Characters of what may be a number or a time; longer texts of such characters are none."""


def reading_before(text: str, value: Any) -> str:
    """Say what a plain text is now and was in YAML 1.1; empty if it is the same."""
    if text not in _WORDS:
        same = _JSON_NUMBER.fullmatch(text) or not _LIKE_NUMBER.fullmatch(text)
        if same or len(text) > _LONGEST:
            return ""
    now = _kind(value)
    try:
        before = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError, OverflowError):
        return f"{text} is {now}, was an error"
    if type(before) is type(value) and before == value:
        return ""
    return f"{text} is {now}, was {_kind(before)}"


def describe_changes(changes: Sequence[tuple[int, str]]) -> str:
    """Return one sentence on all values of a file that changed; empty if there are none."""
    if not changes:
        return ""
    parts = [f"line {line}: {sentence}" for line, sentence in changes[:_SHOWN]]
    more = len(changes) - _SHOWN
    if more > 0:
        parts.append(f"and {more} more")
    listed = "; ".join(parts)
    return f"is read as YAML 1.2, no longer as 1.1: {listed} (quotes make a text of either)"


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return one_line(show(value))
    if isinstance(value, str):
        return "a text"
    return "a date"
