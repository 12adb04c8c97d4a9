"""Promptfoo's variables, and the texts that they fill.

In this order, as in promptfoo 0.123.1: a variable that names a file is its content; one newline at the end of a
variable is dropped; variables inside of variables are filled, the first of each text at a time; then templates are.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_selfopt.bench.importing.javascript import UnquotedDate, javascript_key
from pytest_selfopt.bench.importing.promptfoo.files import variable_in
from pytest_selfopt.bench.importing.promptfoo.nunjucks import Filling

_VARIABLE = re.compile(r"\{\{\s*([A-Za-z0-9_]+)\s*\}\}")
_NAMED = re.compile(r"\{\{\s*([^{}\s|]+)\s*(?:\|[^}]+)?\}\}|\{%\s*(?:if|for)\s+([^{}\s]+)\s*.*?%\}")
_ROOT = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PARTIAL = re.compile(r"(?:\{%[^%]*|\{\{[^}]*|\{#[^#]*)(?=[\n\r\u2028\u2029]|\Z)")
_RAW = re.compile(r"\{%\s*raw\s*%\}")
_END_OF_RAW = re.compile(r"\{%\s*endraw\s*%\}")
_INSERTED = re.compile(r"\$[$&`']")
_ROUNDS = 5
"""How often variables inside of variables are filled."""
_MOST_COMBINATIONS = 10_000
_LONGEST = 1_000_000
"""Characters of a variable: variables inside of each other can double with each round."""
_FILES = ("file://", "package:")


def is_elsewhere(value: Any) -> bool:
    """Whether a value leads to another file, or to a program."""
    return isinstance(value, str) and value.startswith(_FILES)


def combinations(variables: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the variables of each test that a test stands for: one for each text in a list that begins with a text.

    Raises:
        ValueError: if there are too many.
    """
    choices: list[list[Any]] = []
    count = 1
    for value in variables.values():
        options = [value]
        if isinstance(value, list) and value and isinstance(value[0], str):
            options = value
        choices.append(options)
        count *= len(options)
    if count > _MOST_COMBINATIONS:
        raise ValueError(f"the lists of its variables stand for {count:,} tests, more than {_MOST_COMBINATIONS:,}")
    for chosen in itertools.product(*choices):
        yield dict(zip(variables, chosen, strict=True))


@dataclass(frozen=True, slots=True)
class Variables:
    """The variables of a test, ready to fill texts; `missing` collects the names that have no value."""

    values: Mapping[str, Any]
    missing: dict[str, None] = field(default_factory=dict)

    @classmethod
    def resolved(cls, variables: Mapping[str, Any], folder: Path) -> Variables:
        """Fill the variables inside of variables.

        Raises:
            ValueError: with the reason, if one cannot be filled as promptfoo does.
        """
        values = {name: _content(name, value, folder) for name, value in variables.items()}
        for _ in range(_ROUNDS):
            if not _fill_once(values):
                break
        return cls(values)

    def fill(self, text: str, what: str) -> str:
        """Return a text with the variables filled in; `what` names the text in errors.

        Raises:
            ValueError: if it is a template that does more.
        """
        return Filling(self.values, what, self.missing).fill(text)

    def fill_prompt(self, text: str, what: str) -> str:
        """Return a prompt with the variables filled in, which may be templates themselves.

        Raises:
            ValueError: if one of them is a template that does more.
        """
        if _is_partial(text):
            return text
        filled = {name: self._filled(name) for name in self.values if name in text}
        return Filling(filled, what, self.missing).fill(text)

    def _filled(self, name: str) -> Any:
        value = self.values[name]
        if not isinstance(value, str) or isinstance(value, UnquotedDate):
            return value
        if _is_partial(value) or any(map(self._is_undefined, _names(value))):
            return value
        return self.fill(value, f"the variable {name!r}")

    def _is_undefined(self, name: str) -> bool:
        root = _ROOT.match(name)
        return root is not None and root[0] != "env" and root[0] not in self.values


def _content(name: str, value: Any, folder: Path) -> Any:
    """Return the value of a variable, from its file if it names one, without one newline at its end."""
    content = value
    if is_elsewhere(value):
        content = variable_in(name, value, folder)
    if isinstance(content, str) and not isinstance(content, UnquotedDate):
        return content.removesuffix("\n")
    return content


def _fill_once(values: dict[str, Any]) -> bool:
    """Fill the first variable inside of each; whether there was one."""
    filled = False
    for name, value in values.items():
        if not isinstance(value, str) or isinstance(value, UnquotedDate):
            continue
        inside = _VARIABLE.search(value)
        if inside is None or inside[1] not in values:
            continue
        inserted = values[inside[1]]
        if isinstance(inserted, dict | UnquotedDate):
            raise ValueError(f"the variable {name!r} has the variable {inside[1]!r} inside, which is no text")
        values[name] = _replaced(value, inside, javascript_key(inserted))
        if len(values[name]) > _LONGEST:
            raise ValueError(f"the variable {name!r} is longer than {_LONGEST:,} characters when it is filled")
        filled = True
    return filled


def _replaced(text: str, place: re.Match[str], inserted: str) -> str:
    """Replace a place as JavaScript does: `$&` in what is inserted is the place itself."""
    before, after = text[: place.start()], text[place.end() :]
    meanings = {"$$": "$", "$&": place[0], "$`": before, "$'": after}

    def meaning(sign: re.Match[str]) -> str:
        return meanings[sign[0]]

    return before + _INSERTED.sub(meaning, inserted) + after


def _names(text: str) -> Iterator[str]:
    for found in _NAMED.finditer(text):
        yield found[1] or found[2]


def _is_partial(text: str) -> bool:
    """Whether a text has a tag that does not end: promptfoo then takes the whole of it as it is."""
    if _RAW.search(text) and _END_OF_RAW.search(text):
        return False
    return _PARTIAL.search(text) is not None
