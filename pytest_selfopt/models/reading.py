"""Reading values from untrusted answers: no shape is assumed, and every complaint says what is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from pytest_selfopt import trial_bounds
from pytest_selfopt.specs.call_values import Undecodable, read_arguments
from pytest_selfopt.specs.thinking import without_thinking
from pytest_selfopt.trial import ToolCall
from pytest_selfopt.trial_bounds import MOST_SECONDS, MOST_USD

_QUOTED = 120


def tool_call(name: str, arguments: object) -> ToolCall | str:
    """Read a call, whose arguments may be JSON text; else say what is wrong (the model's fault, not the server's)."""
    try:
        read = read_arguments(arguments)
    except Undecodable as problem:
        return f"calls {trial_bounds.name(name)} with {problem}"
    unheld = trial_bounds.json_problem(read)
    if unheld:
        return f"calls {trial_bounds.name(name)} with arguments with {unheld}"
    return ToolCall(name=name, arguments=read)


def tool_calls(read_calls: list[ToolCall | str]) -> tuple[tuple[ToolCall, ...], str]:
    """Return the calls; if any is undecodable, return none and the reason."""
    calls: list[ToolCall] = []
    for call in read_calls:
        if isinstance(call, str):
            return (), call
        calls.append(call)
    return tuple(calls), ""


def typed(value: Any, name: str, kind: type) -> Any:
    """Return a value of type `kind`.

    Raises:
        ValueError: if it has another type.
    """
    if not isinstance(value, kind):
        raise ValueError(f"of the wrong shape ({name or 'it'} should be a {kind.__name__})")
    return value


def item(value: Mapping[str, Any], name: str, kind: type) -> Any:
    """Return a required member.

    Raises:
        ValueError: if it is missing or has another type.
    """
    if name not in value:
        raise ValueError(f"without {name}")
    return typed(value[name], name, kind)


def optional(value: Mapping[str, Any], name: str, kind: type) -> Any:
    """Return an optional member; None if missing or null.

    Raises:
        ValueError: if it has another type.
    """
    if value.get(name) is None:
        return None
    return typed(value[name], name, kind)


def count(value: Mapping[str, Any], name: str) -> int | None:
    """Read a number of tokens; None if unknown, or beyond all bounds."""
    return trial_bounds.token_count(value.get(name))


def seconds(value: Mapping[str, Any], name: str, *, per: float) -> float | None:
    """Read a duration in units of 1/`per` s as seconds; None if unknown, or beyond all bounds."""
    units = trial_bounds.amount(value.get(name), MOST_SECONDS * per)
    if units is None:
        return None
    return units / per


def no_constant(name: str) -> NoReturn:
    """Reject NaN and the infinities, which are not JSON.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"of the wrong shape ({name} is not a JSON number)")


def quoted(text: str) -> str:
    """Return the beginning of a text on one line, with control characters escaped."""
    text = ascii(text[: _QUOTED * 4])[1:-1]
    if not text:
        return "(empty)"
    if len(text) <= _QUOTED:
        return text
    return text[: _QUOTED - 1] + "…"


def text_of(content: Any, place: str) -> str:
    """Return the text of a message's content, which may be a list of parts (Mistral), without thoughts.

    Raises:
        ValueError: if it has another shape.
    """
    if content is None:
        return ""
    if isinstance(content, str):
        return without_thinking(content)
    if not isinstance(content, list):
        raise ValueError(f"of the wrong shape ({place} should be a str or a list)")
    texts: list[str] = []
    for index, part in enumerate(content):
        entry = typed(part, f"{place}[{index}]", dict)
        if entry.get("type", "text") in ("text", "output_text"):
            texts.append(item(entry, "text", str))
    return without_thinking("".join(texts))


def name_of(value: Mapping[str, Any], name: str) -> str:
    """Return an optional name or id as text, cut to a length: some servers number theirs."""
    return trial_bounds.name(value.get(name))


def amount(value: Mapping[str, Any], name: str) -> float | None:
    """Read an amount of USD; None if unknown, or beyond all bounds."""
    return trial_bounds.amount(value.get(name), MOST_USD)
