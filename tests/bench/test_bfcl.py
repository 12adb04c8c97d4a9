"""Imported cases of BFCL are judged as its own checker judges them, on true and on damaged answers.

The package `bfcl-eval` carries the data and the checker; what it needs beside the standard library is stood in for.
"""

from __future__ import annotations

import importlib
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pytest_selfopt.bench.case import Case
from pytest_selfopt.bench.grading.goal import Goal
from pytest_selfopt.bench.importing.bfcl import CATEGORIES, data_file, import_bfcl
from pytest_selfopt.bench.importing.imported import json_lines
from pytest_selfopt.bench.loading.entries import EntryReader
from pytest_selfopt.bench.loading.entry import Entry, Problems
from pytest_selfopt.errors import SuiteError
from pytest_selfopt.runners.conversation import Dialogue, converse
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.specs.variants import VARIANTS
from pytest_selfopt.trial import Reply, ToolCall
from tests.packages import fetched

Call = tuple[str, dict[str, Any]]
BFCL = "bfcl-eval==2026.3.23"
NOBODY_CAN_PASS = {"live_simple_106-63-0", "live_simple_112-68-0"}
"""Cases whose possible answers list no value for an argument."""
DISAGREE = {("parallel_178", "swapped order")}
"""Two calls that fit one expected call both: the checker takes the first that fits, we look for an assignment."""


TURNS = "multi_turn_base"


class _NoConfig:
    underscore_to_dot = False


@pytest.fixture(scope="module")
def bfcl() -> Iterator[Path]:
    """The folder with BFCL's data; its checker can be imported while it is open."""
    # Its own dependencies are hundreds of megabytes that data and checker do not need.
    package = fetched(BFCL)
    stand_in: Any = ModuleType("bfcl_eval.constants.model_config")
    stand_in.MODEL_CONFIG_MAPPING = defaultdict(_NoConfig)
    sys.modules[stand_in.__name__] = stand_in
    sys.path.insert(0, str(package))
    yield package / "bfcl_eval" / "data"
    sys.path.remove(str(package))
    for name in [name for name in sys.modules if name.partition(".")[0] == "bfcl_eval"]:
        del sys.modules[name]


def cases_of(folder: Path, category: str) -> list[Case]:
    imported = import_bfcl(folder, category)
    assert all("a list of alternatives must not be empty" in one for one in imported.left_out)
    problems = Problems(category)
    reader = EntryReader(category, problems)
    reader.read([Entry("case", value, number) for number, value in enumerate(imported.lines, start=1)])
    assert not problems.sentences
    return reader.cases


def raw(folder: Path, category: str) -> dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]]:
    """The functions and the possible answers of each case, as the files have them."""
    path = data_file(folder, category)
    functions = {value["id"]: value["function"] for _, value in json_lines(path)}
    beside = path.parent / "possible_answer" / path.name
    answers = {value["id"]: value["ground_truth"] for _, value in json_lines(beside)} if beside.exists() else {}
    return {name: (functions[name], answers.get(name, [])) for name in functions}


def true_calls(answers: list[dict[str, Any]]) -> list[Call]:
    """The first possible answer of each call, without what may be left out."""
    return [
        (name, {key: _first(values) for key, values in arguments.items() if "" not in values})
        for one in answers
        for name, arguments in one.items()
    ]


def _first(values: list[Any]) -> Any:
    return _plain(values[0])


def _plain(value: Any) -> Any:
    """An object among the possible answers lists alternatives for each of its members."""
    if isinstance(value, dict):
        return {key: _plain(one[0]) if isinstance(one, list) else one for key, one in value.items() if _needed(one)}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value


def _needed(alternatives: Any) -> bool:
    return not (isinstance(alternatives, list) and "" in alternatives)


def _with_values(answer: dict[str, Any]) -> dict[str, Any]:
    return {name: {key: values for key, values in arguments.items() if values} for name, arguments in answer.items()}


def damaged(calls: list[Call], rng: random.Random) -> dict[str, list[Call]]:
    """The same calls, wrong in one way each."""
    found: dict[str, list[Call]] = {"extra call": [*calls, calls[0]], "no call": [], "swapped order": calls[::-1]}
    name, arguments = calls[0]
    found["other name"] = [(f"{name}_other", arguments), *calls[1:]]
    found["unknown argument"] = [(name, {**arguments, "surely_unknown": 1}), *calls[1:]]
    if arguments:
        key = rng.choice(sorted(arguments))
        less = {other: value for other, value in arguments.items() if other != key}
        found["missing argument"] = [(name, less), *calls[1:]]
        value = arguments[key]
        for kind, wrong in (
            ("text for it", f"{value}!"),
            ("list for it", [value]),
            ("nothing for it", None),
            ("truth for it", True),
            ("number for it", 7.5),
        ):
            found[kind] = [(name, {**arguments, key: wrong}), *calls[1:]]
        if isinstance(value, str):
            found["other writing"] = [(name, {**arguments, key: value.upper().replace(" ", "_")}), *calls[1:]]
        if isinstance(value, int) and not isinstance(value, bool):
            found["as a float"] = [(name, {**arguments, key: float(value)}), *calls[1:]]
    return found


def ours(case: Case, calls: list[Call]) -> bool:
    made = tuple(ToolCall(name=name.replace(".", "_"), arguments=arguments) for name, arguments in calls)
    return case.judge(Reply(tool_calls=made, text="" if made else "I cannot.")).passed


def theirs(functions: list[dict[str, Any]], answers: list[dict[str, Any]], calls: list[Call], category: str) -> bool:
    checker = importlib.import_module("bfcl_eval.eval_checker.ast_eval.ast_checker").ast_checker
    language = importlib.import_module("bfcl_eval.constants.enums").Language.PYTHON
    if not calls:
        # Its runner counts an answer without calls as wrong before the checker is asked.
        return False
    made = [{name: arguments} for name, arguments in calls]
    return bool(checker(functions, made, answers, language, category, "any")["valid"])


