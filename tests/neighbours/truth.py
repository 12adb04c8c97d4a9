"""The cases that every session of the matrix asks, and what is true of the scripted model: all of it known before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any, NamedTuple

from pytest_selfopt.trial import Outcome

ITEMS, HELLOS = 6, 2
PASSES = 3
BASELINE = "native_api"
VARIANTS = (BASELINE, "atomic", "schema")
KNOWN = {BASELINE: 2, "atomic": 0, "schema": ITEMS}
"""How many items the model finds, by the variant that it is asked in; it greets without a call in each."""
CASES = (*(f"item-{number}" for number in range(ITEMS)), *(f"hello-{number}" for number in range(HELLOS)))
TOOL = {
    "name": "look_up",
    "description": "Look an item up.",
    "parameters": {"type": "object", "properties": {"item": {"type": "string"}}, "required": ["item"]},
}


class Trial(NamedTuple):
    """The address of a trial."""

    variant: str
    case: str
    run: int


def is_right(variant: str, case: str) -> bool:
    """Whether the model answers a case rightly, whatever pass it is."""
    kind, _, number = case.partition("-")
    return kind == "hello" or int(number) < KNOWN[variant]


def true_trials(*variants: str) -> dict[Trial, Outcome]:
    """Return the outcomes of a whole session in which these variants are asked.

    A variant that is not ahead leaves after its first pass.
    """
    outcomes = {}
    for variant, case, run in product(variants, CASES, range(PASSES)):
        if run and KNOWN.get(variant, 0) < KNOWN[BASELINE]:
            continue
        outcomes[Trial(variant, case, run)] = Outcome.PASS if is_right(variant, case) else Outcome.MISS
    return outcomes


def script() -> dict[str, Any]:
    """Return the script of a model of which this is true."""
    rules = [*_finds(KNOWN["schema"], constrained=True), *_finds(KNOWN[BASELINE], native=True)]
    return {"rules": rules, "default": {"reply": "I do not know."}}


def suite_lines() -> Iterator[Mapping[str, Any]]:
    """Yield the lines of the suite."""
    yield {"tool": TOOL}
    for case in CASES:
        kind, _, number = case.partition("-")
        asks: dict[str, Any] = {"prompt": f"Hello {number}!", "expect": {"no_call": True}}
        if kind == "item":
            asks = {"prompt": f"Find item {number}.", "expect": {"call": _call(number)}}
        yield {"id": case, "tools": ["look_up"], **asks}


def _finds(number: int, **when: Any) -> list[dict[str, Any]]:
    return [{"when": {"prompt": f"item {item}.", **when}, "then": {"call": _call(str(item))}} for item in range(number)]


def _call(item: str) -> dict[str, Any]:
    return {"name": "look_up", "arguments": {"item": item}}
