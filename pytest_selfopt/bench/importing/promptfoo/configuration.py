"""Importer of promptfoo's configurations: prompts with variables, and assertions that need no model or program."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_selfopt.bench.call_format import show
from pytest_selfopt.bench.importing.imported import Imported
from pytest_selfopt.bench.importing.javascript import dated, javascript_key
from pytest_selfopt.bench.importing.promptfoo.files import object_in
from pytest_selfopt.bench.importing.promptfoo.prompts import Prompt, WrongPrompt, messages_of, read_prompts
from pytest_selfopt.bench.importing.promptfoo.references import referenced
from pytest_selfopt.bench.importing.promptfoo.scores import expectation_of
from pytest_selfopt.bench.importing.promptfoo.templates import Variables, combinations
from pytest_selfopt.bench.importing.promptfoo.tests import PlacedTest, read_tests
from pytest_selfopt.bench.importing.refusals import Refusals
from pytest_selfopt.bench.loading.yaml_files import YamlProblem, read_yaml
from pytest_selfopt.errors import SuiteError

_BY_PROGRAM = {
    "transform": "its answer is changed by a program",
    "postprocess": "its answer is changed by a program",
    "transformVars": "its variables are changed by a program",
}


def import_promptfoo(path: Path, limit: int | None = None) -> Imported:
    """Import at most `limit` cases of a configuration: each prompt with each test.

    Raises:
        SuiteError: if the file cannot be read, or has no prompts or no tests.
    """
    document = _document(path)
    imported = Imported()
    prompts, elsewhere = read_prompts(document.get("prompts"), path.parent)
    tests = read_tests(document, path, imported)
    if not prompts and not elsewhere:
        raise SuiteError(f"{path.name}: prompts: expected a text or a list of texts, got nothing")
    if not tests and not imported.left_out:
        raise SuiteError(f"{path.name}: tests: expected a list of tests, or the name of a file with tests, got nothing")
    shared = _shared(document, path)
    refusals = Refusals(path.name)
    for prompt, test in itertools.product(prompts, tests):
        if imported.cases == limit:
            break
        pairing = _Pairing(prompt, len(prompts) > 1, test, shared, path.parent)
        _add(pairing, imported, refusals, limit)
    if prompts and imported.cases != limit:
        for test in tests:
            refusals.check_asked(test.place)
    refusals.tell(imported)
    for reason in elsewhere:
        imported.leave(path.name, reason)
    return imported


def _add(pairing: _Pairing, imported: Imported, refusals: Refusals, limit: int | None) -> None:
    """Add the cases of a prompt with a test, or the reasons why they are left out."""
    prompt, test = pairing.prompt.place, pairing.test.place
    try:
        if not _asks(pairing):
            return
        refusals.ask(test)
        for case in _cases(pairing, refusals):
            if imported.cases == limit:
                return
            reason = imported.refusal(case)
            if reason:
                refusals.refuse(test, prompt, reason)
    except WrongPrompt as problem:
        refusals.refuse_prompt(prompt, str(problem))
    except ValueError as problem:
        refusals.refuse(test, prompt, str(problem))


@dataclass(frozen=True, slots=True)
class _Pairing:
    """A prompt with a test."""

    prompt: Prompt
    of_several: bool
    """Whether the configuration has other prompts, too."""
    test: PlacedTest
    shared: Mapping[str, Any]
    folder: Path
    """The folder of the configuration."""

    @property
    def name(self) -> str:
        """The id of the case."""
        return f"{self.prefix}test-{self.test.number + 1}"

    @property
    def prefix(self) -> str:
        """The part of an id that names the prompt; empty if there is one prompt only."""
        if self.of_several:
            return f"prompt-{self.prompt.number + 1}-"
        return ""

    def both(self, field: str) -> dict[str, Any]:
        """Return an object of the test that adds to that of all tests.

        Raises:
            ValueError: if one of them is no object.
        """
        whole: dict[str, Any] = {}
        for part in (self.shared, self.test.value):
            value = part.get(field)
            if isinstance(value, str) or _are_names(value):
                raise ValueError(f"its {field} are in another file, {value!r}")
            if value is None:
                continue
            if not isinstance(value, Mapping):
                raise ValueError(f"its {field} are no object but {show(value)}")
            whole.update(value)
        return whole

    def affix(self, name: str, options: Mapping[str, Any]) -> Any:
        """Return what is put before or behind a prompt: that of all tests where a test has an empty one."""
        shared = self.shared.get("options")
        if options.get(name) or not isinstance(shared, Mapping):
            return options.get(name)
        return shared.get(name)

    def own(self, field: str) -> Any:
        """Return a field of the test, or else of all tests."""
        value = self.test.value.get(field)
        if value is None:
            return self.shared.get(field)
        return value


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(name, str) for name in value)


def _cases(pairing: _Pairing, refusals: Refusals) -> Iterator[dict[str, Any]]:
    """Yield the cases of a prompt with a test: several if its variables are lists."""
    options = pairing.both("options")
    _refuse_programs(pairing, options)
    variables = pairing.both("vars")
    assertions = _assertions(pairing, options)
    affixes = {name: pairing.affix(name, options) for name in ("prefix", "suffix")}
    several = [variables]
    if options.get("disableVarExpansion") is not True:
        several = list(combinations(variables))
    for index, chosen in enumerate(several, start=1):
        filled = Variables.resolved(chosen, pairing.folder)
        expect, dropped = expectation_of(assertions, pairing.own("threshold"), filled, pairing.folder)
        name = pairing.name
        if len(several) > 1:
            name = f"{name}.{index}"
        if dropped and index == 1:
            refusals.note(pairing.test.place, f"{dropped} of its assertions have the weight 0 and are not carried over")
        case = {"id": name, **messages_of(pairing.prompt, affixes, filled), "expect": expect}
        if pairing.of_several:
            # Prompts for the same variables are paraphrases of one question.
            case["group"] = name.removeprefix(pairing.prefix)
        for missing in filled.missing:
            sentence = f"the variable {missing!r} has no value in this file; nothing is written for it"
            refusals.note(pairing.test.place, sentence)
        yield case


def _refuse_programs(pairing: _Pairing, options: Mapping[str, Any]) -> None:
    for field, reason in _BY_PROGRAM.items():
        if options.get(field) is not None or pairing.test.value.get(field) is not None:
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
    return any(map(pairing.prompt.is_named, named))


def _assertions(pairing: _Pairing, options: Mapping[str, Any]) -> list[Any]:
    parts = [pairing.shared, pairing.test.value]
    if options.get("disableDefaultAsserts") is True:
        parts = [pairing.test.value]
    assertions: list[Any] = []
    for part in parts:
        value = part.get("assert")
        if isinstance(value, str):
            raise ValueError(f"its assertions are in another file, {value!r}")
        if value is None:
            continue
        if not isinstance(value, list):
            raise ValueError(f"its assertions are no list but {show(value)}")
        assertions.extend(value)
    return assertions


def _document(path: Path) -> Mapping[str, Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        value = read_yaml(text, name_key=javascript_key, plain_text=dated).value
    except (OSError, UnicodeDecodeError) as problem:
        raise SuiteError(f"{path}: cannot be read: {problem}") from None
    except YamlProblem as problem:
        place = f"{path}:{problem.line}".removesuffix(":0")
        raise SuiteError(f"{place}: cannot be read: {problem}") from None
    if not isinstance(value, Mapping):
        raise SuiteError(f"{path}: expected an object with prompts and tests")
    return value


def _shared(document: Mapping[str, Any], path: Path) -> Mapping[str, Any]:
    """Return what all tests have in common."""
    shared = document.get("defaultTest")
    if isinstance(shared, str):
        try:
            shared = object_in("defaultTest", shared, path.parent)
        except ValueError as problem:
            raise SuiteError(f"{path.name}: {problem}; without it no test is complete") from None
    if shared is None:
        return {}
    if not isinstance(shared, Mapping):
        raise SuiteError(f"{path.name}: defaultTest: expected an object, got {show(shared)}")
    return referenced(shared, document)
