"""Calls as JSON values, in the forms in which models and providers write them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, NoReturn

from pytest_selfopt.strict_json import limited_int
from pytest_selfopt.trial import Json, ToolCall
from pytest_selfopt.trial_bounds import json_problem


class Undecodable(ValueError):
    """Something sets out to be a call but is none; the message continues "looks like a tool call but …"."""


_NAMES = ("name", "function", "tool_name")
_ARGUMENTS = ("arguments", "parameters")
_KINDS = ("function", "function_call", "tool_call", "tool_use")
"""Types by which an object says itself that it is a call, so that its arguments may be missing."""
_LISTS = ("tool_calls", "tool_call", "function_call")
"""Members that announce the calls that they hold, so that their arguments may be missing, too."""


def read_arguments(value: object) -> dict[str, Json]:
    """Return the arguments of a call: an object or the JSON text of one; null or an empty text is an empty object.

    Raises:
        Undecodable: if they are something else, which the message names.
    """
    if isinstance(value, str):
        value = _parsed(value)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Undecodable("arguments that are not an object")
    return value


def _parsed(text: str) -> Any:
    try:
        return json.loads(text.strip() or "null", parse_constant=_refuse, parse_int=limited_int)
    except (ValueError, RecursionError):
        raise Undecodable("arguments that are not valid JSON") from None


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def calls_in(value: object, *, marked: bool = False) -> list[ToolCall]:
    """Return the calls that a JSON value is or lists, in their order; none if it is words.

    Objects inside an object that is no call are not calls. `marked` says that a model's own mark announces calls: then
    a name alone is one.

    Raises:
        Undecodable: if a call has no name or no arguments that can be read.
    """
    calls: list[ToolCall] = []
    waiting = [(value, marked)]
    while waiting:
        entry, is_marked = waiting.pop()
        if isinstance(entry, list):
            waiting.extend((part, is_marked) for part in reversed(entry))
            continue
        if not isinstance(entry, dict):
            continue
        announced = _announced(entry)
        if announced is None:
            calls.extend(_calls_of(entry, marked=is_marked))
        else:
            waiting.append((announced, True))
    return calls


def _announced(entry: Mapping[str, Any]) -> list[Any] | dict[str, Any] | None:
    """Return what a member of an object announces as calls; None if it has no such member."""
    if entry.get("tool") is not None or isinstance(entry.get("function"), dict):
        return None
    for name in _LISTS:
        held = entry.get(name)
        if isinstance(held, list | dict):
            return held
    return None


def _calls_of(entry: Mapping[str, Any], *, marked: bool) -> list[ToolCall]:
    """Return the call that an object is, if it is one."""
    if entry.get("tool") is not None:
        given = _first_of(_ARGUMENTS, entry)
        return [_call(entry["tool"], entry, given)]
    known = marked or entry.get("type") in _KINDS
    function = entry.get("function")
    if isinstance(function, dict):
        return _named_calls(function, known=known)
    return _named_calls(entry, known=known)


def _named_calls(entry: Mapping[str, Any], *, known: bool) -> list[ToolCall]:
    """Return the call that an object with a name is, if it is one; `known` if its arguments may be missing."""
    member = _first_of(_NAMES, entry)
    if member is None or not isinstance(entry[member], str):
        return []
    given = _first_of(_ARGUMENTS, entry)
    if given is None and not known:
        return []
    if given is None and "input" in entry:
        # Anthropic's own form; other objects have a name and an input, too.
        given = "input"
    elif given == "parameters" and _is_no_call(entry):
        return []
    return [_call(entry[member], entry, given)]


def _is_no_call(entry: Mapping[str, Any]) -> bool:
    """Whether an object with a name and parameters defines a tool, or tells of something else, such as a model."""
    if "description" in entry:
        return True
    try:
        read_arguments(entry["parameters"])
    except Undecodable:
        return True
    return False


def _first_of(names: tuple[str, ...], entry: Mapping[str, Any]) -> str | None:
    for name in names:
        if name in entry:
            return name
    return None


def _call(name: object, entry: Mapping[str, Any], given: str | None) -> ToolCall:
    """Return a call whose arguments are the member `given`; None if it has none."""
    if not isinstance(name, str):
        raise Undecodable("its tool is not a name")
    if given is None:
        return ToolCall(name=name, arguments={})
    return named_call(name, entry[given])


def named_call(name: str, arguments: object) -> ToolCall:
    """Return a call with the arguments that `read_arguments` finds.

    Raises:
        Undecodable: if it finds none, or some that JSON cannot hold.
    """
    try:
        read = read_arguments(arguments)
    except Undecodable as problem:
        raise Undecodable(f"has {problem}") from None
    unheld = json_problem(read)
    if unheld:
        raise Undecodable(f"has arguments with {unheld}")
    return ToolCall(name=name, arguments=read)


def is_json(value: object) -> bool:
    """Whether a value can be written as JSON, and read again."""
    return not json_problem(value)
