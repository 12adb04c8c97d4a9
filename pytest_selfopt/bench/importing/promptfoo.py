"""Importer of promptfoo's YAML: prompts with {{variables}}, and assertions that need neither a model nor a program."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_selfopt.bench.importing.imported import Imported
from pytest_selfopt.errors import SuiteError

_VARIABLE = re.compile(r"{{\s*([A-Za-z_][A-Za-z0-9_.]*)\s*}}")


def import_promptfoo(path: Path, limit: int | None = None) -> Imported:
    """Import at most `limit` cases of a configuration: each prompt with each test.

    Raises:
        SuiteError: if the file cannot be read, or contains no prompts or no tests.
    """
    document = _document(path)
    entries = _list(document.get("prompts"))
    prompts = [text for text in map(_prompt, entries) if text is not None]
    tests = [test for test in _list(document.get("tests")) if isinstance(test, Mapping)]
    if not prompts or not tests:
        raise SuiteError(f"{path.name}: contains no inline prompts, or no tests")
    shared = document.get("defaultTest") or {}
    imported = Imported()
    for pairing in _pairings(prompts, tests):
        if limit is not None and imported.cases >= limit:
            return imported
        place = f"{path.name}: {pairing.place}"
        try:
            imported.add(_case(pairing, shared), place)
        except ValueError as problem:
            imported.leave(place, str(problem))
    for entry in entries:
        if _prompt(entry) is None:
            imported.leave(path.name, f"the prompt {entry!r} is in another file or is a program")
    return imported


@dataclass(frozen=True, slots=True, kw_only=True)
class _Pairing:
    """A prompt with a test, the id of their case, and their place in the file."""

    id: str
    place: str
    prompt: str
    test: Mapping[str, Any]


def _pairings(prompts: Sequence[str], tests: Sequence[Mapping[str, Any]]) -> Iterator[_Pairing]:
    for number, prompt in enumerate(prompts, start=1):
        for index, test in enumerate(tests):
            name = f"test-{index + 1}"
            place = f"tests[{index}]"
            if len(prompts) > 1:
                name = f"prompt-{number}-{name}"
                place = f"{place} with prompts[{number - 1}]"
            yield _Pairing(id=name, place=place, prompt=prompt, test=test)


def _case(pairing: _Pairing, shared: Mapping[str, Any]) -> dict[str, Any]:
    test = pairing.test
    prompt = _filled(pairing.prompt, test, shared)
    return {"id": pairing.id, "prompt": prompt, "expect": _expect(test, shared)}


def _document(path: Path) -> Mapping[str, Any]:
    import yaml

    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        reason = " ".join(str(problem).split())
        raise SuiteError(f"{path}: cannot be read: {reason}") from None
    if not isinstance(value, Mapping):
        raise SuiteError(f"{path}: expected an object with prompts and tests")
    return value


def _list(value: Any) -> list[Any]:
    """Return a list unchanged, None as an empty list, anything else as a list of one item."""
    if isinstance(value, list):
        return value
    if value is None:
        return []
    return [value]


def _prompt(value: Any) -> str | None:
    """Return the text of a prompt; None if it is in another file."""
    text = value
    if isinstance(value, Mapping):
        text = value.get("raw")
    if not isinstance(text, str) or text.startswith("file://"):
        return None
    return text


def _filled(text: str, test: Mapping[str, Any], shared: Mapping[str, Any]) -> str:
    usual, own = shared.get("vars") or {}, test.get("vars") or {}
    variables = {**usual, **own}

    def value(match: re.Match[str]) -> str:
        name = match[1]
        known = variables.get(name)
        if isinstance(known, str | int | float):
            text = str(known)
            if not text.startswith("file://"):
                return text
        raise ValueError(f"the variable {name!r} is not a string in this file")

    filled = _VARIABLE.sub(value, text)
    if "{%" in filled or "{{" in filled:
        raise ValueError("its prompt is a template with more than plain variables")
    return filled


def _expect(test: Mapping[str, Any], shared: Mapping[str, Any]) -> dict[str, Any]:
    """Combine the assertions into one expectation; several strings to be contained become one."""
    assertions = [*_list(shared.get("assert")), *_list(test.get("assert"))]
    expectations = list(map(_read, assertions))
    if not expectations:
        raise ValueError("it asserts nothing")
    if _alike(expectations):
        return _joined(expectations)
    if len(expectations) > 1:
        raise ValueError("it has several assertions of different kinds; a case has one expectation")
    return expectations[0]


def _alike(expectations: Sequence[Mapping[str, Any]]) -> bool:
    """Whether all expect contained strings, with the same case sensitivity."""
    first = expectations[0].get("ignore_case")
    for expectation in expectations:
        if "contains" not in expectation or expectation["ignore_case"] != first:
            return False
    return True


def _joined(expectations: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    parts: list[str] = []
    for expectation in expectations:
        parts.extend(expectation["contains"])
    return {"contains": parts, "ignore_case": expectations[0]["ignore_case"]}


def _read(assertion: Any) -> dict[str, Any]:
    """Convert one assertion to an expectation.

    Raises:
        ValueError: if no expectation corresponds to it.
    """
    kind, value = str(assertion.get("type")), assertion.get("value")
    expectation = None
    if isinstance(value, str | int | float):
        expectation = _about_text(kind, str(value))
    if isinstance(value, list):
        expectation = _about_texts(kind, list(map(str, value)))
    if isinstance(value, str):
        expectation = expectation or _about_pattern(kind, value)
    if kind == "is-json":
        return {"json_schema": _schema(value)}
    if expectation is None:
        raise ValueError(f"the assertion {kind!r} needs a model, a program or a metric that cases do not have")
    return expectation


def _about_text(kind: str, text: str) -> dict[str, Any] | None:
    if kind in ("contains", "icontains"):
        return {"contains": [text], "ignore_case": kind == "icontains"}
    if kind == "equals":
        return {"exact": text}
    return None


def _about_texts(kind: str, texts: list[str]) -> dict[str, Any] | None:
    if kind in ("contains-all", "icontains-all"):
        return {"contains": texts, "ignore_case": kind == "icontains-all"}
    alternatives = "|".join(map(re.escape, texts))
    if kind == "contains-any":
        return {"regex": alternatives}
    if kind == "icontains-any":
        return {"regex": f"(?i){alternatives}"}
    return None


def _about_pattern(kind: str, text: str) -> dict[str, Any] | None:
    if kind == "regex":
        return {"regex": text}
    if kind == "starts-with":
        return {"regex": rf"\A{re.escape(text)}"}
    return None


def _schema(value: Any) -> dict[str, Any]:
    """Return the schema of an assertion that the answer is JSON; an empty schema allows any JSON."""
    if isinstance(value, dict):
        return value
    return {}
