"""Damaged suites, benchmarks and replies: cases and judgements, or our own errors with file, line and field."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_selfopt.bench.case import Case
from pytest_selfopt.bench.describe import answered, asked, expected
from pytest_selfopt.bench.grading.judgement import BrokenGrader, Judgement
from pytest_selfopt.bench.importing import import_from
from pytest_selfopt.bench.lint import check_suites
from pytest_selfopt.bench.loading.suites import Suite, load_suite
from pytest_selfopt.errors import SuiteError
from pytest_selfopt.specs.spec import parse_spec
from pytest_selfopt.specs.variants import VARIANTS
from pytest_selfopt.trial import Reply, ToolCall
from tests.bench.hostile import ODD, block, damaged, encoded, rows, scratched

SCHEMA = {
    "type": "object",
    "properties": {
        "x": {"type": "integer"},
        "names": {"type": "array", "items": {"type": "string", "enum": ["a", "b"]}},
        "home": {"$ref": "#/$defs/home"},
    },
    "required": ["x"],
    "$defs": {"home": {"type": "object", "properties": {"zip": {"type": ["string", "null"], "pattern": "^[0-9]+$"}}}},
}
# An example loads and judges whole suites; ordinary runs take a quarter of the usual number.
FEW = settings(max_examples=int(os.environ.get("SELFOPT_EXAMPLES", "25")))
TOOL = {"name": "f", "description": "Finds.", "parameters": SCHEMA}
CALL = {"name": "f", "arguments": {"x": [1, 2], "names": [["a", "b"]], "home": {"zip": "12"}}}
EXPECTATIONS: list[dict[str, Any]] = [
    {"call": CALL, "tolerance": 0.5, "strict": True},
    {"calls": [CALL, {"name": "f", "arguments": {"x": ""}}], "in_order": True},
    {"no_call": True},
    {"exact": ["yes", "no"], "ignore_case": True},
    {"contains": "yes"},
    {"contains_any": ["yes", "no"]},
    {"regex": "^a+b$"},
    {"number": 1234.5, "tolerance": 0.1, "locale": "de"},
    {
        "json_schema": {
            "type": "object",
            "properties": {"d": {"format": "date"}, "n": {"multipleOf": 0.1}},
            "required": ["d"],
        }
    },
    {"not": {"any": [{"contains": "sorry"}, {"all": [{"any_call": True}]}]}},
]
NOTES = "pytest_selfopt.bench.worlds.notes:Notes"
NOTE = {"name": "write_note", "arguments": {"title": "a", "text": "b"}}
TALKS: list[dict[str, Any]] = [
    {"id": "t1", "environment": "n", "turns": ["x", "y"], "steps": 3, "expect": {"reference": [NOTE], "forbidden": []}},
    {"id": "t2", "environment": NOTES, "prompt": "x", "start": {}, "expect": {"by_turn": [[NOTE]], "calls": [NOTE]}},
]
CASES: list[dict[str, Any]] = [
    {"id": f"c{number}", "prompt": "Ask.", "tools": ["f"], "tags": ["a"], "weight": 2, "expect": expect}
    for number, expect in enumerate(EXPECTATIONS)
]
CASES[0]["expected_failure"] = "no Latin"
CASES[1]["messages"] = [{"role": "system", "content": "s"}, {"role": "user", "content": CASES[1].pop("prompt")}]
DOCUMENT: dict[str, Any] = {
    "tools": [TOOL],
    "environments": [{"id": "n", "class": NOTES, "start": {}}],
    "examples": [{"prompt": "p", "tools": ["f"], "answer": {"call": {"name": "f", "arguments": {"x": 1}}}}],
    "cases": [*CASES, *TALKS],
}
KINDS = {"tools": "tool", "environments": "environment", "examples": "example", "cases": "case"}
ROWS: list[dict[str, Any]] = [
    {"id": "a", "prompt": "p", "tools": "f", "call": CALL, "strict": "TRUE", "tolerance": "0.5", "weight": "50%"},
    {"id": "b", "prompt": "p", "tags": "a b", "number": 3, "tolerance": 0.5, "locale": "en", "expected_failure": "why"},
    {"id": "c", "prompt": "p\nq", "all": [{"exact": "x"}], "no_call": "FALSE"},
]
CALLS: list[dict[str, Any]] = [{"tool": "f", "arguments": {"x": 1, "names": ["a", "b"], "home": {"zip": "12"}}}]
TEXTS = [
    json.dumps(CALLS),
    f"<think>so</think>```json\n{json.dumps(CALLS[0])}\n```",
    f"<tool_call>{json.dumps({'name': 'f', 'arguments': {'x': 1}})}</tool_call>",
    "<function=f><parameter=x>1</parameter></function>",
    '[f(x=1, names=["a"])]',
    'It is 1.234,5 or {"d": "2024-01-01", "n": 0.3}.',
    "aaab",
]
SPEC = parse_spec("m/atomic/native_api/t60/r1/i0")
PLACED = re.compile(r"s\.(tools\.json|yaml|jsonl|csv|tsv)(:( tool)? ?\d+)?: .", re.DOTALL)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("hostile")


def lines(document: Any) -> str:
    """A document as JSONL, an entry a line; other values as one line."""
    if not isinstance(document, dict):
        return json.dumps(document)
    written = []
    for section, entries in document.items():
        listed = entries if section in KINDS and isinstance(entries, list) else [entries]
        written += [json.dumps({KINDS.get(section, section): entry}) for entry in listed]
    return "\n".join(written)


@st.composite
def replies(draw: st.DrawFn) -> Reply:
    """Texts that are nearly calls, and calls that are nearly right."""
    text = draw(st.sampled_from(TEXTS).flatmap(scratched))
    calls = draw(st.just(CALLS) | damaged(CALLS))
    listed = calls if isinstance(calls, list) else []
    read = [ToolCall(name=call["tool"], arguments=call["arguments"]) for call in listed if is_call(call)]
    return Reply(text=text, tool_calls=tuple(draw(st.sampled_from([[], read]))))


def is_call(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("tool"), str) and isinstance(value.get("arguments"), dict)


def loaded(path: Path, text: str) -> Suite | None:
    """The suite that a file holds, or None if it is refused with a place in every line."""
    path.write_bytes(encoded(text))
    try:
        return load_suite(path)
    except SuiteError as problem:
        refusal = str(problem)
    assert all(map(PLACED.match, refusal.splitlines())), refusal
    return None


def use(suite: Suite, reply: Reply) -> None:
    """Do with the cases of a suite what sessions do."""
    for case in suite.cases:
        assert asked(case)
        assert expected(case)
        assert Case.from_json(json.loads(json.dumps(case.to_json()))) == case
        assert case.content_hash
        if case.world is None:
            judge(case, suite, reply)
    check_suites([suite])


def judge(case: Case, suite: Suite, reply: Reply) -> None:
    for variant in VARIANTS.values():
        variant.build(case, suite.examples, SPEC)
        read = variant.read(reply)
        try:
            judgement = case.judge(read)
        except BrokenGrader:
            continue
        assert isinstance(judgement, Judgement)
        assert bool(judgement.reason) != judgement.passed
        assert answered(read) is not None


@FEW
@given(st.data(), st.sampled_from([("yaml", block), ("yaml", json.dumps), ("jsonl", lines)]), replies())
def test_a_damaged_suite_is_refused_or_of_use(
    folder: Path, data: st.DataObject, form: tuple[str, Callable[[Any], str]], reply: Reply
) -> None:
    suffix, write = form
    some = data.draw(st.lists(st.sampled_from(DOCUMENT["cases"]), min_size=1, max_size=2, unique_by=id))
    document = data.draw(damaged({**DOCUMENT, "cases": some}) | st.just({**DOCUMENT, "cases": some}))
    suite = loaded(folder / f"s.{suffix}", data.draw(scratched(write(document))))
    if suite is not None:
        use(suite, reply)


@FEW
@given(st.data(), st.sampled_from([("csv", ","), ("csv", ";"), ("tsv", "\t")]), replies())
def test_a_damaged_table_is_refused_or_of_use(
    folder: Path, data: st.DataObject, form: tuple[str, str], reply: Reply
) -> None:
    suffix, separator = form
    table = data.draw(damaged(ROWS) | st.just(ROWS))
    if not isinstance(table, list) or not all(isinstance(row, dict) for row in table):
        table = ROWS
    tools = data.draw(damaged([TOOL]) | st.just([TOOL]))
    (folder / "s.tools.json").write_bytes(encoded(data.draw(scratched(json.dumps(tools)))))
    suite = loaded(folder / f"s.{suffix}", data.draw(scratched(rows(table, separator))))
    if suite is not None:
        use(suite, reply)


ASSERTIONS: list[dict[str, Any]] = [
    {"type": "contains", "value": "a {{x}}"},
    {"type": "not-icontains-any", "value": 'a, "b, c"'},
    {
        "type": "assert-set",
        "threshold": 0.5,
        "assert": [{"type": "equals", "value": 1}, {"type": "regex", "value": "^a"}],
    },
    {"type": "is-json", "value": "type: object"},
    {"$ref": "#/templates/t"},
]
CONFIG: dict[str, Any] = {
    "prompts": ["{{x}}", {"raw": '[{"role": "user", "content": "{{x}}"}]', "label": "l"}],
    "templates": {"t": {"type": "starts-with", "value": "a"}},
    "defaultTest": {"vars": {"y": 1}, "options": {"prefix": "p"}},
    "tests": [
        {"vars": {"x": ["a", "b"]}, "assert": ASSERTIONS[:2], "threshold": 1, "prompts": ["l"]},
        {"vars": {"x": {"z": 1}}, "assert": ASSERTIONS[2:]},
        "file://t.csv",
        "t.*l",
        {"path": "t.jsonl"},
    ],
}
TEST_ROWS: list[dict[str, Any]] = [
    {
        "x": "a",
        "__expected": "contains: a",
        "__expected2": "icontains-all: a, b",
        "__threshold": "0.5",
        "__prefix": "p",
    },
    {"x": "b", "__expected": "equals", "__metric": "m", "__config:__expected:threshold": "0.5", "__metadata:a[]": "b"},
]


@FEW
@given(st.data())
def test_a_damaged_configuration_ends_in_reasons(folder: Path, data: st.DataObject) -> None:
    tests = CONFIG["tests"][:2]
    write: st.SearchStrategy[Callable[[Any], str]] = st.sampled_from([block, json.dumps])
    texts = {
        "t.csv": rows(TEST_ROWS),
        "t.yaml": data.draw(write)(data.draw(damaged(tests) | st.just(tests))),
        "t.jsonl": "\n".join(map(json.dumps, tests)),
        "c.yaml": data.draw(write)(data.draw(damaged(CONFIG) | st.just(CONFIG))),
    }
    hurt = data.draw(st.sampled_from(list(texts)))
    texts[hurt] = data.draw(scratched(texts[hurt]))
    for name, text in texts.items():
        (folder / name).write_bytes(encoded(text))
    imports(folder, "promptfoo", folder / "c.yaml")


CHAT = [
    {
        "id": "a",
        "input": [{"role": "developer", "content": "p"}, {"role": "user", "content": "q"}],
        "ideal": ["a", "b"],
    },
    {"question": "q", "answer": "a"},
]


@FEW
@given(st.data(), st.sampled_from(["chat", "csv"]))
def test_damaged_questions_end_in_reasons(folder: Path, data: st.DataObject, form: str) -> None:
    questions = data.draw(damaged(CHAT) | st.just(CHAT))
    text = json.dumps(questions)
    if isinstance(questions, list):
        text = "\n".join(map(json.dumps, questions))
        if form == "csv":
            text = rows([row for row in questions if isinstance(row, dict)])
    (folder / "q").write_bytes(encoded(data.draw(scratched(text))))
    imports(folder, form, folder / "q")


def imports(folder: Path, form: str, path: Path) -> None:
    """Import a file; what is imported is a suite, and what is not has a place."""
    try:
        imported = import_from(form, path)
    except SuiteError as problem:
        refusal = str(problem)
    else:
        refusal = ""
    if refusal:
        assert path.name in refusal
        return
    assert all(re.search(r"\b(c\.yaml|t\.\w+|q)(:\d+)?( with [^:]*)?: .", reason) for reason in imported.left_out), (
        imported.left_out
    )
    if imported.lines:
        written = folder / "imported.jsonl"
        written.write_bytes(encoded("\n".join(map(json.dumps, imported.lines))))
        assert len(load_suite(written).cases) == imported.cases


@FEW
@given(st.data(), ODD)
def test_any_arguments_are_judged(folder: Path, data: st.DataObject, odd: Any) -> None:
    suite = load_suite(write_once(folder))
    case = data.draw(st.sampled_from([case for case in suite.cases if case.world is None]))
    arguments = data.draw(damaged(CALLS[0]["arguments"]))
    if not isinstance(arguments, dict):
        arguments = {"x": odd}
    judge(case, suite, Reply(text="", tool_calls=(ToolCall(name="f", arguments=arguments),)))


def write_once(folder: Path) -> Path:
    path = folder / "valid.yaml"
    if not path.exists():
        path.write_text(block(DOCUMENT), encoding="utf-8")
    return path
