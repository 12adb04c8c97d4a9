"""The dialects of JSON Schema: which one a schema is written in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_selfopt.bench.call_format import show
from pytest_selfopt.trial import Json

if TYPE_CHECKING:
    from jsonschema.protocols import Validator

_OLDER = "http://json-schema.org/draft-0{}/schema"
_LATEST = "https://json-schema.org/draft/2020-12/schema"
DIALECTS = (*map(_OLDER.format, (3, 4, 6, 7)), "https://json-schema.org/draft/2019-09/schema", _LATEST)
"""The values of `$schema` that are known."""
_OTHER_NAMES = {
    **{name.replace("http:", "https:"): name for name in DIALECTS},
    "http://json-schema.org/schema": _LATEST,
    "https://json-schema.org/schema": _LATEST,
    "https://spec.openapis.org/oas/3.1/dialect/base": _LATEST,
}
"""Other names of dialects, as they are often written; OpenAPI's differs from 2020-12 by annotations only."""


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
    plain = name.removesuffix("#")
    plain = _OTHER_NAMES.get(plain, plain)
    if plain not in DIALECTS:
        raise ValueError(
            f"its $schema {show(name)} names a dialect that is not known, and nothing is fetched from the network; "
            f"leave it out, or name one of {', '.join(DIALECTS)}"
        )
    return validators.validator_for({"$schema": plain})
