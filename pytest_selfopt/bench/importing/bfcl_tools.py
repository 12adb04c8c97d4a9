"""Conversion of BFCL's tool descriptions to JSON Schema."""

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
"""The file that describes the tools of each simulated system."""


def documented(folder: Path, system: str) -> list[dict[str, Any]]:
    """Read the functions of a simulated system from the folder that holds the data files.

    Raises:
        SuiteError: if their description is missing or unreadable.
        KeyError: if the system is unknown.
    """
    path = folder / "multi_turn_func_doc" / f"{_DOCUMENTS[system]}.json"
    return [value for _, value in json_lines(path)]


def bfcl_tool(function: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a tool; its name has underscores for dots, which every provider accepts and the checker equates."""
    name = function["name"]
    return {
        "name": name.replace(".", "_"),
        "description": function.get("description", ""),
        "parameters": _schema(function["parameters"]),
    }


def _schema(part: Any) -> Any:
    """Convert a schema with BFCL's own types to JSON Schema."""
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
