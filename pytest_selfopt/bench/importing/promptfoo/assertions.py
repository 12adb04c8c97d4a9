"""Promptfoo's assertions as expectations."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

from pytest_selfopt.bench.grading.patterns import JAVASCRIPT, for_python
from pytest_selfopt.bench.importing.javascript import WHITE_SPACE, UnquotedDate, dated, javascript_key, javascript_text
from pytest_selfopt.bench.importing.promptfoo.files import value_in
from pytest_selfopt.bench.importing.promptfoo.schemas import checked_schema
from pytest_selfopt.bench.importing.promptfoo.templates import Variables, is_elsewhere
from pytest_selfopt.bench.importing.promptfoo.types import reason_for
from pytest_selfopt.bench.loading.yaml_files import YamlProblem, read_yaml

Expectation: TypeAlias = dict[str, Any]

ANY_ANSWER: Expectation = {"regex": ""}
"""What every answer meets, such as containing an empty text."""
_NOT = "not-"
_PARTS = re.compile(r'\s*+(?:"((?:[^"\\]|\\.|"")*)"|(?!")([^,]*))\s*(?:,|\Z)', re.DOTALL)


def expectation_in(assertion: Mapping[str, Any], variables: Variables, folder: Path) -> Expectation:
    """Return the expectation that an assertion amounts to; files that it names are in `folder`.

    Raises:
        ValueError: with the reason, if a case cannot hold it.
    """
    kind = assertion.get("type")
    if not isinstance(kind, str):
        raise ValueError(f"an assertion has no type but {kind!r}")
    if "transform" in assertion:
        raise ValueError(f"the assertion {kind!r} is about what a program makes of the answer")
    if assertion.get("normalizeUnicode"):
        raise ValueError(f"the assertion {kind!r} compares texts in a form of Unicode that it names")
    plain = kind.removeprefix(_NOT)
    reader = _READERS.get(plain)
    if reader is None:
        raise ValueError(reason_for(kind, plain))
    if "value" not in assertion and plain not in _WITHOUT_VALUE:
        raise ValueError(f"the assertion {kind!r} has no value")
    value = _rendered(assertion.get("value"), variables, kind, folder)
    if has_date(value):
        raise ValueError(f"the assertion {kind!r} has a date without quotes, of which promptfoo makes an object")
    expectation = reader(plain, value)
    if plain != kind:
        return {"not": expectation}
    return expectation


def has_date(value: Any) -> bool:
    """Whether a date without quotes is in a value."""
    if isinstance(value, list):
        return any(map(has_date, value))
    if isinstance(value, dict):
        return any(map(has_date, value.values()))
    return isinstance(value, UnquotedDate)


def _rendered(value: Any, variables: Variables, kind: str, folder: Path) -> Any:
    """Fill the variables of a text, or of the texts in a list; what is in a file is not filled."""
    if isinstance(value, list):
        return [_rendered_text(item, variables, kind, folder) for item in value]
    return _rendered_text(value, variables, kind, folder)


def _rendered_text(value: Any, variables: Variables, kind: str, folder: Path) -> Any:
    if is_elsewhere(value):
        return value_in(kind, value, folder)
    if isinstance(value, str) and not isinstance(value, UnquotedDate):
        return variables.fill(value, f"the value of the assertion {kind!r}")
    return value


def _contains(kind: str, value: Any) -> Expectation:
    return {"contains": [_text(kind, value)], "ignore_case": kind.startswith("i"), "strict": True}


def _contains_all(kind: str, value: Any) -> Expectation:
    texts = list(filter(None, _texts(kind, value)))
    if not texts:
        return ANY_ANSWER
    return {"contains": texts, "ignore_case": kind.startswith("i"), "strict": True}


def _contains_any(kind: str, value: Any) -> Expectation:
    texts = _texts(kind, value)
    if "" in texts:
        return ANY_ANSWER
    return {"contains_any": texts, "ignore_case": kind.startswith("i"), "strict": True}


def _equals(_kind: str, value: Any) -> Expectation:
    if value is None or isinstance(value, dict | list):
        return {"json_schema": {"const": value}, "strict": True}
    return {"exact": javascript_text(value), "strict": True}


def _starts_with(kind: str, value: Any) -> Expectation:
    return {"regex": rf"\A{re.escape(_string(kind, value))}"}


def _regex(kind: str, value: Any) -> Expectation:
    pattern = _string(kind, value)
    for_python(pattern, JAVASCRIPT)
    return {"regex": pattern, "dialect": JAVASCRIPT}


def _is_json(kind: str, value: Any) -> Expectation:
    """Convert the assertion that an answer is JSON; a schema may be written as a text in YAML."""
    if not value and not isinstance(value, dict | list):
        return {"json_schema": {}, "strict": True}
    schema = value
    if isinstance(value, str):
        try:
            schema = read_yaml(value, name_key=javascript_key, plain_text=dated).value
        except YamlProblem as problem:
            raise ValueError(f"the schema of the assertion {kind!r} cannot be read: {problem}") from None
    if isinstance(value, str) and isinstance(schema, bool):
        return {"json_schema": {False: {"not": {}}, True: {}}[schema], "strict": True}
    if not isinstance(schema, dict) or has_date(schema):
        raise ValueError(f"the schema of the assertion {kind!r} is no object of JSON")
    return {"json_schema": checked_schema(schema), "strict": True}


def _string(kind: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"the assertion {kind!r} has no text as its value")
    return value


def _text(kind: str, value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return javascript_text(value)
    return _string(kind, value)


def _texts(kind: str, value: Any) -> list[str]:
    """Return the texts of a list, or of a text that separates them by commas."""
    if isinstance(value, str):
        value = separated(kind, value)
    if not isinstance(value, list) or not value:
        raise ValueError(f"the assertion {kind!r} has no list of texts as its value")
    return list(map(javascript_key, value))


def separated(kind: str, text: str) -> list[str]:
    """Return the parts of a text that commas separate; quotes keep a part together.

    Raises:
        ValueError: naming the assertion's `kind`, if a quote does not end.
    """
    parts: list[str] = []
    at = 0
    while at < len(text):
        found = _PARTS.match(text, at)
        if found is None:
            raise ValueError(f"the value of the assertion {kind!r} has a quote without its end")
        quoted, plain = found.groups()
        if quoted is not None:
            parts.append(re.sub(r'\\(["\\])|""', _unquoted, quoted))
        elif plain.strip(WHITE_SPACE):
            parts.append(plain.strip(WHITE_SPACE))
        at = found.end()
    return parts


def _unquoted(match: re.Match[str]) -> str:
    return match[1] or '"'


_READERS: dict[str, Callable[[str, Any], Expectation]] = {
    "contains": _contains,
    "icontains": _contains,
    "contains-all": _contains_all,
    "icontains-all": _contains_all,
    "contains-any": _contains_any,
    "icontains-any": _contains_any,
    "equals": _equals,
    "starts-with": _starts_with,
    "regex": _regex,
    "is-json": _is_json,
}
_WITHOUT_VALUE = ("is-json",)
