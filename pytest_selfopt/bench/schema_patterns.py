"""The regular expressions of JSON Schemas, which are those of ECMA-262 with its flag u."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Self

from pytest_selfopt.bench.grading.patterns import compiled
from pytest_selfopt.bench.javascript_patterns import python_pattern

_IGNORES_CASE = "(?i)"
_OF_ASCII = "(?a)"
_FLAGS = re.compile(r"\(\?([aimsu]+)\)")


class SchemaPattern(str):
    """A pattern as Python has to read it; its `repr` is the pattern as the schema has it."""

    __slots__ = ("_written",)
    _written: str

    def __new__(cls, text: str, written: str) -> Self:
        """Make a pattern with the text for Python, `written` in a schema."""
        made = super().__new__(cls, text)
        made._written = written
        return made

    def __repr__(self) -> str:
        """Return what people read of it in messages."""
        return repr(self._written)


@lru_cache(maxsize=512)
def schema_pattern(written: str) -> SchemaPattern:
    r"""Return a schema's pattern for Python.

    `(?i)` at its beginning is understood. A pattern that is none of ECMA-262 means what it means to Python, such as
    one with `\Z`. No flag stands at the beginning of the text, so that several patterns can be joined.

    Raises:
        ValueError: with the reason, if Python cannot read it.
    """
    rest = written.removeprefix(_IGNORES_CASE)
    flags = "i" * (rest != written)
    try:
        text = python_pattern(rest, unicode=True)
    except ValueError:
        compiled(written)
        return SchemaPattern(_with_scoped_flags(written), written)
    body = text.removeprefix(_OF_ASCII)
    flags += "a" * (body != text)
    if flags:
        body = f"(?{flags}:{body})"
    return SchemaPattern(body, written)


def _with_scoped_flags(pattern: str) -> str:
    flags = _FLAGS.match(pattern)
    if flags is None:
        return pattern
    return f"(?{flags[1]}:{pattern[flags.end() :]})"
