"""Short, printable, one-line notation of values and calls, for sentences that people read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pytest_selfopt.trial import Json, ToolCall

_VALUE = 60
_CALL = 160
_CALLS = 3


def show(value: Json) -> str:
    """Format a value in at most 60 characters: strings in quotes, everything else as JSON."""
    if isinstance(value, str):
        # A model's text may be megabytes long: cut it before escaping it.
        return _cut(repr(value[: _VALUE + 1]), _VALUE)
    try:
        text = json.dumps(value, ensure_ascii=False, default=str)
    except RecursionError:
        return "a value that is nested too deeply to show"
    return line(text, _VALUE)


def show_call(call: ToolCall) -> str:
    """Format a call as `name(argument=value)`, in at most 160 characters."""
    arguments = []
    for name, value in call.arguments.items():
        shown = f"{line(name, _VALUE)}={show(value)}"
        arguments.append(shown)
    tool = line(call.name, _VALUE)
    return _cut(f"{tool}({', '.join(arguments)})", _CALL)


def show_calls(calls: Sequence[ToolCall]) -> str:
    """Format the first three calls and the number of the others."""
    more = len(calls) - _CALLS
    shown = ", ".join(map(show_call, calls[:_CALLS]))
    if more > 0:
        return f"{shown} and {more} more"
    return shown


def line(text: str, most: int = 200) -> str:
    """Format a text on one line without quotes; escape what is not printable, cut off what is too long."""
    head = text[: most + 1]
    return _cut("".join(map(_printable, head)), most)


def mistaken(place: str, wanted: str, got: Any) -> ValueError:
    """Return the error for a field whose value is not the expected one."""
    return ValueError(f"{place}: expected {wanted}, got {show(got)}")


def _printable(sign: str) -> str:
    if sign.isprintable():
        return sign
    return sign.encode("unicode_escape").decode("ascii")


def _cut(text: str, most: int) -> str:
    if len(text) <= most:
        return text
    return f"{text[: most - 1]}…"
