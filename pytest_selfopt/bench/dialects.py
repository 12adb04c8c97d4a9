"""The dialects of JSON Schema: which one a schema is written in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pytest_selfopt.bench.call_format import show
from pytest_selfopt.suggest import did_you_mean
from pytest_selfopt.trial import Json

if TYPE_CHECKING:
    from jsonschema.protocols import Validator
    from referencing import Specification

_OLDER = "http://json-schema.org/draft-0{}/schema"
_LATEST = "https://json-schema.org/draft/2020-12/schema"
DIALECTS = (*map(_OLDER.format, (3, 4, 6, 7)), "https://json-schema.org/draft/2019-09/schema", _LATEST)
"""The values of `$schema` that are known."""
_OTHER_NAMES = {
    **{name.replace("http:", "https:"): name for name in DIALECTS},
    **{name.replace("https:", "http:"): name for name in DIALECTS},
    "http://json-schema.org/schema": _LATEST,
    "https://json-schema.org/schema": _LATEST,
    "https://spec.openapis.org/oas/3.1/dialect/base": _LATEST,
}
"""Other names of dialects, as they are often written; OpenAPI's differs from 2020-12 by annotations only."""

_BESIDE_OTHERS = frozenset({"exclusiveMinimum", "exclusiveMaximum", "required"})
"""Keywords that older dialects read with another one."""


def dialect_of(schema: dict[str, Json], usual: type[Validator] | None = None) -> type[Validator]:
    """Return the validators of a schema's dialect: of `usual` if it names none, or of the latest.

    Raises:
        ValueError: if `$schema` is no text or names a dialect that is not known, perhaps one of the network.
    """
    from jsonschema import validators

    name = schema.get("$schema")
    if name is None:
        return usual or validators.Draft202012Validator
    if not isinstance(name, str):
        raise ValueError(f"is not a valid JSON Schema: its $schema is {show(name)}")
    plain = _plain(name)
    if plain not in DIALECTS:
        raise ValueError(
            f"its $schema {show(name)} names a dialect that is not known, and nothing is fetched from the network"
            f"{did_you_mean(name, DIALECTS, listing='leave it out, or name one of')}"
        )
    return validators.validator_for({"$schema": plain})


def specification_of(schema: dict[str, Json]) -> Specification[Any]:
    """Return what a schema's dialect takes for the names of its parts: of the latest if it names none that is known."""
    from referencing.jsonschema import DRAFT202012, specification_with

    name = schema.get("$schema")
    if not isinstance(name, str) or _plain(name) not in DIALECTS:
        return DRAFT202012
    return specification_with(_plain(name))


def check_inner_dialects(schema: dict[str, Json], parts: Iterable[dict[str, Json]], dialect: type[Validator]) -> None:
    """Reject a schema if one of its `parts` names another dialect than that of the whole.

    Raises:
        ValueError: naming the other dialect.
    """
    for part in parts:
        if part is schema or dialect_of(part, dialect) is dialect:
            continue
        raise ValueError(
            f"a schema inside has the $schema {show(part['$schema'])}, but the whole one is read as "
            f"{name_of(dialect)}; write all of it in one dialect, and name that at its root"
        )


def name_of(dialect: type[Validator]) -> str:
    """Return the name of a dialect, as `$schema` has it."""
    schema: Any = dialect.META_SCHEMA
    name: str = schema.get("$id") or schema["id"]
    return name.removesuffix("#")


def idle_keywords(part: Mapping[str, Json], dialect: type[Validator]) -> list[str]:
    """Return the keywords of a schema that constrain something in another dialect, and nothing in this one."""
    from jsonschema import validators

    known: set[str] = set()
    for name in DIALECTS:
        known.update(validators.validator_for({"$schema": name}).VALIDATORS)
    return sorted(part.keys() & known - dialect.VALIDATORS.keys() - _BESIDE_OTHERS)


def _plain(name: str) -> str:
    """Return the name of a dialect as it is in `DIALECTS`, if it is a known one."""
    plain = name.removesuffix("#")
    return _OTHER_NAMES.get(plain, plain)
