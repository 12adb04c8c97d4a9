"""Promptfoo's variables, and the texts that they fill."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Any

from pytest_selfopt.bench.importing.javascript import javascript_text

_VARIABLE = re.compile(r"{{\s*([A-Za-z_][A-Za-z0-9_]*(?:\.[A-Za-z_][A-Za-z0-9_]*)*)\s*}}")
_TEMPLATE_SIGNS = ("{{", "{%", "{#")
_ROUNDS = 5
"""How often variables inside of variables are filled."""
_MOST_COMBINATIONS = 10_000
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


def filled(text: str, variables: Mapping[str, Any], what: str) -> str:
    """Return a text with its variables filled in; `what` names the text in errors.

    Raises:
        ValueError: if it needs more than the variables of its test.
    """

    def value(match: re.Match[str]) -> str:
        return _text_of(match[1], variables)

    for _ in range(_ROUNDS):
        if not _VARIABLE.search(text):
            break
        text = _VARIABLE.sub(value, text)
    if any(sign in text for sign in _TEMPLATE_SIGNS):
        raise ValueError(f"{what} is a template with more than plain variables")
    return text


def _text_of(name: str, variables: Mapping[str, Any]) -> str:
    known: Any = variables
    for part in name.split("."):
        if not isinstance(known, Mapping) or part not in known:
            raise ValueError(f"the variable {name!r} has no value in this file")
        known = known[part]
    if is_elsewhere(known):
        raise ValueError(f"the variable {name!r} is in another file, {known!r}")
    if isinstance(known, dict) or (isinstance(known, list) and any(isinstance(item, dict) for item in known)):
        raise ValueError(f"the variable {name!r} is an object, not a text")
    # Promptfoo takes one newline from the end of a variable, since it would break prompts in JSON.
    return javascript_text(known).removesuffix("\n")
