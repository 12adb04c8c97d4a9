"""Helpers for the documents of all formats."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def fields(value: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return some fields of an object, in the order of `names`."""
    return {name: value[name] for name in names}


def without_none(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that are not None."""
    return {name: value for name, value in values.items() if value is not None}
