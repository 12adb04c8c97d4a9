"""The filters of Nunjucks that importers know."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytest_selfopt.bench.importing.javascript import UNDEFINED, WHITE_SPACE, javascript_json, javascript_text
from pytest_selfopt.bench.javascript_patterns import units


def _text(value: Any) -> str:
    """Return a text; an empty one for nothing.

    Raises:
        TypeError: if it is none.
    """
    if value is UNDEFINED or value is None or value is False:
        return ""
    if not isinstance(value, str):
        raise TypeError
    return value


def _upper(value: Any) -> str:
    return _text(value).upper()


def _lower(value: Any) -> str:
    return _text(value).lower()


def _capitalize(value: Any) -> str:
    text = _text(value).lower()
    if text[:1] > "\uffff":
        return text
    return text[:1].upper() + text[1:]


def _title(value: Any) -> str:
    return " ".join(map(_capitalize, _text(value).split(" ")))


def _trim(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value.strip(WHITE_SPACE)


def _length(value: Any) -> int:
    if isinstance(value, list | dict):
        return len(value)
    return len(units(_text(value)))


def _default(value: Any, instead: Any, falsy: Any = False) -> Any:
    if value is UNDEFINED:
        return instead
    if falsy and value in (None, False, 0, ""):
        return instead
    return value


def _first(value: Any) -> Any:
    if not isinstance(value, list):
        raise TypeError
    return next(iter(value), UNDEFINED)


def _last(value: Any) -> Any:
    if not isinstance(value, list):
        raise TypeError
    return next(reversed(value), UNDEFINED)


def _join(value: Any, between: Any = "") -> str:
    if not isinstance(value, list) or not isinstance(between, str) or any(isinstance(item, dict) for item in value):
        raise TypeError
    return between.join(map(javascript_text, value))


def _replace(value: Any, old: Any, new: Any) -> str:
    if not isinstance(value, str) or not isinstance(old, str) or not isinstance(new, str) or not old:
        raise TypeError
    return value.replace(old, new)


def _string(value: Any) -> str:
    if value is UNDEFINED or value is None or isinstance(value, dict):
        raise TypeError
    return javascript_text(value)


def _dump(value: Any) -> Any:
    if value is UNDEFINED:
        return UNDEFINED
    return javascript_json(value)


def _safe(value: Any) -> str:
    if value is UNDEFINED or value is None:
        return ""
    return _string(value)


FILTERS: Mapping[str, Callable[..., Any]] = {
    "capitalize": _capitalize,
    "d": _default,
    "default": _default,
    "dump": _dump,
    "first": _first,
    "join": _join,
    "last": _last,
    "length": _length,
    "lower": _lower,
    "replace": _replace,
    "safe": _safe,
    "string": _string,
    "title": _title,
    "trim": _trim,
    "upper": _upper,
}
"""The filters by name; one that cannot take a value raises TypeError or ValueError."""
