"""Schemas as Pydantic 2.14 emits them, titles left out."""

from __future__ import annotations

from pytest_selfopt.trial import Json

_ADDRESS: Json = {
    "type": "object",
    "properties": {
        "street": {"type": "string"},
        "zip": {"anyOf": [{"type": "integer"}, {"type": "null"}], "default": None},
    },
    "required": ["street"],
}
_CAT: Json = {
    "type": "object",
    "properties": {"kind": {"const": "cat", "type": "string"}, "lives": {"default": 9, "type": "integer"}},
    "required": ["kind"],
}
_DOG: Json = {
    "type": "object",
    "properties": {"kind": {"const": "dog", "type": "string"}, "barks": {"type": "boolean"}},
    "required": ["kind", "barks"],
}
_NODE: Json = {
    "type": "object",
    "properties": {
        "value": {"type": "integer"},
        "children": {"default": [], "items": {"$ref": "#/$defs/Node"}, "type": "array"},
    },
    "required": ["value"],
}

NODE: dict[str, Json] = {"$defs": {"Node": _NODE}, "$ref": "#/$defs/Node"}

BOOKING: dict[str, Json] = {
    "$defs": {
        "Address": _ADDRESS,
        "Cat": _CAT,
        "Dog": _DOG,
        "Color": {"enum": ["red", "blue"], "type": "string"},
        "Node": _NODE,
    },
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "home": {"$ref": "#/$defs/Address"},
        "work": {"anyOf": [{"$ref": "#/$defs/Address"}, {"type": "null"}], "default": None},
        "color": {"$ref": "#/$defs/Color"},
        "mode": {"default": "a", "enum": ["a", "b"], "type": "string"},
        "one": {"const": "x", "type": "string"},
        "scores": {"additionalProperties": {"type": "integer"}, "type": "object"},
        "pet": {
            "discriminator": {"mapping": {"cat": "#/$defs/Cat", "dog": "#/$defs/Dog"}, "propertyName": "kind"},
            "oneOf": [{"$ref": "#/$defs/Cat"}, {"$ref": "#/$defs/Dog"}],
        },
        "tree": {"$ref": "#/$defs/Node"},
        "pairs": {
            "items": {
                "maxItems": 2,
                "minItems": 2,
                "prefixItems": [{"type": "integer"}, {"type": "string"}],
                "type": "array",
            },
            "type": "array",
        },
    },
    "required": ["name", "home", "color", "one", "scores", "pet", "tree", "pairs"],
}
"""Nested, optional, literal, enumerated, mapped, discriminated, recursive and tuple fields."""

JSON_VALUE: dict[str, Json] = {
    "$defs": {
        "JsonValue": {
            "anyOf": [
                {"additionalProperties": {"$ref": "#/$defs/JsonValue"}, "type": "object"},
                {"items": {"$ref": "#/$defs/JsonValue"}, "type": "array"},
                {"type": "string"},
            ]
        }
    },
    "type": "object",
    "properties": {"it": {"$ref": "#/$defs/JsonValue"}},
    "required": ["it"],
}
