"""References inside a tool's JSON Schema: where each leads, and which lead nowhere."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from pytest_selfopt.bench.call_format import show
from pytest_selfopt.bench.dialects import specification_of
from pytest_selfopt.trial import Json

if TYPE_CHECKING:
    from referencing import Registry, Specification
    from referencing._core import Resolver

DEFINITIONS = ("$defs", "definitions")
BY_NAME = (*DEFINITIONS, "properties", "patternProperties", "dependentSchemas", "dependencies")
"""Keywords with a schema for each of some names."""
_LISTED = ("allOf", "anyOf", "oneOf", "prefixItems", "items")
_SINGLE = (
    *("items", "additionalItems", "unevaluatedItems", "contains"),
    *("additionalProperties", "unevaluatedProperties", "propertyNames"),
    *("not", "if", "then", "else", "contentSchema"),
)
IN_PLACE = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependentSchemas", "dependencies")
"""Keywords whose schemas apply to the value itself, not to a member of it."""
DYNAMIC = ("$dynamicRef", "$recursiveRef")
_PLAIN = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class Place:
    """A schema inside a document; `resolver` knows the document, and is None where nothing refers to anything.

    `specification` says by which names the parts of the document are known.
    """

    schema: Any
    resolver: Resolver[Any] | None = None
    specification: Specification[Any] | None = None

    def inside(self, part: Json) -> Place:
        """Return the place of a schema inside this one."""
        within = replace(self, schema=part)
        if self.resolver is None or self.specification is None or not isinstance(part, dict):
            return within
        if "$id" not in part and "id" not in part:
            return within
        resource = self.specification.create_resource(part)
        return replace(within, resolver=self.resolver.in_subresource(resource))

    def parts(self) -> list[Place]:
        """Return the schemas directly inside this one."""
        found: list[Place] = []

        def collect(part: Json) -> Json:
            found.append(self.inside(part))
            return part

        if isinstance(self.schema, dict):
            with_parts(self.schema, collect)
        return found

    def refers(self) -> bool:
        """Whether the schema is a reference, perhaps among other keywords."""
        return isinstance(self.schema, dict) and "$ref" in self.schema

    def target(self, keyword: str = "$ref") -> Place:
        """Return the place that the schema's reference leads to.

        Raises:
            ValueError: if it leads out of the document, nowhere, or to something that is no schema.
        """
        from referencing.exceptions import Unresolvable

        reference = self.schema[keyword]
        if not isinstance(reference, str):
            raise ValueError(f"{keyword} {show(reference)} is no text")
        assert self.resolver is not None
        try:
            found = self.resolver.lookup(reference)
        except (Unresolvable, ValueError, TypeError, AttributeError):
            # The last three come from a pointer into a list, a text or a null by a name.
            if not reference.startswith("#"):
                raise ValueError(f"{keyword} {show(reference)} {_REMOTE}") from None
            raise ValueError(f"{keyword} {show(reference)} leads nowhere{self._known()}") from None
        if not isinstance(found.contents, dict | bool):
            raise ValueError(f"{keyword} {show(reference)} does not lead to a schema")
        return replace(self, schema=found.contents, resolver=found.resolver)

    def _known(self) -> str:
        """Name the definitions of the document."""
        assert self.resolver is not None
        document = self.resolver.lookup("#").contents
        names: list[str] = []
        for keyword in DEFINITIONS:
            defined = document.get(keyword)
            if isinstance(defined, dict):
                names.extend(f"#/{keyword}/{name}" for name in defined)
        if not names:
            return "; the schema defines nothing in $defs"
        return f"; defined: {', '.join(names[:_SHOWN])}"


_SHOWN = 5
_REMOTE = 'leads out of the schema; copy what it means into $defs and refer to it as "#/$defs/NAME"'


def open_schema(schema: dict[str, Json]) -> Place:
    """Return the place of a tool's whole schema; no server knows the metaschemas, so that none can be referred to."""
    if not has_reference(schema):
        return Place(schema)
    from referencing import Registry

    return place_in(Registry(), schema)


def place_in(registry: Registry[Any], schema: dict[str, Json]) -> Place:
    """Return the place of a whole schema that may refer to those of a registry."""
    specification = specification_of(schema)
    resource = specification.create_resource(schema)
    return Place(schema, registry.resolver_with_root(resource), specification)


