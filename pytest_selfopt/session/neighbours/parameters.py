"""Parameters beside ours: other marks, fixtures and plugins that make several items of a trial."""

from __future__ import annotations

import math
import reprlib
from collections.abc import Mapping, Sequence, Sized
from typing import Any

import pytest

from pytest_selfopt.planning.plan import TrialKey
from pytest_selfopt.session.stash import ARGUMENTS, PLANNED

_MOST_SHOWN = 3
_MOST_CHARACTERS = 30
_MOST_REPEATED = 100_000
"""The items that parameters of a test may make of its trials before they are collected, where one can be selected."""


def refuse_too_many(metafunc: pytest.Metafunc, trials: int) -> str:
    """Return a sentence on a test whose own parameters would make too many items of its trials; empty if not."""
    values: list[int] = []
    for mark in metafunc.definition.iter_markers("parametrize"):
        given = mark.kwargs.get("argvalues", mark.args[1:2] and mark.args[1])
        if isinstance(given, Sized):
            values.append(len(given))
    items = math.prod(values) * trials
    if math.prod(values) <= 1 or items <= _MOST_REPEATED:
        return ""
    return (
        f"{metafunc.definition.nodeid}: its parameters have {math.prod(values):,} values, which would make {items:,} "
        f"items of {trials:,} trials, but a trial is one call, judged once; keep one value, or write a test with its "
        "own suite or phase for each"
    )


def refuse_repeated_trials(items: Sequence[pytest.Item]) -> list[str]:
    """Return a sentence on each test that has several items for one trial."""
    tests: dict[str, list[pytest.Item]] = {}
    seen: set[TrialKey] = set()
    repeated: dict[str, None] = {}
    for item in items:
        planned = item.stash.get(PLANNED, None)
        if planned is None:
            continue
        test = item.nodeid.partition("[")[0]
        tests.setdefault(test, []).append(item)
        if planned.key in seen:
            repeated[test] = None
        seen.add(planned.key)
    return [_sentence(test, tests[test]) for test in repeated]


def _sentence(test: str, items: Sequence[pytest.Item]) -> str:
    first = items[0].stash[PLANNED].key
    times = sum(item.stash[PLANNED].key == first for item in items)
    parameters = _several_valued(items)
    described = "; ".join(f"{name!r} has the values {_describe(values)}" for name, values in parameters.items())
    sentence = (
        f"{test}: each trial has {times} items ({described or 'the test was collected twice'}), but it is one call, "
        "judged once"
    )
    if "anyio_backend" in parameters:
        return f"{sentence}; define a fixture anyio_backend that returns one backend, or select one with -k"
    return f"{sentence}; keep one value, select one with -k, or write a test with its own suite or phase for each"


def _several_valued(items: Sequence[pytest.Item]) -> dict[str, dict[str, None]]:
    """Return the values, as text, of each parameter that is not ours and has more than one."""
    found: dict[str, dict[str, None]] = {}
    for item in items:
        parameters: Mapping[str, Any] = vars(item)["callspec"].params
        for name, value in parameters.items():
            if name not in ARGUMENTS:
                found.setdefault(name, {})[_describe_value(value)] = None
    return {name: values for name, values in found.items() if len(values) > 1}


def _describe_value(value: object) -> str:
    """Describe any value, even one whose own description fails, is endless or is very long."""
    try:
        text = _REPR.repr(value)
    except Exception as problem:  # noqa: BLE001  # It is the test's own code.
        text = f"a {type(value).__name__} ({type(problem).__name__})"
    if len(text) <= _MOST_CHARACTERS:
        return text
    return text[: _MOST_CHARACTERS - 1] + "…"


_REPR = reprlib.Repr()
_REPR.maxstring = _REPR.maxother = _MOST_CHARACTERS
_REPR.maxlevel = 2


def _describe(values: Mapping[str, None]) -> str:
    shown = ", ".join(list(values)[:_MOST_SHOWN])
    more = len(values) - _MOST_SHOWN
    if more > 0:
        return f"{shown} and {more} more"
    return shown
