"""Importers carry over what they can, word for word, and list the rest with the reason."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pytest_selfopt.bench.importing import import_from
from pytest_selfopt.bench.loading.suites import load_suite
from pytest_selfopt.errors import SuiteError
from pytest_selfopt.trial import Reply
from tests import warm

PROMPTFOO = """
prompts:
  - "Translate to French: {{word}}"
  - file://prompt.txt
tests:
  - vars: {word: cheese}
    assert:
      - {type: icontains, value: fromage}
      - {type: icontains, value: le}
  - vars: {word: bread}
    assert: [{type: equals, value: pain}]
  - vars: {word: wine}
    assert: [{type: llm-rubric, value: is polite}]
  - vars: {word: file://words.txt}
    assert: [{type: contains, value: x}]
  - vars: {other: 1}
    assert: [{type: contains, value: x}]
  - vars: {word: tea}
  - vars: {word: jam}
    assert: [{type: regex, value: "^conf"}]
  - vars: {word: no}
    assert: [{type: not-contains, value: sorry}, {type: contains-any, value: [non, aucun]}]
"""


SYSTEM = {"role": "developer", "content": "Be short."}


def read(lines: list[dict[str, Any]], folder: Path) -> list[Any]:
    path = folder / "imported.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in lines))
    return list(load_suite(path).cases)


def test_promptfoo_tests_become_cases_or_are_listed(tmp_path: Path) -> None:
    (tmp_path / "promptfooconfig.yaml").write_text(PROMPTFOO)
    imported = import_from("promptfoo", tmp_path / "promptfooconfig.yaml")
    cases = {case.id: case for case in read(imported.lines, tmp_path)}
    assert list(cases) == ["test-1", "test-2", "test-5", "test-7", "test-8"]
    assert cases["test-1"].prompt == "Translate to French: cheese"
    assert cases["test-1"].expect.to_json() == {
        "contains": ["fromage", "le"],
        "ignore_case": True,
        "strict": True,
    }
    assert cases["test-2"].expect.to_json() == {"exact": "pain", "strict": True}
    assert cases["test-5"].prompt == "Translate to French: "
    assert cases["test-7"].expect.to_json() == {"regex": "^conf", "dialect": "javascript"}
    assert cases["test-8"].prompt == "Translate to French: no"
    assert cases["test-8"].judge(Reply(text="non")).passed
    assert not cases["test-8"].judge(Reply(text="non, sorry")).passed
    assert [one.partition(": ")[2] for one in imported.left_out] == [
        "tests[2]: the assertion 'llm-rubric' needs a model, a program or a metric that cases do not have",
        "tests[3]: the variable 'word' is in a file that does not exist, 'words.txt'",
        "tests[5]: it asserts nothing",
        "prompts[1]: there is no file 'file://prompt.txt'",
    ]


def test_chats_become_cases(tmp_path: Path) -> None:
    values = [
        {
            "messages": [{"role": "developer", "content": "Be short."}, {"role": "user", "content": "2+2?"}],
            "ideal": "4",
        },
        {"id": "capital", "input": "Capital of France?", "ideal": ["Paris", "paris (France)"]},
        {"input": "What is in the picture?"},
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}], "ideal": "a cat"},
        {"input": "Number?", "ideal": 7},
        ["no", "object"],
    ]
    path = tmp_path / "samples.jsonl"
    path.write_text("\n".join(json.dumps(value) for value in values))
    imported = import_from("chat", path)
    first, second = read(imported.lines, tmp_path)
    assert (first.id, first.messages[0].role, first.prompt) == ("line-1", "system", "2+2?")
    assert first.expect.to_json() == {"contains": ["4"], "ignore_case": True}
    assert second.expect.to_json() == {"regex": r"(?i)Paris|paris\ \(France\)"}
    assert [one.partition(": ")[0] for one in imported.left_out] == [f"samples.jsonl:{line}" for line in (3, 4, 5, 6)]
    assert len(import_from("chat", path, limit=1).lines) == 1


def test_a_table_becomes_cases(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text('id,question,answer\nq1,"How many, in all?",four\nq2,,five\nq1,Again?,six\n')
    imported = import_from("csv", path)
    (case,) = read(imported.lines, tmp_path)
    assert (case.id, case.prompt, case.expect.to_json()["contains"]) == ("q1", "How many, in all?", ["four"])
    assert [one.partition(": ")[2] for one in imported.left_out] == [
        "prompt: expected a non-empty string, got ''",
        "id: 'q1' is used twice",
    ]


@pytest.mark.parametrize(
    ("form", "content", "complaint"),
    [
        ("chat", "{", "invalid JSON"),
        ("promptfoo", "- 1", "expected an object with prompts and tests"),
        ("promptfoo", "tests: [{}]", "prompts: expected a text or a list of texts, got nothing"),
        ("promptfoo", "prompts: [x]", "tests: expected a list of tests, or the name of a file with tests, got nothing"),
        ("promptfoo", "prompts: [x]\ntests: [{}]\ndefaultTest: 1", "defaultTest: expected an object, got 1"),
        ("promptfoo", "a: [", "cannot be read"),
        ("csv", 'a,b\n"x', "cannot be read"),
        ("bfcl", "", "BFCL is imported by category; name one of simple"),
    ],
)
def test_an_unusable_file_is_one_sentence(tmp_path: Path, form: str, content: str, complaint: str) -> None:
    path = tmp_path / "file"
    path.write_text(content)
    with pytest.raises(SuiteError, match=complaint.replace("[", r"\[")):
        import_from(form, path)


def test_cases_and_omissions_use_separate_streams(tmp_path: Path) -> None:
    (tmp_path / "promptfooconfig.yaml").write_text(PROMPTFOO)
    command = [warm.python(), "-m", "pytest_selfopt.cli", "import", "promptfoo", "promptfooconfig.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0
    assert len(read([json.loads(line) for line in done.stdout.splitlines()], tmp_path)) == 5
    assert "left out: promptfooconfig.yaml: tests[2]: the assertion 'llm-rubric'" in done.stderr
    assert done.stderr.splitlines()[-1] == "5 cases, 4 left out"
    wrong = subprocess.run([*command[:-2], "bfcl", "nowhere", "--category", "simple"], capture_output=True, text=True)
    assert (wrong.returncode, "contains none of BFCL_v4_simple_python.json" in wrong.stderr) == (4, True)
