"""Promptfoo's tests become cases that mean the same, or are listed with the true reason."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.bench.importing.imported import Imported
from pytest_selfopt.bench.importing.promptfoo.configuration import import_promptfoo
from pytest_selfopt.bench.importing.promptfoo.scores import expectation_of
from pytest_selfopt.bench.importing.promptfoo.templates import Variables
from pytest_selfopt.bench.loading.suites import load_suite
from pytest_selfopt.errors import SuiteError
from pytest_selfopt.trial import Reply

A = {"type": "contains", "value": "a"}
B = {"type": "icontains", "value": "b"}
C = {"type": "equals", "value": "c"}
IS_A = {"contains": ["a"], "ignore_case": False, "strict": True}
IS_B = {"contains": ["b"], "ignore_case": True, "strict": True}
IS_C = {"exact": "c", "strict": True}
NONE = Variables({})
DRAFT_7 = "http://json-schema.org/draft-07/schema#"
RECORDED = Path(__file__).with_name("promptfoo_recorded")


def config(folder: Path, text: str) -> Imported:
    path = folder / "c.yaml"
    path.write_text(text, encoding="utf-8")
    return import_promptfoo(path)


def assertion(kind: str, value: Any = None) -> dict[str, Any]:
    return expectation_of([{"type": kind, "value": value}], None, Variables({"x": "X"}))[0]


LEFT_OUT = {
    "test-17": "the date 2024-01-01 without quotes",
    "test-18": "has a date without quotes",
    "test-47": "has a group '(?i)'",
    "test-48": "repeats a repetition",
    "test-62": "has the multipleOf 0.1",
    "test-63": "finds JSON among words",
    "test-71": "no answer passes",
}
"""The tests of the recorded configuration that promptfoo judges and a case cannot hold."""


def test_cases_judge_as_promptfoo_did(tmp_path: Path) -> None:
    verdicts = json.loads((RECORDED / "verdicts.json").read_text(encoding="utf-8"))
    imported = import_promptfoo(RECORDED / "promptfooconfig.yaml")
    suite = tmp_path / "imported.jsonl"
    suite.write_text("".join(json.dumps(line) + "\n" for line in imported.lines))
    cases = {case.id: case for case in load_suite(suite).cases}
    names = [f"test-{number}" for number in range(1, len(verdicts) - 2)]
    names[15:16] = [f"test-16.{number}" for number in range(1, 5)]
    left_out: set[str] = set()
    for name, (asked, verdict) in zip(names, verdicts, strict=True):
        if name in cases:
            judged = cases[name].judge(Reply(text=asked))
            assert (name, cases[name].prompt, judged.passed) == (name, asked, verdict)
        elif verdict is not None:
            left_out.add(name)
    assert left_out == set(LEFT_OUT)
    for name, reason in LEFT_OUT.items():
        place = f"tests[{int(name.removeprefix('test-')) - 1}]: "
        assert any(place in sentence and reason in sentence for sentence in imported.left_out), name


@pytest.mark.parametrize(
    ("kind", "value", "expectation"),
    [
        ("icontains-any", 'a, "b, ""c""" ,,d', {"contains_any": ["a", 'b, "c"', "d"]}),
        ("not-is-json", None, {"not": {"json_schema": {}, "strict": True}}),
        ("equals", {"a": ["{{x}}"]}, {"json_schema": {"const": {"a": ["{{x}}"]}}}),
        ("equals", ["{{x}}"], {"json_schema": {"const": ["X"]}}),
        ("equals", True, {"exact": "true"}),
        ("starts-with", "a.", {"regex": r"\Aa\."}),
        ("regex", r"^\d$", {"regex": r"^\d$", "dialect": "javascript"}),
        (
            "is-json",
            {"type": "integer", "nullable": True},
            {"json_schema": {"$schema": DRAFT_7, "type": ["integer", "null"]}},
        ),
        ("is-json", "title: {{x}}", {"json_schema": {"$schema": DRAFT_7, "title": "X"}}),
    ],
)
def test_an_assertion_becomes_an_expectation(kind: str, value: Any, expectation: dict[str, Any]) -> None:
    assert assertion(kind, value).items() >= expectation.items()


