"""Tools as BFCL describes them, in the words of JSON Schema."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_selfopt.bench.importing.imported import json_lines

_TYPES = {
    "dict": "object",
    "float": "number",
    "tuple": "array",
    "list": "array",
    "hashtable": "object",
    "int": "integer",
    "str": "string",
    "bool": "boolean",
}
_ANY = ("any",)
_DOCUMENTS = {
    "GorillaFileSystem": "gorilla_file_system",
    "MathAPI": "math_api",
    "MessageAPI": "message_api",
    "TicketAPI": "ticket_api",
    "TradingBot": "trading_bot",
    "TravelAPI": "travel_booking",
    "TwitterAPI": "posting_api",
    "VehicleControlAPI": "vehicle_control",
}
"""Where the tools of each simulated system are described."""


def documented(folder: Path, system: str) -> list[dict[str, Any]]:
    """The functions of a simulated system, from the folder that holds the data files.

    Raises:
        SuiteError: when their description is missing or unreadable.
        KeyError: when there is no such system.
    """
    path = folder / "multi_turn_func_doc" / f"{_DOCUMENTS[system]}.json"
    return [value for _, value in json_lines(path)]


def bfcl_tool(function: Mapping[str, Any]) -> dict[str, Any]:
    """A tool under a name that every provider takes: dots read as underscores, as the checker does."""
    name = function["name"]
    return {
        "name": name.replace(".", "_"),
        "description": function.get("description", ""),
        "parameters": _schema(function["parameters"]),
    }


def _schema(part: Any) -> Any:
    """A schema of the benchmark's own types as JSON Schema."""
    if isinstance(part, list):
        return list(map(_schema, part))
    if not isinstance(part, dict):
        return part
    schema: dict[str, Any] = {}
    for name, value in part.items():
        if name == "type" and isinstance(value, str):
            kind = value.lower()
            if kind not in _ANY:
                schema["type"] = _TYPES.get(kind, kind)
        elif name == "properties" and isinstance(value, dict):
            schema["properties"] = _properties(value)
        elif name in ("items", "additionalProperties", "anyOf", "oneOf"):
            schema[name] = _schema(value)
        elif name != "optional":
            schema[name] = value
    return schema


def _properties(parts: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _schema(part) for name, part in parts.items()}
