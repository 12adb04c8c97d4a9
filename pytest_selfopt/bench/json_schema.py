"""JSON Schemas of suites: whether one can be used at all, and whether a value satisfies it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pytest_selfopt.bench.call_format import line, show
from pytest_selfopt.trial import Json


def first_problem(schema: dict[str, Json], value: Any) -> str:
    """Where and why a value does not satisfy a schema ("at $.a: …"); empty when it does."""
    from jsonschema.exceptions import best_match

    try:
        problem = best_match(_validator(schema).iter_errors(value))
    except RecursionError:
        return f"at a place too deep to check: {show(value)}"
    if problem is None:
        return ""
    return f"at {line(problem.json_path, 60)}: {line(problem.message)}"


def check_schema(schema: dict[str, Json]) -> None:
    """Refuse what is no JSON Schema, and one whose references lead nowhere or round in a circle.

    Raises:
        ValueError: "is no JSON Schema: …" or what is wrong with a `$ref`.
    """
    from jsonschema import validators
    from jsonschema.exceptions import SchemaError

    try:
        validators.validator_for(schema).check_schema(schema)
    except SchemaError as problem:
        raise ValueError(f"is no JSON Schema: {line(problem.message)}") from None
    _check_references(schema)
    try:
        _validator(schema).is_valid(None)
    except RecursionError:
        raise ValueError("its $ref leads round in a circle") from None


def _validator(schema: dict[str, Json]) -> Any:
    """A validator that knows the metaschemas and this schema: judging must not fetch a `$ref` from the network."""
    from jsonschema import validators
    from jsonschema_specifications import REGISTRY

    return validators.validator_for(schema)(schema, registry=REGISTRY)


def _check_references(schema: dict[str, Json]) -> None:
    from jsonschema_specifications import REGISTRY
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012

    references = tuple(_references(schema))
    if not references:
        return
    resolver = REGISTRY.resolver_with_root(DRAFT202012.create_resource(schema))
    for reference in references:
        try:
            resolver.lookup(reference)
        except Unresolvable:
            raise ValueError(f"its $ref {show(reference)} leads nowhere") from None


def _references(part: Json) -> Iterator[str]:
    inside: Iterable[Json] = ()
    if isinstance(part, dict):
        inside = part.values()
        reference = part.get("$ref")
        if isinstance(reference, str):
            yield reference
    elif isinstance(part, list):
        inside = part
    for member in inside:
        yield from _references(member)