def with_parts(schema: dict[str, Json], change: Callable[[Json], Json]) -> dict[str, Json]:
    """Return a schema with each schema directly inside it changed; constants, defaults and the like stay."""
    changed: dict[str, Json] = {}
    for keyword, value in schema.items():
        changed[keyword] = _with_changed(keyword, value, change)
    return changed


def _with_changed(keyword: str, value: Json, change: Callable[[Json], Json]) -> Json:
    if keyword in BY_NAME and isinstance(value, dict):
        return {name: _if_schema(part, change) for name, part in value.items()}
    if keyword in _LISTED and isinstance(value, list):
        return [_if_schema(part, change) for part in value]
    if keyword in _SINGLE:
        return _if_schema(value, change)
    return value


def _if_schema(value: Json, change: Callable[[Json], Json]) -> Json:
    # The old `dependencies` may also list names.
    if isinstance(value, dict | bool):
        return change(value)
    return value


def is_of_schemas(keyword: str) -> bool:
    """Whether schemas stand under a keyword."""
    return keyword in BY_NAME or keyword in _LISTED or keyword in _SINGLE


def has_reference(part: Json) -> bool:
    """Whether anything refers to anything, wherever in a part of a schema."""
    if isinstance(part, dict):
        return "$ref" in part or any(map(has_reference, part.values()))
    return isinstance(part, list) and any(map(has_reference, part))


def label_of(reference: str) -> str:
    """Return what a reference calls its target, in letters, digits, `_` and `-`; empty for the whole document."""
    _, _, fragment = reference.partition("#")
    last = unquote(fragment).rpartition("/")[2]
    return _PLAIN.sub("_", last).strip("_")


def followed(place: Place) -> Place:
    """Return where a chain of references ends.

    Raises:
        ValueError: if a reference leads nowhere.
    """
    seen: set[int] = set()
    while place.refers() and id(place.schema) not in seen:
        seen.add(id(place.schema))
        place = place.target()
    return place


def check_references(schema: dict[str, Json]) -> None:
    """Reject a schema with a reference that leads out of it, nowhere, or back to itself without end.

    Raises:
        ValueError: naming the reference.
    """
    root = open_schema(schema)
    for place in reachable(root):
        for keyword in DYNAMIC:
            if keyword in place.schema:
                raise ValueError(f"{keyword} is not supported; use $ref")
    check_ends(root)


def check_ends(root: Place) -> None:
    """Reject a schema with a reference that leads back to itself without end.

    Raises:
        ValueError: naming the reference, or another one that leads nowhere.
    """
    finished: set[int] = set()
    for place in reachable(root):
        _check_end(place, frozenset(), finished)


def reachable(root: Place) -> Iterator[Place]:
    """Yield all schemas inside a schema, and those that references lead to, wherever they stand."""
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        place = waiting.pop()
        if not isinstance(place.schema, dict) or id(place.schema) in seen:
            continue
        seen.add(id(place.schema))
        yield place
        waiting.extend(place.parts())
        if place.refers():
            waiting.append(place.target())


def referred(root: Place) -> list[dict[str, Json]]:
    """Return the schemas that references lead to: a dialect that does not know their place does not check them.

    Raises:
        ValueError: if a reference leads nowhere.
    """
    found: dict[int, dict[str, Json]] = {}
    for place in reachable(root):
        if place.refers():
            target = place.target().schema
            if isinstance(target, dict):
                found[id(target)] = target
    return list(found.values())


def _check_end(place: Place, above: frozenset[int], finished: set[int]) -> None:
    """Reject a schema that applies itself to the same value again; those in `finished` do not."""
    if not isinstance(place.schema, dict) or id(place.schema) in finished:
        return
    if id(place.schema) in above:
        raise ValueError(f"{_described(place)} leads back to itself without end")
    above |= {id(place.schema)}
    if place.refers():
        _check_end(place.target(), above, finished)
    in_place = {keyword: place.schema[keyword] for keyword in IN_PLACE if keyword in place.schema}
    for part in replace(place, schema=in_place).parts():
        _check_end(part, above, finished)
    finished.add(id(place.schema))


def _described(place: Place) -> str:
    if place.refers():
        return f"$ref {show(place.schema['$ref'])}"
    return "a $ref"
