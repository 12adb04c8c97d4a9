"""The JSON Schema of a report, as its dataclasses have it; `python -m tests.report.schema` writes it anew."""

from __future__ import annotations

import ast
import collections.abc
import dataclasses
import inspect
import itertools
import json
import types
import typing
from functools import cache
from pathlib import Path
from typing import Any

from pytest_selfopt.report import document

PATH = Path(document.__file__).with_name("report.schema.json")
_PLAIN = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}


@cache
def schema() -> dict[str, Any]:
    """The schema (draft-07) of what `selfopt report --format json` prints."""
    definitions: dict[str, Any] = {}
    top = _of_dataclass(document.Report, definitions)
    top["properties"]["version"] |= {"const": document.VERSION}
    return {"$schema": "http://json-schema.org/draft-07/schema#", "title": "Report", **top, "definitions": definitions}


def _of_dataclass(kind: type[Any], definitions: dict[str, Any]) -> dict[str, Any]:
    hints = typing.get_type_hints(kind)
    meanings = _meanings(kind)
    return {
        "description": " ".join((inspect.getdoc(kind) or "").split()),
        "type": "object",
        "properties": {
            field.name: {**_of(hints[field.name], definitions), **meanings.get(field.name, {})}
            for field in dataclasses.fields(kind)
        },
        "required": [field.name for field in dataclasses.fields(kind)],
        "additionalProperties": False,
    }


def _meanings(kind: type[Any]) -> dict[str, dict[str, str]]:
    """The descriptions of those fields that have a docstring below them."""
    (body,) = (node.body for node in ast.parse(inspect.getsource(kind)).body if isinstance(node, ast.ClassDef))
    return {
        field.target.id: {"description": " ".join(told.value.value.replace("None", "null").split())}
        for field, told in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name)
        if isinstance(told, ast.Expr) and isinstance(told.value, ast.Constant) and isinstance(told.value.value, str)
    }


def _of(kind: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if kind in _PLAIN:
        return {"type": _PLAIN[kind]}
    if dataclasses.is_dataclass(kind):
        assert isinstance(kind, type)
        if kind.__name__ not in definitions:
            definitions[kind.__name__] = {}
            definitions[kind.__name__] = _of_dataclass(kind, definitions)
        return {"$ref": f"#/definitions/{kind.__name__}"}
    if origin is typing.Literal:
        return {"enum": list(inner)}
    if origin is types.UnionType:
        return {"anyOf": [_of(one, definitions) for one in inner]}
    if origin is tuple:
        return {"type": "array", "items": _of(inner[0], definitions)}
    assert origin is collections.abc.Mapping, kind
    return {"type": "object", "additionalProperties": _of(inner[1], definitions)}


def text() -> str:
    """The schema as its file holds it."""
    return json.dumps(schema(), indent=2) + "\n"


if __name__ == "__main__":
    PATH.write_text(text())
