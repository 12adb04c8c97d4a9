"""Importer of promptfoo's configurations: prompts with variables, and assertions that need no model or program."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_selfopt.bench.importing.imported import Imported
from pytest_selfopt.bench.importing.javascript import javascript_key
from pytest_selfopt.bench.importing.promptfoo_assertions import expectation_of
from pytest_selfopt.bench.importing.promptfoo_prompts import Prompt, messages_of, read_prompts
from pytest_selfopt.bench.importing.promptfoo_templates import combinations, is_elsewhere
from pytest_selfopt.bench.loading.yaml_files import YamlProblem, read_yaml
from pytest_selfopt.errors import SuiteError

_BY_PROGRAM = {
    "transform": "its answer is changed by a program",
    "postprocess": "its answer is changed by a program",
    "transformVars": "its variables are changed by a program",
}
_REFERENCE = "$ref"


def import_promptfoo(path: Path, limit: int | None = None) -> Imported:
    """Import at most `limit` cases of a configuration: each prompt with each test.

    Raises:
        SuiteError: if the file cannot be read, or contains no prompts or no tests.
    """
    document = _document(path)
    imported = Imported()
    prompts, elsewhere = read_prompts(document.get("prompts"))
    tests = _tests(document, imported, path.name)
    if not prompts or not tests:
        raise SuiteError(f"{path.name}: contains no inline prompts, or no tests")
    shared = _shared(document, path.name)
    of_several = len(prompts) > 1
    for prompt, (number, test) in itertools.product(prompts, tests):
        pairing = _Pairing(number, prompt, of_several, test, shared)
        place = f"{path.name}: {pairing.place}"
        try:
            for case in _cases(pairing, imported, place):
                imported.add(case, place)
                if imported.cases == limit:
                    return imported
        except ValueError as problem:
            imported.leave(place, str(problem))
    for reason in elsewhere:
        imported.leave(path.name, reason)
    return imported


@dataclass(frozen=True, slots=True)
class _Pairing:
    """A prompt with a test."""

    number: int
    prompt: Prompt
    of_several: bool
    """Whether the configuration has other prompts, too."""
    test: Mapping[str, Any]
    shared: Mapping[str, Any]

    @property
    def place(self) -> str:
        """Where they are in the file."""
        place = f"tests[{self.number}]"
        if self.of_several:
            return f"{place} with prompts[{self.prompt.number}]"
        return place

    @property
    def name(self) -> str:
        """The id of the case."""
        name = f"test-{self.number + 1}"
        if self.of_several:
            return f"prompt-{self.prompt.number + 1}-{name}"
        return name

    def both(self, field: str) -> dict[str, Any]:
        """Return an object of the test that adds to that of all tests.

        Raises:
            ValueError: if one of them is no object.
        """
        whole: dict[str, Any] = {}
        for part in (self.shared, self.test):
            value = part.get(field)
            if is_elsewhere(value) or isinstance(value, str | list):
                raise ValueError(f"its {field} are in another file, {value!r}")
            if value is None:
                continue
            if not isinstance(value, Mapping):
                raise ValueError(f"its {field} are no object but {value!r}")
            whole.update(value)
        return whole

    def own(self, field: str) -> Any:
        """Return a field of the test, or else of all tests."""
        value = self.test.get(field)
        if value is None:
            return self.shared.get(field)
        return value


def _cases(pairing: _Pairing, imported: Imported, place: str) -> Iterator[dict[str, Any]]:
    """Yield the cases of a prompt with a test: several if its variables are lists."""
    options = pairing.both("options")
    _refuse_programs(pairing, options)
    if not _asks(pairing):
        return
    variables = pairing.both("vars")
    assertions = _assertions(pairing, options)
    several = [variables]
    if options.get("disableVarExpansion") is not True:
        several = list(combinations(variables))
    for index, chosen in enumerate(several, start=1):
        expect, dropped = expectation_of(assertions, pairing.own("threshold"), chosen)
        name = pairing.name
        if len(several) > 1:
            name = f"{name}.{index}"
        if dropped and index == 1:
            imported.note(place, f"{dropped} of its assertions have the weight 0 and are not carried over")
        asked = messages_of(pairing.prompt, options, chosen)
        yield {"id": name, **asked, "expect": expect}


def _refuse_programs(pairing: _Pairing, options: Mapping[str, Any]) -> None:
    for field, reason in _BY_PROGRAM.items():
        if options.get(field) is not None or pairing.test.get(field) is not None:
            raise ValueError(reason)
    if pairing.own("assertScoringFunction") is not None:
        raise ValueError("its assertions are scored by a program")
    if pairing.own("providerOutput") is not None:
        raise ValueError("its answer is given, no model is asked")


def _asks(pairing: _Pairing) -> bool:
    """Whether a test is about this prompt: it may name some of them."""
    named = pairing.own("prompts")
    if not isinstance(named, list):
        return True
    return pairing.prompt.label in named


def _assertions(pairing: _Pairing, options: Mapping[str, Any]) -> list[Any]:
    parts = [pairing.shared, pairing.test]
    if options.get("disableDefaultAsserts") is True:
        parts = [pairing.test]
    assertions: list[Any] = []
    for part in parts:
        value = part.get("assert")
        if isinstance(value, str):
            raise ValueError(f"its assertions are in another file, {value!r}")
        if value is None:
            continue
        if not isinstance(value, list):
            raise ValueError(f"its assertions are no list but {value!r}")
        assertions.extend(value)
    return assertions


def _document(path: Path) -> Mapping[str, Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        value = read_yaml(text, name_key=javascript_key).value
    except (OSError, UnicodeDecodeError) as problem:
        raise SuiteError(f"{path}: cannot be read: {problem}") from None
    except YamlProblem as problem:
        place = f"{path}:{problem.line}".removesuffix(":0")
        raise SuiteError(f"{place}: cannot be read: {problem}") from None
    if not isinstance(value, Mapping):
        raise SuiteError(f"{path}: expected an object with prompts and tests")
    return value


def _shared(document: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return what all tests have in common."""
    shared = document.get("defaultTest")
    if shared is None:
        return {}
    if not isinstance(shared, Mapping):
        reason = f"defaultTest is in another file, {shared!r}, and without it no test is complete"
        raise SuiteError(f"{name}: {reason}")
    return _referenced(shared, document)


