"""References between the parts of a promptfoo configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_REFERENCE = "$ref"


def referenced(test: Mapping[str, Any], document: Any) -> dict[str, Any]:
    """Return a test with the objects that it, and its assertions, refer to in the same file."""
    test = _followed(test, document)
    assertions = test.get("assert")
    if isinstance(assertions, list):
        test["assert"] = _followed_all(assertions, document)
    return test


def _followed_all(assertions: Sequence[Any], document: Any) -> list[Any]:
    followed: list[Any] = []
    for assertion in assertions:
        if isinstance(assertion, Mapping):
            followed.append(_followed(assertion, document))
        else:
            followed.append(assertion)
    return followed


def _followed(value: Mapping[str, Any], document: Any) -> dict[str, Any]:
    """Return an object with what its `$ref` leads to; a reference that leads nowhere stays."""
    reference = value.get(_REFERENCE)
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return dict(value)
    target: Any = document
    for part in reference.removeprefix("#/").split("/"):
        if not isinstance(target, Mapping):
            return dict(value)
        target = target.get(part)
    if not isinstance(target, Mapping):
        return dict(value)
    own = {name: member for name, member in value.items() if name != _REFERENCE}
    return {**target, **own}
