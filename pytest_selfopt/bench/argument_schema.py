"""The schema of a tool's arguments as graders read it: with what its references lead to in their places."""

from __future__ import annotations

from pytest_selfopt.bench.references import Place, followed, open_schema, with_parts
from pytest_selfopt.trial import Json


def argument_schema(parameters: dict[str, Json]) -> dict[str, Json]:
    """Return parameters in which every reference is replaced by its target.

    A recursive schema then contains itself. Where a value may also be null, the members of what it is otherwise are
    known, but not its type. Parameters without references are returned as they are, as are those with a reference
    that leads nowhere.
    """
    try:
        root = open_schema(parameters)
        if root.resolver is None:
            return parameters
        replaced = _Replaced().schema(root)
    except (ValueError, RecursionError):
        return parameters
    if not isinstance(replaced, dict):
        return parameters
    return replaced


class _Replaced:
    """Replaces references; remembers what it has made, so that recursive schemas end."""

    def __init__(self) -> None:
        self._made: dict[int, dict[str, Json]] = {}

    def schema(self, place: Place) -> Json:
        """Return a whole schema with its references replaced."""
        replaced = self._replaced(place)
        for made in list(self._made.values()):
            _add_members(made)
        return replaced

    def _replaced(self, place: Place) -> Json:
        place = followed(place)
        if not isinstance(place.schema, dict):
            verdict: bool = place.schema
            return verdict
        known = self._made.get(id(place.schema))
        if known is not None:
            return known
        made: dict[str, Json] = {}
        self._made[id(place.schema)] = made
        made.update(with_parts(place.schema, lambda part: self._replaced(place.inside(part))))
        return made


def _add_members(schema: dict[str, Json]) -> None:
    """Add the members of the only form of a value beside null, or of one that is written as a list of one."""
    if "type" in schema:
        return
    for keyword in ("allOf", "anyOf", "oneOf"):
        parts = schema.get(keyword)
        if not isinstance(parts, list):
            continue
        forms = [part for part in parts if part != {"type": "null"}]
        if len(forms) == 1 and isinstance(forms[0], dict):
            _copy_members(forms[0], schema, with_type=len(parts) == 1)


def _copy_members(form: dict[str, Json], schema: dict[str, Json], *, with_type: bool) -> None:
    for keyword in ("properties", "items"):
        if keyword in form:
            schema.setdefault(keyword, form[keyword])
    if with_type and "type" in form:
        schema["type"] = form["type"]
