"""`selfopt suite check`: what measures nothing, twice or never is named; what is in order is left alone."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pytest_selfopt.bench.lint import check_suites
from pytest_selfopt.bench.loading.suites import load_suite
from pytest_selfopt.cli import main
from tests import warm

ROOT = Path(__file__).parents[2]
TOOL = {
    "name": "look_up",
    "parameters": {"type": "object", "properties": {"item": {"type": "integer"}}, "required": ["item"]},
}
NOTES = "pytest_selfopt.bench.worlds:Notes"


def case(name: str, prompt: str, **fields: Any) -> dict[str, Any]:
    usual = {"tools": ["look_up"], "expect": {"call": {"name": "look_up", "arguments": {"item": 7}}}}
    return {"id": name, "prompt": prompt, **usual, **fields}


def found(folder: Path, *lines: dict[str, Any]) -> list[tuple[bool, str]]:
    path = folder / "items.jsonl"
    path.write_text("".join(json.dumps(one) + "\n" for one in ({"tool": TOOL}, *lines)))
    return [(one.wrong, f"{one.place}: {one.sentence}") for one in check_suites([load_suite(path)])]


TEXT = {"call": {"name": "look_up", "arguments": {"item": "x"}}}
LONG = "Please find out for me which of the items in the big store has the number"
RESTRAINED = case("no", "Hello there!", expect={"no_call": True})


def test_a_suite_in_order_is_only_described(tmp_path: Path) -> None:
    assert found(tmp_path, case("a", "Find 7."), RESTRAINED) == [
        (False, "items.jsonl: 2 cases, 1 of them for restraint (50%)")
    ]


@pytest.mark.parametrize(
    ("lines", "sentence"),
    [
        ([case("a", "Find 7."), case("b", "Find 7."), RESTRAINED], "items.jsonl:3: case 'b' asks the same as 'a'"),
        ([case("a", "Find 7.")], "0 of them for restraint (0%): nothing detects a model that calls tools"),
        (
            [case("a", "Find 7."), RESTRAINED, {**RESTRAINED, "id": "n2", "prompt": "Bye!"}],
            "(67%): a model that never calls anything does well here",
        ),
        (
            [case("a", "Hi", tools=[], expect={"no_call": True}), case("b", "x"), RESTRAINED],
            "offers no tool",
        ),
        ([case("a", "Find", tools=[], expect={"any_call": True}), RESTRAINED], "expects a call but offers no tool"),
        (
            [
                case("a", "F", as_given=True, expect=TEXT),
                RESTRAINED,
            ],
            "cannot be passed: look_up.item is of type integer, but expected to be 'x'",
        ),
        (
            [case("a", "F", as_given=True, expect={"call": {"name": "look_up", "arguments": {"it": 7}}}), RESTRAINED],
            "cannot be passed: look_up has no argument 'it'",
        ),
        (
            [{"id": "a", "environment": NOTES, "turns": ["Go."], "expect": {"forbidden": ["delete_note"]}}],
            "is passed by doing nothing",
        ),
        (
            [{"tool": {"name": "spare"}}, case("a", "Find 7."), RESTRAINED],
            "items.jsonl: no case offers spare",
        ),
    ],
)
def test_possible_improvements_are_named(tmp_path: Path, lines: list[dict[str, Any]], sentence: str) -> None:
    assert any(wrong and sentence in text for wrong, text in found(tmp_path, *lines))


def test_nearly_equal_prompts_are_reported(tmp_path: Path) -> None:
    told = found(tmp_path, case("a", f"{LONG} 7."), case("b", f"{LONG} 8."), case("c", "Find 9 now!"), RESTRAINED)
    assert (False, "items.jsonl:3: case 'b' is nearly the same as 'a' (items.jsonl:2)") in told
    assert not any("'c' is nearly" in text for _, text in told)


def test_the_shipped_suites_are_in_order() -> None:
    done = subprocess.run(
        [warm.python(), "-m", "pytest_selfopt.cli", "suite", "check", str(ROOT / "benchmarks")],
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "2 suites, 66 cases, 0 errors"), done.stdout


def test_a_folder_without_suites_is_one_sentence(tmp_path: Path) -> None:
    done = subprocess.run(
        [warm.python(), "-m", "pytest_selfopt.cli", "suite", "check", str(tmp_path)], capture_output=True, text=True
    )
    assert (done.returncode, "no suite file" in done.stderr) == (4, True)


def test_each_mistake_has_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "s.jsonl").write_text('{"id": "a b"}\n{"id": "c", "prompt": "p", "expect": {"exact": 3}}\n')
    assert main(["suite", "check", str(tmp_path / "s.jsonl")]) == 4
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1] == "selfopt: s.jsonl:2: expect.exact: expected a string or a list of strings, got 3"
    assert all(line.startswith("selfopt: s.jsonl:1: ") for line in lines[:-1])
