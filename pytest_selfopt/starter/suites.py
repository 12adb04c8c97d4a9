"""The first suites: four cases of each kind of answer, to be replaced by the user's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_selfopt.trial import Json

Line = dict[str, Json]


@dataclass(frozen=True, slots=True)
class StarterSuite:
    """A suite, as the lines of its file, the phase in which it is asked, and what its answers are."""

    phase: str
    sentence: str
    lines: Sequence[Line]


def _tool(name: str, description: str, parameter: str, kind: str) -> Line:
    schema: dict[str, Json] = {"type": "object", "properties": {parameter: {"type": kind}}, "required": [parameter]}
    return {"tool": {"name": name, "description": description, "parameters": schema}}


def _call(name: str, arguments: dict[str, Json]) -> dict[str, Json]:
    return {"call": {"name": name, "arguments": arguments}}


_ORDER: dict[str, Json] = {
    "type": "object",
    "properties": {"product": {"type": "string"}, "quantity": {"type": "integer"}},
    "required": ["product", "quantity"],
    "additionalProperties": False,
}
_TOOLS: list[Json] = ["set_timer", "get_weather"]


def _order(identifier: str, prompt: str, product: str, quantity: int) -> Line:
    """Return a case whose answer is an order with these values; other members of the schema are any order's."""
    properties: dict[str, Json] = {
        "product": {"type": "string", "pattern": f"^[{product[0].upper()}{product[0]}]{product[1:]}"},
        "quantity": {"const": quantity},
    }
    asked = f'{prompt} Answer with JSON only: {{"product": text, "quantity": whole number}}.'
    return {"id": identifier, "prompt": asked, "expect": {"json_schema": {**_ORDER, "properties": properties}}}


STARTER_SUITES: Mapping[str, StarterSuite] = {
    "calls": StarterSuite(
        "atomic",
        "calls of tools, such as set_timer(minutes=11)",
        (
            _tool("set_timer", "Set a kitchen timer.", "minutes", "integer"),
            _tool("get_weather", "Say how the weather is in a city.", "city", "string"),
            {
                "example": {
                    "prompt": "Four minutes for the tea.",
                    "tools": _TOOLS,
                    "answer": _call("set_timer", {"minutes": 4}),
                }
            },
            {
                "id": "pasta",
                "prompt": "Eleven minutes for the pasta, please.",
                "tools": _TOOLS,
                "expect": _call("set_timer", {"minutes": 11}),
            },
            {
                "id": "cake",
                "prompt": "Half an hour for the cake.",
                "tools": _TOOLS,
                "expect": _call("set_timer", {"minutes": 30}),
            },
            {
                "id": "lisbon",
                "prompt": "Do I need an umbrella in Lisbon?",
                "tools": _TOOLS,
                "expect": _call("get_weather", {"city": ["Lisbon", "Lisboa"]}),
            },
            {"id": "thanks", "prompt": "Thank you, that is all!", "tools": _TOOLS, "expect": {"no_call": True}},
        ),
    ),
    "texts": StarterSuite(
        "texts",
        "texts, such as a word or a number",
        (
            {"example": {"prompt": "What is the capital of Italy? Answer in one word.", "answer": "Rome"}},
            {
                "id": "capital",
                "prompt": "What is the capital of France? Answer in one word.",
                "expect": {"regex": r"(?i)^\W*paris\W*$"},
            },
            {"id": "sum", "prompt": "What is 17 + 25? Answer with the number only.", "expect": {"number": 42}},
            {
                "id": "opposite",
                "prompt": "What is the opposite of 'hot'? Answer in one word.",
                "expect": {"contains": "cold", "ignore_case": True},
            },
            {
                "id": "days",
                "prompt": "Which day comes after Monday? Answer in one word.",
                "expect": {"contains": "Tuesday", "ignore_case": True},
            },
        ),
    ),
    "json": StarterSuite(
        "json",
        "JSON objects of a given form",
        (
            {
                "example": {
                    "prompt": 'Order: two lamps. Answer with JSON only: {"product": text, "quantity": whole number}.',
                    "answer": '{"product": "lamp", "quantity": 2}',
                }
            },
            _order("cups", "Order: we need twelve cups.", "cup", 12),
            _order("chair", "Order: one chair, please.", "chair", 1),
            _order("screws", "Order: a hundred screws.", "screw", 100),
            _order("pens", "Order: pens, a dozen.", "pen", 12),
        ),
    ),
}
"""By the kind of answers, in the order in which they are offered."""