@pytest.mark.parametrize(
    ("kind", "value", "reason"),
    [
        ("llm-rubric", "is polite", "needs a model"),
        ("javascript", "true", "needs a program"),
        ("latency", 1, "is about the call, not the answer"),
        ("similar:cosine", "a", "is a score with a threshold"),
        ("contains-json", None, "finds JSON among words"),
        ("tool-call-f1", ["f"], "compares the names of tools only"),
        ("is-valid-openai-tools-call", None, "checks calls by the tools of promptfoo's provider"),
        ("contains", "file://a.py", "is in another file, 'file://a.py', which is no text"),
        ("contains", "file://none.txt", "is in a file that does not exist, 'none.txt'"),
        ("contains", "", "has no text as its value"),
        ("contains-any", ["a", ""], "it passes whatever the answer"),
        ("not-contains-all", [""], "no answer passes"),
        ("ends-with", "a", "is none that promptfoo knows"),
        ("equals", "{{x | batch(2)}}", "is a template that uses the filter 'batch'"),
        ("equals", "{{ x + 1 }}", "that has an expression that does more than name variables"),
        ("equals", "{% if x %}a{% endif %}", "has the tag '{% if x %}'"),
        ("equals", "{{ env.HOME }}", "is a template that uses 'env'"),
        ("equals", "{{ x.y }}", "asks 'X' for the member 'y'"),
        ("equals", "{{ x | join }}", "uses the filter 'join' on 'X'"),
        ("regex", "(?i)a", "has a group '(?i)'"),
        ("is-json", "a: [", "cannot be read"),
        ("is-json", {"items": {"format": "date-time"}}, "judges by another rule"),
        ("is-json", {"items": {"unheard": 1}}, "has the keyword 'unheard'"),
        ("is-json", {"$ref": "#/a", "type": "object"}, "has more beside a $ref"),
        ("is-json", {"if": {}}, "has 'if' without"),
        ("is-json", {"enum": [1, 1.0]}, "lists a value twice"),
        ("is-json", {"then": {}}, "without 'if'"),
        ("is-json", {"additionalItems": False}, "without a list of 'items'"),
        ("is-json", {"properties": {"a": {"pattern": "(?i)a"}}}, "is not for Python"),
        ("is-json", {"$schema": "https://json-schema.org/draft/2020-12/schema"}, "it knows draft 7 "),
        ("is-json", {"$schema": "https://json-schema.org/draft-07/schema"}, "only by the name http://json-schema.org/"),
    ],
)
def test_other_assertions_have_a_reason(kind: str, value: Any, reason: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011  # the reason is compared below
        assertion(kind, value)
    assert reason in str(refused.value)


@pytest.mark.parametrize(
    ("assertions", "threshold", "expectation"),
    [
        ([A, {**A, "value": "z"}], None, {**IS_A, "contains": ["a", "z"]}),
        ([A, B], None, {"all": [IS_A, IS_B]}),
        ([A, B], 1, {"all": [IS_A, IS_B]}),
        ([A, B], 0.5, {"any": [IS_A, IS_B]}),
        ([A, B], 0.51, {"all": [IS_A, IS_B]}),
        ([A, {**B, "weight": 2}], 0.3, {"any": [IS_A, IS_B]}),
        ([A, B, C], 0.6, {"any": [{"all": [IS_A, IS_B]}, {"all": [IS_A, IS_C]}, {"all": [IS_B, IS_C]}]}),
        ([{**A, "weight": 3}, B, C], 0.8, {"all": [IS_A, {"any": [IS_B, IS_C]}]}),
        ([{"type": "assert-set", "assert": [A, B]}, C], 0.75, {"all": [IS_C, {"any": [IS_A, IS_B]}]}),
        ([A, {**B, "weight": 0}], 1, IS_A),
        ([A, {"type": "cost", "threshold": 1, "weight": 0}], None, IS_A),
        ([{"type": "assert-set", "threshold": 0.5, "assert": [A, B]}, C], None, {"all": [{"any": [IS_A, IS_B]}, IS_C]}),
    ],
)
def test_thresholds_mean_all_or_any(assertions: list[Any], threshold: Any, expectation: dict[str, Any]) -> None:
    assert expectation_of(assertions, threshold, NONE)[0] == expectation


@pytest.mark.parametrize(
    ("assertions", "threshold", "reason"),
    [
        ([A], 0, "passes whatever the answer"),
        ([A], 2, "no answer passes"),
        ([A], "x", "its threshold 'x' is no number"),
        ([{**A, "weight": -1}], None, "the weight -1 of an assertion"),
        ([{"type": "assert-set", "assert": [{"type": "assert-set", "assert": [A]}]}], None, "is inside another one"),
        ([{**A, "weight": 1 + i / 10} for i in range(11)], 0.5, "is about more than 10 assertions"),
        ([A, B, C, A, B, C], 0.5, "can be reached in 20 ways, more than 12"),
        ([{"type": "assert-set", "assert": "x"}], None, "has no list of assertions"),
        ([{**A, "weight": 0}], None, "it asserts nothing"),
        (["text"], None, "an assertion is no object with a type but 'text'"),
        ([{}], None, "an assertion has no type but None"),
        ([{**A, "transform": "x"}], None, "is about what a program makes of the answer"),
    ],
)
def test_other_combinations_have_a_reason(assertions: list[Any], threshold: Any, reason: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011  # the reason is compared below
        expectation_of(assertions, threshold, NONE)
    assert reason in str(refused.value)


def test_variables_are_texts_as_promptfoo_sees_them(tmp_path: Path) -> None:
    values = ["no", "0777", "12:30", "1.0", "1e3", "true", "~", "'2024-01-01'", "[1, 2]", "'a {{y}}'", '"b\\n"']
    tests = "".join(f"  - vars:\n      x: {value}\n      y: why\n" for value in values)
    text = f"prompts: ['When is {{{{x}}}}?']\ndefaultTest: {{assert: [{{type: equals, value: a}}]}}\ntests:\n{tests}"
    prompts = [line["prompt"] for line in config(tmp_path, text).lines]
    asked = ["no", "777", "12:30", "1", "1000", "true", "", "2024-01-01", "1,2", "a why", "b"]
    assert prompts == [f"When is {word}?" for word in asked]


def test_lists_of_texts_are_several_tests(tmp_path: Path) -> None:
    text = """
prompts: ["{{a}}{{b}}"]
tests:
  - {vars: {a: [x, y], b: [p, 1]}, assert: [{type: equals, value: "{{a}}"}]}
  - {vars: {a: [x, y], b: ""}, options: {disableVarExpansion: true}, assert: [{type: equals, value: a}]}
"""
    lines = config(tmp_path, text).lines
    assert [line["id"] for line in lines] == ["test-1.1", "test-1.2", "test-1.3", "test-1.4", "test-2"]
    assert [line["prompt"] for line in lines] == ["xp", "x1", "yp", "y1", "x,y"]
    assert lines[3]["expect"] == {"exact": "y", "strict": True}


def test_prompts_are_texts_or_chats(tmp_path: Path) -> None:
    text = """
prompts:
  - '[{"role": "system", "content": "Be {{x}}."}, {"role": "user", "content": "Hi"}]'
  - {raw: "raw {{x}}", label: mine}
  - prompts/other.txt
  - {id: file://prompt.py}
  - '{"messages": []}'
tests:
  - {vars: {x: short}, options: {suffix: "!"}, prompts: [mine], assert: [{type: equals, value: a}]}
  - {vars: {x: short}, assert: [{type: equals, value: a}]}
"""
    imported = config(tmp_path, text)
    by_id = {line["id"]: line for line in imported.lines}
    assert by_id["prompt-2-test-1"]["prompt"] == "raw short!"
    assert by_id["prompt-1-test-2"]["messages"][0] == {"role": "system", "content": "Be short."}
    assert [reason.partition(": ")[2] for reason in imported.left_out] == [
        "prompts[4]: its prompt is JSON, but no list of messages",
        "prompts[2]: there is no file 'prompts/other.txt'",
        "prompts[3]: the prompt 'file://prompt.py' is made by a program",
    ]


def test_a_filled_text_may_be_a_chat(tmp_path: Path) -> None:
    text = """
prompts: ['[{"role": "user", "content": {{ x | dump }}}]', "{{y}}"]
tests: [{vars: {x: 'a "b"', y: "- role: user"}, assert: [{type: equals, value: a}]}]
"""
    imported = config(tmp_path, text)
    assert imported.lines[0]["messages"] == [{"role": "user", "content": 'a "b"'}]
    assert imported.left_out == ["c.yaml: tests[0] with prompts[1]: its prompt becomes a chat in YAML"]


def test_prompts_may_be_in_files(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("One {{x}}.\r\n---\r\n\r\nTwo {{x}}.\n")
    (tmp_path / "b.md").write_text("# Ask\n---\n{{x}}\n")
    (tmp_path / "c.json").write_text('[{"role": "user", "content": "{{x}}?"}]')
    (tmp_path / "d.json").write_text('["file://c.json"]')
    (tmp_path / "e.txt").write_text("---\n")
    (tmp_path / "f.txt").write_bytes("x".encode("utf-16"))
    text = """
prompts: [file://a.txt, b.md, {id: c.json, label: chat}, d.json, e.txt, f.txt, g.yaml, "file://*.txt", "exec:g", "langfuse://g"]
tests:
  - {vars: {x: Q}, assert: [{type: equals, value: a}]}
"""
    imported = config(tmp_path, text)
    asked = [line.get("prompt") or line["messages"][0]["content"] for line in imported.lines]
    assert asked == ["One Q.", "Two Q.", "# Ask\n---\nQ\n", "Q?"]
    assert [reason.partition(": ")[2] for reason in imported.left_out] == [
        "prompts[3]: the prompt 'd.json' is in several files",
        "prompts[4]: there is no prompt in 'e.txt'",
        "prompts[5]: f.txt: is in UTF-16; save it as UTF-8",
        "prompts[6]: the prompt 'g.yaml' is no single file with the ending .txt, .md, .json",
        "prompts[7]: the prompt 'file://*.txt' is no single file with the ending .txt, .md, .json",
        "prompts[8]: the prompt 'exec:g' is made by a program",
        "prompts[9]: the prompt 'langfuse://g' is on a server",
    ]


def test_tests_name_prompts_or_groups_of_them(tmp_path: Path) -> None:
    text = """
prompts: [{raw: "a {{x}}", label: "g:one"}, {raw: "b {{x}}", label: "g:two", id: two}, "c {{x}}"]
tests:
  - {vars: {x: 1}, prompts: [g], assert: [{type: equals, value: a}]}
  - {vars: {x: 2}, prompts: ["g:*"], assert: [{type: equals, value: a}]}
  - {vars: {x: 3}, prompts: [two], assert: [{type: equals, value: a}]}
  - {vars: {x: 4}, prompts: [none], assert: [{type: equals, value: a}]}
"""
    imported = config(tmp_path, text)
    assert [line["prompt"] for line in imported.lines] == ["a 1", "a 2", "b 1", "b 2", "b 3"]
    assert imported.left_out == ["c.yaml: tests[3]: its 'prompts' names none of the prompts that are read"]


@pytest.mark.parametrize(
    ("test", "reason"),
    [
        ("file://none.csv", "there is no file 'file://none.csv'"),
        ("none-*.yaml", "there is no file 'none-*.yaml'"),
        ("x" * 5000 + ".csv", "'xxxxx"),
        ("text", "'text' is no file with tests; supported: .csv, "),
        ("file://a.xlsx#2", "the tests are in a file of Excel"),
        ("https://docs.google.com/spreadsheets/d/1", "the tests are on a server"),
        ("file://gen.py:f", "the tests are made by a program, 'file://gen.py:f'"),
        ("gen.mjs", "the tests are made by a program"),
        (None, "expected a test as an object, or the name of a file with tests, got null"),
        ({"path": 1}, "path: expected the name of a file, got 1"),
        ({"path": "a.yaml"}, "promptfoo takes 'a.yaml' for rows of a table"),
        ({"vars": [1]}, "its vars are no object but [1]"),
        ({"vars": ["a.yaml"]}, "its vars are in another file, ['a.yaml']"),
        ({"path": "file://a.py:f"}, "the tests are made by a program"),
        ({"vars": "file://x.yaml"}, "its vars are in another file, 'file://x.yaml'"),
        ({"vars": 1}, "its vars are no object but 1"),
        ({"assert": "text"}, "its assertions are in another file, 'text'"),
        ({"assert": 1}, "its assertions are no list but 1"),
        ({"options": {"transform": "x"}, "assert": [A]}, "its answer is changed by a program"),
        ({"assertScoringFunction": "x", "assert": [A]}, "its assertions are scored by a program"),
        ({"providerOutput": "x", "assert": [A]}, "its answer is given, no model is asked"),
        ({"vars": {"x": {"y": 1}}, "assert": [A]}, "its prompt writes 'x', which is an object, not a text"),
    ],
)
def test_other_tests_have_a_reason(tmp_path: Path, test: Any, reason: str) -> None:
    good = {"vars": {"x": "x"}, "assert": [A]}
    imported = config(tmp_path, yaml.safe_dump({"prompts": ["{{x}}"], "tests": [good, test]}))
    assert imported.cases == 1
    assert imported.left_out[0].startswith(f"c.yaml: tests[1]: {reason}")


def test_a_reason_is_told_once(tmp_path: Path) -> None:
    text = """
prompts: [one, "two {% if x %}", null, {label: y}, '{}']
tests: [{assert: null}, {assert: [{type: equals, value: a, weight: 0}, {type: equals, value: b}]}, {}]
"""
    imported = config(tmp_path, text)
    assert imported.left_out == [
        "c.yaml: tests[0]: it asserts nothing",
        "c.yaml: tests[2]: it asserts nothing",
        "c.yaml: tests[1] with prompts[1]: its prompt is a template that has the tag '{% if x %}'",
        "c.yaml: prompts[4]: its prompt is JSON, but no list of messages",
        "c.yaml: prompts[2]: expected a text, or an object with the text as 'raw', got null",
        'c.yaml: prompts[3]: expected a text, or an object with the text as \'raw\', got {"label": "y"}',
    ]
    assert imported.notes == ["c.yaml: tests[1]: 1 of its assertions have the weight 0 and are not carried over"]


TABLE = '''\
q, __expected ,__expected2,__prefix,__threshold,__metric,_suffix,__metadata:a
1, equals: a b ,contains-all: a,Say ,,m,s,t
2,"contains-any: x, ""y, z""",contains: A,,0.5,,,
3,!a,nope:b,,50%,,,
4,starts-with(0.5): a ,not-regex: ^a,,,,,
5,similar(0.8): x,,,,,,
6,python,,,,,,
7,file://x.js,,,,,,
8,grade: polite,,,,,,
9,,,,,,,
10,is-json,"icontains-any: ""x",,,,,
'''


def test_tables_of_tests_are_read(tmp_path: Path) -> None:
    (tmp_path / "tests.csv").write_text(TABLE, encoding="utf-8-sig")
    imported = config(tmp_path, "prompts: ['{{q}}']\ntests: file://tests.csv")
    expectations = [line["expect"] for line in imported.lines]
    assert expectations == [
        {"all": [{"exact": "a b", "strict": True}, IS_A]},
        {"any": [{"contains_any": ["x", "y, z"], "ignore_case": False, "strict": True}, {**IS_A, "contains": ["A"]}]},
        {"all": [{"exact": "!a", "strict": True}, {"exact": "nope:b", "strict": True}]},
        {"all": [{"regex": r"\Aa"}, {"not": {"regex": "^a", "dialect": "javascript"}}]},
    ]
    assert [line["prompt"] for line in imported.lines] == ["Say 1", "2", "3", "4"]
    assert [line["id"] for line in imported.lines] == ["test-1", "test-2", "test-3", "test-4"]
    assert [sentence.partition(",")[0] for sentence in imported.left_out] == [
        "tests.csv:11: the value of the assertion 'icontains-any' has a quote without its end",
        "tests.csv:6: the assertion 'similar' is a score with a threshold",
        "tests.csv:7: the assertion 'python' needs a program; write a grader of your own",
        "tests.csv:8: the assertion 'javascript' needs a program; write a grader of your own",
        "tests.csv:9: the assertion 'llm-rubric' needs a model",
        "tests.csv:10: it asserts nothing",
    ]
    assert imported.notes == [
        "tests.csv:2: the column '_suffix' is a variable; special columns begin with two underscores",
        "tests.csv:4: promptfoo ignores the __threshold '50%', which is no number",
    ]


def test_files_of_tests_are_read(tmp_path: Path) -> None:
    test = {"vars": {"x": "y"}, "assert": [{"$ref": "#/a"}]}
    (tmp_path / "t.json").write_text(json.dumps({**test, "a": A}))
    (tmp_path / "t2.yaml").write_text("- vars: {x: z}\n  assert: [{type: contains, value: a}]\n- 1\n")
    (tmp_path / "t1.yaml").write_text("a: [")
    (tmp_path / "t.jsonl").write_text("\n" + json.dumps({"vars": {"x": "l"}, "assert": [A]}) + "\n{")
    (tmp_path / "latin.csv").write_bytes(b"x\n\xff\n")
    text = "prompts: ['{{x}}']\ntests: [t.json, t2.yaml, file://t*.yaml, {path: t.jsonl}, latin.csv]"
    imported = config(tmp_path, text)
    assert [line["prompt"] for line in imported.lines] == ["y", "z", "z"]
    for part in ("t2.yaml:3: expected a test as an object, got 1", "t1.yaml:2: invalid YAML", "t.jsonl:3: invalid"):
        assert any(part in sentence for sentence in imported.left_out)
    assert "latin.csv: not valid UTF-8 (byte 2); save it as UTF-8" in imported.left_out[-1]


def test_references_in_the_file_are_followed(tmp_path: Path) -> None:
    text = """
templates: {polite: {type: contains, value: please}}
prompts: [p]
tests:
  - assert: [{$ref: "#/templates/polite"}, {type: cost, weight: 0}]
  - assert: [{$ref: "#/templates/none"}]
"""
    imported = config(tmp_path, text)
    assert imported.lines[0]["expect"]["contains"] == ["please"]
    assert "1 of its assertions have the weight 0" in imported.notes[0]
    assert "an assertion has no type" in imported.left_out[0]


def test_a_default_may_be_in_a_file(tmp_path: Path) -> None:
    text = "prompts: ['{{x}}']\ntests: [{}]\ndefaultTest: file://d.yaml\n"
    with pytest.raises(
        SuiteError, match=r"c\.yaml: defaultTest is in a file that does not exist, 'd\.yaml'; without it"
    ):
        config(tmp_path, text)
    (tmp_path / "d.yaml").write_text("{vars: {x: y}, assert: [{type: equals, value: '{{x}}'}]}")
    assert config(tmp_path, text).lines == [{"id": "test-1", "prompt": "y", "expect": {"exact": "y", "strict": True}}]


WORDS = ["", "a", "file://a", "{{x}}", "{%", "not-", "assert-set", "contains", "contains-any", "regex", "is-json"]
FIELDS = ["type", "value", "assert", "vars", "threshold", "weight", "options", "x", "raw", "$ref", "prompts"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=3),
    max_leaves=6,
)


@given(VALUES, VALUES, st.sampled_from(["prompts", "tests", "defaultTest", "assert"]))
def test_any_values_end_in_cases_or_reasons(
    tmp_path_factory: pytest.TempPathFactory, one: Any, two: Any, place: str
) -> None:
    tests: Any = [{"vars": two, "assert": [one]}, two]
    document = {"prompts": ["{{x}}", one], "tests": tests, "defaultTest": None}
    if place == "assert":
        document["tests"] = [{"vars": {"x": 1}, "assert": [one, A], "threshold": two}]
    else:
        document[place] = one
    with contextlib.suppress(SuiteError):
        config(tmp_path_factory.getbasetemp(), json.dumps(document))