@pytest.mark.parametrize("category", [name for name in CATEGORIES if "relevance" not in name and name != TURNS])
def test_our_grader_and_the_checker_agree(bfcl: Path, category: str) -> None:
    rng = random.Random(category)
    facts = raw(bfcl, category)
    cases = {case.id: case for case in cases_of(bfcl, category)}
    seen: Counter[str] = Counter()
    disagreements: set[tuple[str, str]] = set()
    truths = 0
    for name, case in cases.items():
        functions, answers = facts[name]
        right = true_calls(answers)
        truths += ours(case, right)
        for kind, calls in {"the truth": right, **(damaged(right, rng) if right else {})}.items():
            seen[kind] += 1
            if ours(case, calls) != theirs(functions, answers, calls, category):
                disagreements.add((name, kind))
    assert disagreements == {one for one in DISAGREE if one[0] in cases}
    assert seen["the truth"] == len(cases)
    # Some possible answers contradict the types they are declared with, and fail by either.
    assert truths >= 0.98 * len(cases)
    left = facts.keys() - cases.keys()
    assert left == {name for name in NOBODY_CAN_PASS if name in facts}
    for name in left:
        functions, answers = facts[name]
        assert not theirs(functions, answers, true_calls([_with_values(one) for one in answers]), category)


@pytest.mark.parametrize("category", ["irrelevance", "live_irrelevance", "live_relevance"])
def test_relevance_cases_only_ask_whether_called(bfcl: Path, category: str) -> None:
    for case in cases_of(bfcl, category):
        calls: list[Call] = [(case.tools[0].name, {})] if case.tools else [("anything", {})]
        assert ours(case, calls) is (category == "live_relevance")
        assert ours(case, []) is (category != "live_relevance")


Talk = list[list[Call]]
"""The calls of each turn."""


def damaged_talks(talk: Talk, rng: random.Random) -> dict[str, Talk]:
    """The same conversation, wrong in one way each."""
    found: dict[str, Talk] = {"nothing done": [[] for _ in talk], "turns reversed": talk[::-1]}
    turn = rng.choice([number for number, calls in enumerate(talk) if calls])
    place = rng.randrange(len(talk[turn]))

    def with_turn(calls: list[Call]) -> Talk:
        return [*talk[:turn], calls, *talk[turn + 1 :]]

    def instead(*calls: Call) -> Talk:
        return with_turn([*talk[turn][:place], *calls, *talk[turn][place + 1 :]])

    name, arguments = talk[turn][place]
    found["turn left out"] = with_turn([])
    found["missing call"] = instead()
    found["extra call"] = instead((name, arguments), (name, arguments))
    found["unknown call"] = instead((name, arguments), ("surely_unknown", {}))
    found["swapped order"] = with_turn(talk[turn][::-1])
    found["other name"] = instead((f"{name}_other", arguments))
    found["unknown argument"] = instead((name, {**arguments, "surely_unknown": 1}))
    if turn + 1 < len(talk):
        found["a turn too late"] = [*talk[:turn], [], talk[turn] + talk[turn + 1], *talk[turn + 2 :]]
    for key, value in arguments.items():
        less = {other: given for other, given in arguments.items() if other != key}
        found[f"without {key}"] = instead((name, less))
        # One kind for each argument: over 200 cases, each comes up often.
        wrongs = ("text", f"{value}!"), ("list", [value]), ("nothing", None), ("truth", True), ("number", 7.5)
        kind, wrong = rng.choice(wrongs)
        found[f"{kind} for {key}"] = instead((name, {**arguments, key: wrong}))
    return found


def our_verdict(case: Case, talk: Talk) -> bool:
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


def their_verdict(entry: dict[str, Any], answers: list[list[str]], talk: Talk, name: str) -> bool:
    checker = importlib.import_module("bfcl_eval.eval_checker.multi_turn_eval.multi_turn_checker").multi_turn_checker
    written = [
        [[f"{made}({', '.join(f'{k}={v!r}' for k, v in given.items())})"] for made, given in turn] for turn in talk
    ]
    return bool(checker(written, answers, entry, TURNS, name)["valid"])


def test_a_missing_package_says_how_to_install(bfcl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "bfcl_eval.constants", None)
    with pytest.raises(SuiteError, match="pip install --no-deps bfcl-eval mpmath"):
        import_bfcl(bfcl, TURNS, 1)


def test_conversations_are_judged_as_by_the_checker(bfcl: Path) -> None:
    rng = random.Random(TURNS)
    path = data_file(bfcl, TURNS)
    entries = {value["id"]: value for _, value in json_lines(path)}
    truth = {value["id"]: value["ground_truth"] for _, value in json_lines(path.parent / "possible_answer" / path.name)}
    cases = cases_of(bfcl, TURNS)
    assert len(cases) == len(entries) == 200
    disagreements: dict[tuple[str, str], bool] = {}
    verdicts: Counter[bool] = Counter()
    for case in cases:
        assert isinstance(case.expect, Goal)
        right = [[(call.name, call.arguments) for call in turn.calls] for turn in case.expect.by_turn]
        assert our_verdict(case, right), case.id
        for kind, talk in {"the truth": right, **damaged_talks(right, rng)}.items():
            ours = our_verdict(case, talk)
            verdicts[ours] += 1
            if ours != their_verdict(entries[case.id], truth[case.id], talk, f"{case.id} {kind}".replace(" ", "_")):
                disagreements[case.id, kind] = ours
    assert not disagreements
    assert min(verdicts.values()) > 400
