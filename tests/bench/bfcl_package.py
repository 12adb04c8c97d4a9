"""BFCL's own data and checker, from the package `bfcl-eval`, and the verdicts of both sides.

What the package needs beside the standard library is hundreds of megabytes that neither data nor checker needs: it is
fetched alone, and the one table of models that the checker reads is stood in for.
"""

from __future__ import annotations

import importlib
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any

from pytest_selfopt.bench.case import Case
from pytest_selfopt.bench.importing.bfcl import CATEGORIES, data_file, import_bfcl
from pytest_selfopt.bench.importing.imported import json_lines
from pytest_selfopt.bench.loading.entries import EntryReader
from pytest_selfopt.bench.loading.entry import Entry, Problems
from pytest_selfopt.runners.conversation import Dialogue, converse
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.specs.variants import VARIANTS
from pytest_selfopt.trial import Reply, ToolCall
from tests.bench.bfcl_answers import Answers, Call, Talk
from tests.packages import fetched

BFCL = "bfcl-eval==2026.3.23"
TURNS = "multi_turn_base"
RELEVANCE = tuple(name for name in CATEGORIES if name.endswith("relevance"))
"""Categories that only ask whether anything is called."""
OF_CALLS = tuple(name for name in CATEGORIES if name not in (*RELEVANCE, TURNS))
"""Categories whose calls are compared with possible answers."""


class NotInstallable(Exception):
    """The package cannot be had here."""


class _NoConfig:
    underscore_to_dot = False


@contextmanager
def opened() -> Iterator[Path]:
    """The folder with BFCL's data; its checker can be imported while it is open.

    Raises:
        NotInstallable: if the package is not here and cannot be fetched.
    """
    try:
        package = fetched(BFCL)
    except subprocess.CalledProcessError as problem:
        raise NotInstallable(f"{BFCL} is not installed, and cannot be: {problem}") from None
    stand_in: Any = ModuleType("bfcl_eval.constants.model_config")
    stand_in.MODEL_CONFIG_MAPPING = defaultdict(_NoConfig)
    sys.modules[stand_in.__name__] = stand_in
    sys.path.insert(0, str(package))
    try:
        yield package / "bfcl_eval" / "data"
    finally:
        sys.path.remove(str(package))
        for name in [name for name in sys.modules if name.partition(".")[0] == "bfcl_eval"]:
            del sys.modules[name]


@dataclass(frozen=True, slots=True)
class Category:
    """The cases of a category as we import them, and all of them as the files have them."""

    name: str
    cases: tuple[Case, ...]
    left_out: tuple[str, ...]
    functions: Mapping[str, list[dict[str, Any]]]
    answers: Mapping[str, Answers]


def category_of(folder: Path, name: str) -> Category:
    """Import a category."""
    imported = import_bfcl(folder, name)
    problems = Problems(name)
    reader = EntryReader(name, problems)
    reader.read([Entry("case", value, number) for number, value in enumerate(imported.lines, start=1)])
    assert not problems.sentences
    path = data_file(folder, name)
    beside = path.parent / "possible_answer" / path.name
    return Category(
        name,
        tuple(reader.cases),
        tuple(imported.left_out),
        {value["id"]: value.get("function", []) for _, value in json_lines(path)},
        {value["id"]: value["ground_truth"] for _, value in json_lines(beside)} if beside.exists() else {},
    )


def our_verdict(case: Case, calls: list[Call]) -> bool:
    """What our judgement is when a model makes these calls, or says something in place of any."""
    made = tuple(ToolCall(name=name.replace(".", "_"), arguments=arguments) for name, arguments in calls)
    return case.judge(Reply(tool_calls=made, text="" if made else "I cannot.")).passed


def their_verdict(category: Category, name: str, calls: list[Call]) -> bool:
    """What BFCL's verdict on these calls is."""
    if category.name in RELEVANCE:
        return bool(calls) is not category.name.endswith("irrelevance")
    checker = importlib.import_module("bfcl_eval.eval_checker.ast_eval.ast_checker").ast_checker
    language = importlib.import_module("bfcl_eval.constants.enums").Language.PYTHON
    if not calls:
        # Its runner counts an answer without calls as wrong before the checker is asked.
        return False
    made = [{called: arguments} for called, arguments in calls]
    functions, answers = category.functions[name], category.answers[name]
    return bool(checker(functions, made, answers, language, category.name, "any")["valid"])


def our_verdict_of_turns(case: Case, talk: Talk) -> bool:
    """What our judgement is when a model makes these calls, a step for each, and then says that it is done."""
    answers = iter(
        reply
        for calls in talk
        for reply in (*(Reply(tool_calls=(ToolCall(name=name, arguments=given),)) for name, given in calls), Reply())
    )
    spec = Spec(model="scripted/model", phase="extended", variant="native_api")
    reply = converse(
        Dialogue(case=replace(case, steps=100), examples=(), spec=spec, variant=VARIANTS["native_api"]),
        lambda _: next(answers),
    )
    assert isinstance(reply, Reply)
    return case.judge(reply).passed


def their_verdict_of_turns(entry: dict[str, Any], answers: Any, talk: Talk, name: str) -> bool:
    """What the verdict of BFCL's checker is; `name` keeps its simulated systems apart."""
    checker = importlib.import_module("bfcl_eval.eval_checker.multi_turn_eval.multi_turn_checker").multi_turn_checker
    written = [
        [[f"{made}({', '.join(f'{k}={v!r}' for k, v in given.items())})"] for made, given in turn] for turn in talk
    ]
    return bool(checker(written, answers, entry, TURNS, name)["valid"])