def _tests(document: Mapping[str, Any], imported: Imported, name: str) -> list[tuple[int, Mapping[str, Any]]]:
    """Return the tests in this file with their indices; list the others as left out."""
    entries = document.get("tests")
    if entries is None:
        entries = []
    if not isinstance(entries, list):
        entries = [entries]
    if document.get("scenarios"):
        imported.leave(name, "its scenarios are no tests with prompts of their own")
    tests: list[tuple[int, Mapping[str, Any]]] = []
    for number, entry in enumerate(entries):
        place = f"{name}: tests[{number}]"
        if not isinstance(entry, Mapping):
            imported.leave(place, f"the tests are in another file, or made by a program: {entry!r}")
        elif "path" in entry:
            imported.leave(place, f"the tests are made by a program, {entry['path']!r}")
        else:
            tests.append((number, _referenced(entry, document)))
    return tests


def _referenced(test: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """Return a test with the objects that it, and its assertions, refer to in the same file."""
    test = _followed(test, document)
    assertions = test.get("assert")
    if isinstance(assertions, list):
        test["assert"] = _followed_all(assertions, document)
    return test


def _followed_all(assertions: Sequence[Any], document: Mapping[str, Any]) -> list[Any]:
    followed: list[Any] = []
    for assertion in assertions:
        if isinstance(assertion, Mapping):
            followed.append(_followed(assertion, document))
        else:
            followed.append(assertion)
    return followed


def _followed(value: Mapping[str, Any], document: Mapping[str, Any]) -> dict[str, Any]:
    """Return an object with what its `$ref` leads to; a reference that leads nowhere stays."""
    reference = value.get(_REFERENCE)
    if not isinstance(reference, str) or not reference.startswith("#/"):
        return dict(value)
    target: Any = document
    for part in reference.removeprefix("#/").split("/"):
        if not isinstance(target, Mapping):
            return dict(value)
        target = target.get(part)
    if not isinstance(target, Mapping):
        return dict(value)
    own = {name: member for name, member in value.items() if name != _REFERENCE}
    return {**target, **own}
