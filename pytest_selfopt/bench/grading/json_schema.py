"""JSON Schemas of suites: checks of the schema itself, and of values against it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pytest_selfopt.bench.call_format import line, show
from pytest_selfopt.trial import Json


def first_problem(schema: dict[str, Json], value: Any) -> str:
    """Return where and why a value does not satisfy a schema ("at $.a: …"); empty if it does."""
    from jsonschema.exceptions import best_match

    try:
        problem = best_match(_validator(schema).iter_errors(value))
    except RecursionError:
        return f"at a place too deep to check: {show(value)}"
    if problem is None:
        return ""
    return f"at {line(problem.json_path, 60)}: {line(problem.message)}"


def check_schema(schema: dict[str, Json]) -> None:
    """Reject an invalid JSON Schema, and one with dangling or circular references.

    Raises:
        ValueError: "is not a valid JSON Schema: …", or the problem of a `$ref`.
    """
    from jsonschema import validators
    from jsonschema.exceptions import SchemaError

    check_dialect(schema)
    try:
        validators.validator_for(schema).check_schema(schema)
    except SchemaError as problem:
        raise ValueError(f"is not a valid JSON Schema: {line(problem.message)}") from None
    _check_references(schema)
    try:
        _validator(schema).is_valid(None)
    except RecursionError:
        raise ValueError("its $ref is circular") from None


def check_dialect(schema: dict[str, Json]) -> None:
    """Reject a `$schema` that names no dialect: looking for one raises TypeError.

    Raises:
        ValueError: with what is wrong.
    """
    dialect = schema.get("$schema", "")
    if not isinstance(dialect, str):
        raise ValueError(f"is not a valid JSON Schema: its $schema is {show(dialect)}")


def _validator(schema: dict[str, Json]) -> Any:
    """Return a validator that knows only the metaschemas and this schema: it must fetch no `$ref` from the network."""
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
            raise ValueError(f"its $ref {show(reference)} does not resolve") from None


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
