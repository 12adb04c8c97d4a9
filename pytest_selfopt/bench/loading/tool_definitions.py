"""Definitions of tools: in our form, and as APIs and servers write them."""

from __future__ import annotations

import re
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from pytest_selfopt.bench.call_format import mistaken, show
from pytest_selfopt.bench.dialects import check_inner_dialects, dialect_of
from pytest_selfopt.bench.grading.json_schema import check_keywords, subschemas
from pytest_selfopt.bench.loading.fields import object_of
from pytest_selfopt.bench.references import check_references, open_schema, referred
from pytest_selfopt.bench.tools import Tool
from pytest_selfopt.trial import Json

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,63}")
_FIELDS = ("name", "description", "parameters")
_SCHEMAS = ("input_schema", "inputSchema")
"""What Anthropic and MCP call the parameters."""
_NEWER_KEYWORDS = ("$defs", "$anchor", "$dynamicRef", "$vocabulary", "dependentRequired", "unevaluatedProperties")
_TYPES = ("function", "custom")
"""What OpenAI and Anthropic call the type of a tool that its user defines."""
_sound: set[bytes] = set()
"""Digests of parameters that passed all checks: a suite may define a tool again for every case."""


def read_tool(value: Any) -> Tool:
    """Read a tool definition, in our form or as it is written for OpenAI, Anthropic or MCP.

    Raises:
        ValueError: with "FIELD: what is wrong".
    """
    name, description, parameters = _fields_of(value)
    _check_parameters_once(parameters, f"tool {name}: parameters")
    return Tool(name=name, description=description, parameters=parameters)


def unchecked_tool(value: Any) -> Tool:
    """Read a tool definition as `read_tool` does, with the standard library: no parameter is checked.

    Raises:
        ValueError: with "FIELD: what is wrong".
    """
    name, description, parameters = _fields_of(value)
    if not isinstance(parameters, dict):
        raise mistaken(f"tool {name}: parameters", "a JSON Schema of an object", parameters)
    try:
        return Tool(name=name, description=description, parameters=parameters)
    except (ValueError, RecursionError) as problem:
        raise ValueError(f"tool {name}: parameters: {problem}") from None


def _fields_of(value: Any) -> tuple[str, str, Any]:
    """Return the name, the description and the parameters of a tool, of which the parameters may be anything."""
    value = object_of(_plain_form(value), "tool", _FIELDS)
    name, description = value.get("name"), value.get("description", "")
    parameters = value.get("parameters", {"type": "object", "properties": {}})
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise mistaken("tool name", "letters, digits or _.-, beginning with a letter", name)
    if not isinstance(description, str):
        raise mistaken(f"tool {name}: description", "a text", description)
    return name, description, parameters


def _check_parameters_once(parameters: Any, place: str) -> None:
    try:
        text = repr(parameters)
    except RecursionError:
        raise ValueError(f"{place}: nested too deeply") from None
    digest = sha256(text.encode(errors="surrogatepass")).digest()
    if digest not in _sound:
        _check_parameters(parameters, place)
        _sound.add(digest)


def _check_parameters(parameters: Any, place: str) -> None:
    from jsonschema import validators

    usual = validators.Draft7Validator
    _check_form(parameters, {*usual.META_SCHEMA["properties"], *_NEWER_KEYWORDS}, place)
    validator = _dialect(parameters, usual, place)
    _check_schema(validator, parameters, place)
    _check_inner(validator, parameters, place)
    kind = parameters.get("type", "object")
    if kind != "object" and (isinstance(kind, str) or "object" not in kind):
        raise mistaken(f"{place}.type", "'object', because every argument has a name", kind)
    defined = parameters.get("$defs", {})
    if not isinstance(defined, dict):
        raise mistaken(f"{place}.$defs", "an object", defined)
    # The usual dialect does not know this keyword.
    for name, part in defined.items():
        _check_schema(validator, part, f"{place}.$defs.{name}")
    try:
        targets = referred(open_schema(parameters))
        check_references(parameters)
    except RecursionError:
        raise ValueError(f"{place}: nested too deeply") from None
    except ValueError as problem:
        raise ValueError(f"{place}: {problem}") from None
    for target in targets:
        _check_schema(validator, target, f"{place}: what a $ref leads to")


def _check_form(parameters: Any, keywords: set[str], place: str) -> None:
    wanted = "a JSON Schema of an object"
    if isinstance(parameters, str):
        raise mistaken(place, f"{wanted}, not a text", parameters)
    if not isinstance(parameters, dict) or not isinstance(parameters.get("properties", {}), dict):
        raise mistaken(place, wanted, parameters)
    if parameters and not keywords & set(parameters):
        first = show(next(iter(parameters)))
        raise ValueError(f"{place}: arguments such as {first} belong inside of 'properties'")


def _dialect(parameters: dict[str, Json], usual: type[Validator], place: str) -> type[Validator]:
    try:
        return dialect_of(parameters, usual)
    except ValueError as problem:
        raise ValueError(f"{place}: {problem}") from None


def _check_schema(validator: type[Validator], schema: Any, place: str) -> None:
    try:
        check_keywords(schema, validator)
    except RecursionError:
        raise ValueError(f"{place}: nested too deeply") from None
    except ValueError as problem:
        raise ValueError(f"{place}: {problem}") from None


def _check_inner(validator: type[Validator], parameters: dict[str, Json], place: str) -> None:
    try:
        check_inner_dialects(parameters, subschemas(parameters), validator)
    except RecursionError:
        raise ValueError(f"{place}: nested too deeply") from None
    except ValueError as problem:
        raise ValueError(f"{place}: {problem}") from None


def tool_name(value: Any) -> Any:
    """Return the name of a definition that may be wrong; None if there is none."""
    plain = _plain_form(value)
    if isinstance(plain, dict):
        return plain.get("name")
    return None


def _plain_form(value: Any) -> Any:
    """Return a definition with the fields of our form, as far as it has them."""
    if not isinstance(value, dict):
        return value
    plain = dict(value)
    if plain.get("type") in _TYPES:
        del plain["type"]
    if set(plain) == {"function"}:
        return plain["function"]
    for name in _SCHEMAS:
        if name in plain and "parameters" not in plain:
            plain["parameters"] = plain.pop(name)
    return plain
