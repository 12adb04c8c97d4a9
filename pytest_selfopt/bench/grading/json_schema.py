"""JSON Schemas of suites: checks of the schema itself, and of values against it."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator
from difflib import get_close_matches
from fractions import Fraction
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from pytest_selfopt.bench.call_format import line, show
from pytest_selfopt.bench.dialects import check_inner_dialects, dialect_of
from pytest_selfopt.bench.grading.extract import NO_JSON, json_in
from pytest_selfopt.bench.grading.formats import FORMATS, UNCHECKED
from pytest_selfopt.bench.grading.judgement import BrokenGrader
from pytest_selfopt.bench.references import BY_NAME, DYNAMIC, Place, check_ends, place_in, reachable, referred
from pytest_selfopt.bench.schema_patterns import schema_pattern
from pytest_selfopt.trial import Json

if TYPE_CHECKING:
    from jsonschema import FormatChecker, SchemaError, ValidationError
    from jsonschema.protocols import Validator

Form: TypeAlias = Literal["fenced", "whole"]
_DATA = ("const", "enum", "default", "examples")
"""Keywords whose values are no schemas."""
_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_MISSPELLED = 0.8
"""The likeness (by difflib) from which an unknown format was meant to be a known one."""


def problem_in(schema: dict[str, Json], text: str, form: Form = "fenced") -> str | None:
    """Return where and why the JSON in a text does not satisfy a schema, empty if it does; None without JSON.

    The form "whole" is that of a text that is JSON without a code fence.
    """
    return problem_by(validator_of(schema), text, form)


def problem_by(validator: Validator, text: str, form: Form = "fenced") -> str | None:
    """Return what `problem_in` does, by the validator of the schema."""
    value = json_in(text, fenced=form == "fenced")
    if value is NO_JSON:
        return None
    return _first_problem(validator, value)


def first_problem(schema: dict[str, Json], value: Any) -> str:
    """Return where and why a value does not satisfy a schema ("at $.a: …"); empty if it does."""
    return _first_problem(validator_of(schema), value)


def _first_problem(validator: Validator, value: Any) -> str:
    from referencing.exceptions import Unresolvable

    try:
        problem = _best(validator, value)
    except RecursionError:
        return f"at a place too deep to check: {show(value)}"
    except Unresolvable as unknown:
        raise BrokenGrader(f"the JSON Schema refers to {show(unknown.ref)}, which leads nowhere") from None
    if problem is None:
        return ""
    return f"at {line(problem.json_path, 60)}: {line(problem.message)}"


def _best(validator: Validator, value: Any) -> ValidationError | None:
    from jsonschema.exceptions import best_match

    try:
        best: ValidationError | None = best_match(validator.iter_errors(value))
    except TypeError:
        # Types of draft 3 may be schemas, among which jsonschema finds no best match.
        return next(iter(validator.iter_errors(value)), None)
    return best


def check_schema(schema: dict[str, Json]) -> None:
    """Reject an invalid JSON Schema, and one with dangling or circular references or misspelled formats.

    Raises:
        ValueError: "is not a valid JSON Schema: …", or the problem of a `$ref`, a `pattern` or a `format`.
    """
    dialect = dialect_of(schema)
    try:
        check_keywords(schema, dialect)
        check_inner_dialects(schema, subschemas(schema), dialect)
        _check_references(schema, dialect)
        _check_formats(schema)
    except RecursionError:
        raise ValueError("is nested too deeply to check") from None
    try:
        validator_of(schema).is_valid(None)
    except RecursionError:
        raise ValueError("its references lead back to themselves without end") from None


def check_keywords(schema: dict[str, Json], dialect: type[Validator]) -> None:
    """Reject a schema that its dialect does not allow, and one with a pattern that cannot be read.

    Raises:
        ValueError: "is not a valid JSON Schema: …", or the problem of a pattern.
        RecursionError: if it is nested too deeply.
    """
    from jsonschema import FormatChecker
    from jsonschema.exceptions import SchemaError

    check: Any = dialect.check_schema
    try:
        # Without the checker, jsonschema refuses patterns that are not written as Python has them.
        check(schema, format_checker=FormatChecker(formats=()))
    except SchemaError as problem:
        reason = f"at {line(problem.json_path, 60)}: {_reason(problem)}"
        raise ValueError(f"is not a valid JSON Schema: {reason}") from None
    for pattern in patterns_in(schema):
        try:
            schema_pattern(pattern)
        except ValueError as problem:
            raise ValueError(f"its pattern {show(pattern)} is not a regular expression: {problem}") from None


def _reason(problem: SchemaError) -> str:
    """Say what is wrong with a keyword of a schema."""
    path = list(problem.path)
    is_type = path[-1:] == ["type"] and path[-2:-1] != ["properties"]
    if is_type and isinstance(problem.instance, str):
        return f"{show(problem.instance)} is no type; available: {', '.join(_TYPES)}"
    return line(problem.message)


def validator_of(schema: dict[str, Json]) -> Validator:
    """Return a validator that knows only the metaschemas and this schema: it must fetch no `$ref` from the network."""
    from jsonschema_specifications import REGISTRY

    exact = _exact(dialect_of(schema))
    validator: Validator = exact(_readable(schema), registry=REGISTRY, format_checker=_format_checker())
    return validator


def _readable(part: Any) -> Any:
    """Return a schema with its patterns as Python has to read them."""
    if isinstance(part, list):
        return list(map(_readable, part))
    if not isinstance(part, dict):
        return part
    readable: dict[str, Any] = {}
    for keyword, value in part.items():
        if keyword in BY_NAME and isinstance(value, dict):
            readable[keyword] = {name: _readable(member) for name, member in value.items()}
        elif keyword == "pattern" and isinstance(value, str):
            readable[keyword] = _for_python(value)
        elif keyword in _DATA:
            readable[keyword] = value
        elif keyword != "$schema":
            # A schema that names its dialect would be given the usual validators wherever it is referred to.
            readable[keyword] = _readable(value)
    members = readable.get("patternProperties")
    if isinstance(members, dict):
        readable["patternProperties"] = _readable_names(members)
    return readable


def _readable_names(members: dict[str, Any]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for written, member in members.items():
        name = _for_python(written)
        if name in named:
            # Two ways of writing the same pattern.
            named[name] = {"allOf": [named[name], member]}
        else:
            named[name] = member
    return named


def _for_python(pattern: str) -> str:
    try:
        return schema_pattern(pattern)
    except ValueError:
        # It was not refused, so it stands where jsonschema looks for no pattern.
        return pattern


@lru_cache(maxsize=16)
def _exact(usual: type[Validator]) -> Any:
    """Return a class of validators that divides numbers as they are written: 0.3 is three times 0.1.

    That items are unique is found out in time that grows with their number; jsonschema compares each with each.
    """
    from jsonschema import validators

    extend: Any = validators.extend
    return extend(usual, {"multipleOf": _check_multiple, "uniqueItems": _check_unique})


def _check_unique(validator: Validator, demanded: Any, value: Any, _schema: Any) -> Iterator[ValidationError]:
    from jsonschema import ValidationError

    if demanded and validator.is_type(value, "array") and len(set(map(_key, value))) < len(value):
        yield ValidationError(f"{value!r} has non-unique elements")


def _key(value: Any) -> Hashable:
    """Return what is equal for equal values of JSON: 1 is 1.0, but no truth value."""
    if isinstance(value, bool):
        return ("bool", value)
    if isinstance(value, list):
        return ("array", *map(_key, value))
    if isinstance(value, dict):
        members = {(name, _key(member)) for name, member in value.items()}
        return ("object", frozenset(members))
    found: Hashable = value
    return found


def _check_multiple(validator: Validator, step: float, value: Any, _schema: Any) -> Iterator[ValidationError]:
    from jsonschema import ValidationError

    if validator.is_type(value, "number") and not _is_multiple(value, step):
        yield ValidationError(f"{value!r} is not a multiple of {step}")


def _is_multiple(value: float, step: float) -> bool:
    try:
        return _as_written(value) % _as_written(step) == 0
    except ValueError:
        # 1e400 is read as infinity.
        return False


def _as_written(number: float) -> Fraction:
    if isinstance(number, int):
        return Fraction(number)
    return Fraction(repr(number))


@lru_cache(maxsize=1)
def _format_checker() -> FormatChecker:
    """Return a checker of the formats that we know: those of jsonschema depend on what else is installed."""
    from jsonschema import FormatChecker

    checker = FormatChecker(formats=())
    for name, check in FORMATS.items():
        checker.checks(name)(_of_texts(check))
    return checker


def _of_texts(check: Callable[[str], bool]) -> Callable[[object], bool]:
    """Return a check that lets everything but texts pass, as the standard says."""

    def checked(value: object) -> bool:
        return not isinstance(value, str) or check(value)

    return checked


def _check_formats(schema: Json) -> None:
    for part in subschemas(schema):
        name = part.get("format")
        if not isinstance(name, str) or name in (*FORMATS, *UNCHECKED):
            continue
        # Others are annotations, as those of OpenAPI and Pydantic: int32, binary, path.
        for meant in get_close_matches(name, FORMATS, n=1, cutoff=_MISSPELLED):
            raise ValueError(f"its format {show(name)} is not known; did you mean {meant!r}?")


def patterns_in(schema: Json) -> Iterator[str]:
    """Yield the regular expressions of a schema."""
    for part in subschemas(schema):
        pattern = part.get("pattern")
        if isinstance(pattern, str):
            yield pattern
        members = part.get("patternProperties")
        if isinstance(members, dict):
            yield from members


def subschemas(part: Json) -> Iterator[dict[str, Json]]:
    """Yield a schema and all schemas inside it."""
    if isinstance(part, list):
        for member in part:
            yield from subschemas(member)
    if not isinstance(part, dict):
        return
    yield part
    for keyword, value in part.items():
        if keyword in BY_NAME and isinstance(value, dict):
            yield from subschemas(list(value.values()))
        elif keyword not in _DATA:
            yield from subschemas(value)


def _check_references(schema: dict[str, Json], dialect: type[Validator]) -> None:
    from jsonschema_specifications import REGISTRY

    root = place_in(REGISTRY, schema)
    try:
        for place in reachable(root):
            _check_dynamic(place, dialect)
        check_ends(root)
        targets = referred(root)
    except ValueError as problem:
        raise ValueError(f"its {problem}") from None
    for target in targets:
        check_keywords(target, dialect)


def _check_dynamic(place: Place, dialect: type[Validator]) -> None:
    """Reject a reference of a kind that its dialect knows, and that leads nowhere."""
    for keyword in DYNAMIC:
        if keyword not in place.schema or keyword not in dialect.VALIDATORS:
            continue
        if keyword == "$recursiveRef" and place.schema[keyword] != "#":
            raise ValueError(f"{keyword} {show(place.schema[keyword])} can only be '#'")
        place.target(keyword)
