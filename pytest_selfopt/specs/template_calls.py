"""Calls behind the marks of models' own chat templates; docs/how-to/write-benchmarks.md lists them with their sources.

Each reader gets the text and the place behind its mark, and returns the calls and where they end. What follows a mark
and is no call is `Undecodable`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any, TypeAlias

from pytest_selfopt.specs.call_values import Undecodable, calls_in, is_json, named_call
from pytest_selfopt.specs.json_scan import NoJson, value_at
from pytest_selfopt.specs.pythonic_calls import pythonic_calls
from pytest_selfopt.strict_json import limited_int
from pytest_selfopt.trial import Json, ToolCall

Found: TypeAlias = tuple[list[ToolCall], int]

_SPACE = re.compile(r"\s*")
# Possessive quantifiers keep long blanks from being tried in every division.
_JSON = re.compile(r"\s*+(?=\[?+\s*+\{)")
_FUNCTION_MARK = "<function="
_MISTRAL = re.compile(r"\s*+([^\s\[{]++)\s*+(?>(?:\[CALL_ID\]\s*+\w++\s*+)?)(?:\[ARGS\])?+\s*+(?=\{)")
_FUNCTION = re.compile(r"([^\s<>{(,]+)\s*>?\s*")
_PARAMETER = re.compile(
    r"\s*<parameter=([^<>]+)>(.*?)(?:</parameter>|(?=<parameter=)|(?=</function>))",
    re.DOTALL,
)
_FUNCTION_END = re.compile(r"\s*(?:</function>|(?=</tool_call>))")
_PYTHON_WORDS: dict[str, Json] = {"True": True, "False": False}
"""Qwen3-Coder's template writes them so."""


def _read_hermes(text: str, position: int) -> Found:
    space = _SPACE.match(text, position)
    if space is not None and text.startswith(_FUNCTION_MARK, space.end()):
        return [], space.end()
    return _read_marked(text, position, "<tool_call>")


def _read_llama(text: str, position: int) -> Found:
    if _JSON.match(text, position):
        return _read_marked(text, position, "<|python_tag|>")
    calls = pythonic_calls(text[position:])
    if not calls:
        raise Undecodable("has no call behind <|python_tag|>")
    return calls, len(text)


def _read_mistral(text: str, position: int) -> Found:
    named = _MISTRAL.match(text, position)
    if named is None:
        return _read_marked(text, position, "[TOOL_CALLS]")
    return _read_arguments(named[1], text, named.end())


def _read_function(text: str, position: int) -> Found:
    named = _FUNCTION.match(text, position)
    if named is None:
        raise Undecodable("has no name behind <function=")
    position = named.end()
    if text.startswith("{", position):
        return _read_arguments(named[1], text, position)
    arguments: dict[str, Json] = {}
    while (parameter := _PARAMETER.match(text, position)) is not None:
        arguments[parameter[1]] = _read_parameter(parameter[2])
        position = parameter.end()
    end = _FUNCTION_END.match(text, position)
    if end is None:
        raise Undecodable("has a <function=…> that does not end")
    return [ToolCall(name=named[1], arguments=arguments)], end.end()


def _read_marked(text: str, position: int, mark: str) -> Found:
    start = _JSON.match(text, position)
    if start is None:
        raise Undecodable(f"has no call behind {mark}")
    value, end = _value_at(text, start.end())
    calls = calls_in(value, marked=True)
    if not calls:
        raise Undecodable("names no tool")
    return calls, end


def _read_arguments(name: str, text: str, position: int) -> Found:
    arguments, end = _value_at(text, position)
    return [named_call(name, arguments)], end


def _value_at(text: str, position: int) -> tuple[Any, int]:
    try:
        return value_at(text, position)
    except NoJson as problem:
        raise Undecodable(f"is not valid JSON ({problem})") from None


def _read_parameter(text: str) -> Json:
    """Return a value: JSON where it is, else its text without the line ends around it."""
    text = text.removeprefix("\n").removesuffix("\n")
    if text in _PYTHON_WORDS:
        return _PYTHON_WORDS[text]
    try:
        value: Json = json.loads(text, parse_int=limited_int)
    except (ValueError, RecursionError):
        return text
    if is_json(value):
        return value
    return text


MARKS: dict[str, Callable[[str, int], Found]] = {
    "<tool_call>": _read_hermes,
    "<|python_tag|>": _read_llama,
    _FUNCTION_MARK: _read_function,
    "[TOOL_CALLS]": _read_mistral,
}
"""The marks that are read, with their readers."""

UNREAD = (
    r"<function_calls>|<\|python_start\|>|<\|tool_call|<｜tool|<[^\w\s]{0,3}DSML|<invoke name=|<start_function_call>"
    r"|<\|START_ACTION\|>|<\|action_start\|>|<\|(?:start|channel)\|>[^<]{0,60}to=functions\."
)
"""A pattern of marks that announce a call in a form that is not read: Claude, Llama 4 beside words, DeepSeek, Kimi,
Granite, Gemma, Command, InternLM and gpt-oss."""
