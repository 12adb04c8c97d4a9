"""`selfopt init`: three questions, and a project that runs."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from pytest_selfopt.bench.loading.suites import load_suite
from pytest_selfopt.cli import main
from pytest_selfopt.models.scripted import ScriptedServer
from pytest_selfopt.starter.project import StarterChoices, starter_files
from pytest_selfopt.starter.suites import STARTER_SUITES
from tests import warm
from tests.acceptance.conftest import WITHOUT, selfopt
from tests.acceptance.terminals import on_terminal

EMBEDDED = ["--server", "embedded", "--model", "smollm2-135m", "--answers", "calls"]
ANSWERS: dict[str, dict[str, dict[str, Any]]] = {
    "calls": {
        "pasta": {"call": {"name": "set_timer", "arguments": {"minutes": 11}}},
        "cake": {"call": {"name": "set_timer", "arguments": {"minutes": 30}}},
        "Lisbon": {"call": {"name": "get_weather", "arguments": {"city": "Lisbon"}}},
    },
    "texts": {
        "France": {"text": "Paris."},
        "17": {"text": "42"},
        "hot": {"text": "Cold"},
        "Monday": {"text": "tuesday"},
    },
    "json": {
        "cups": {"text": '{"product": "cups", "quantity": 12}'},
        "chair": {"text": '{"product": "chair", "quantity": 1}'},
        "screws": {"text": '```json\n{"product": "Screws", "quantity": 100}\n```'},
        "pens": {"text": '{"product": "pen", "quantity": 12}'},
    },
}


def files(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("kind", STARTER_SUITES)
def test_what_is_written_runs(pytester: pytest.Pytester, kind: str) -> None:
    rules = [{"when": {"prompt": words}, "then": then} for words, then in ANSWERS[kind].items()]
    with ScriptedServer({"rules": rules, "default": {"text": "You are welcome."}}) as server:
        done = selfopt(pytester.path, "init", "--server", server.base_url, "--model", "m", "--answers", kind)
        assert done.returncode == 0, done.stderr
        assert f"first_{kind}.jsonl: 4 cases" in done.stdout
        assert "1 suites, 4 cases, 0 errors" in done.stdout
        warm.run_pytest(pytester, *WITHOUT, "benchmarks").assert_outcomes(passed=4)


def test_a_cycle_runs_on_what_is_written(pytester: pytest.Pytester) -> None:
    rules = [{"when": {"prompt": words, "constrained": True}, "then": then} for words, then in ANSWERS["calls"].items()]
    with ScriptedServer({"rules": rules, "default": {"text": "You are welcome."}}) as server:
        selfopt(pytester.path, "init", "--server", server.base_url, "--model", "m", "--answers", "calls")
        session = warm.run_pytest(pytester, *WITHOUT, "benchmarks", "--selfopt-cycle")
    assert session.ret == 0
    session.stdout.fnmatch_lines(["*schema 4/4*"])


def test_questions_are_asked_until_they_are_answered(tmp_path: Path) -> None:
    command = [warm.python(), "-m", "pytest_selfopt.cli", "init"]
    seen = on_terminal(command, width=100, cwd=tmp_path, typed="embeded\nembedded\n\n9\n3\n")
    shown = "\n".join(seen.lines)
    assert "no server has this name; did you mean 'embedded'?" in shown
    assert "Which model? Its name on the server" in shown
    assert "--answers 9: is no kind of answers" in shown
    assert "first_json.jsonl: 4 cases" in shown
    assert tomllib.loads((tmp_path / "selfopt.toml").read_text()) == {"model": "embedded/smollm2-135m"}


def test_without_a_terminal_nothing_is_asked(tmp_path: Path) -> None:
    done = selfopt(tmp_path, "init", "--server", "embedded", "--model", "smollm2-135m")
    assert done.returncode == 4
    assert (
        "--answers is missing, and there is no terminal to ask at; give it, or --yes, which takes calls" in done.stderr
    )
    assert files(tmp_path) == {}


@pytest.mark.parametrize(
    ("there", "arguments", "complaint"),
    [
        ({"selfopt.toml": ""}, EMBEDDED, "selfopt.toml has settings already"),
        ({"pyproject.toml": "[tool.selfopt]"}, EMBEDDED, "pyproject.toml has settings already"),
        ({"benchmarks/first_calls.jsonl": "mine"}, EMBEDDED, "benchmarks/first_calls.jsonl: exists already"),
        ({}, ["--server", "olama"], "no server has this name; did you mean 'ollama'?"),
        ({}, ["--server", "ftp://127.0.0.1/v1"], "is no address; expected one such as http://127.0.0.1:8000/v1"),
        ({}, ["--server", "http://127.0.0.1/\udcff"], "is no address; expected one such as"),
        ({"benchmarks": "a file"}, EMBEDDED, "first_calls.jsonl cannot be written, so nothing was: "),
        ({}, ["--server", "https://me:secret@example.com/v1"], "the address must not contain a password"),
        ({}, ["--server", "embedded", "--model", "smollm"], "embedded does not have this model; did you mean"),
        ({}, ["--server", "https://127.0.0.1:9/v1", "--model", "a b"], "letters, digits and"),
        ({}, ["--server", "https://127.0.0.1:9/v1", "--yes"], "--model: which model?"),
        ({}, [*EMBEDDED[:-1], "jsn"], "is no kind of answers; did you mean 'json'?"),
        ({}, [*EMBEDDED, "--key-env", "KEY"], "embedded has a variable of its own for its key"),
        ({}, [*EMBEDDED, "--key-env", "sk-123"], "--key-env: is not the name of an environment variable"),
    ],
)
def test_a_refusal_is_a_sentence_and_writes_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    there: dict[str, str],
    arguments: list[str],
    complaint: str,
) -> None:
    for name, text in there.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    assert main(["init", *arguments]) == 4
    error = capsys.readouterr().err
    assert complaint in " ".join(error.split())
    assert "secret" not in error
    assert "sk-123" not in error
    assert files(tmp_path) == there


def test_a_local_server_is_found_with_its_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with ScriptedServer({"models": ["kettle"]}) as server:
        monkeypatch.setattr("pytest_selfopt.starter.servers.LOCAL_SERVERS", {"vllm": server.base_url})
        monkeypatch.chdir(tmp_path)
        assert main(["init", "--server", "vllm", "--yes"]) == 0
    settings = tomllib.loads((tmp_path / "selfopt.toml").read_text())
    assert settings == {"model": "vllm/kettle", "providers": {"vllm": {"base_url": server.base_url}}}
    assert "next: selfopt models vllm/kettle" in capsys.readouterr().out


def test_settings_name_the_variable_of_a_key() -> None:
    choices = StarterChoices(
        model="local/m", base_url='https://example.com/v1?a="b"', key_variable="KEY", answers="json"
    )
    text = next(file.text for file in starter_files(choices) if file.path.name == "selfopt.toml")
    assert tomllib.loads(text)["providers"]["local"] == {"base_url": choices.base_url, "api_key_env": "KEY"}


@pytest.mark.parametrize("kind", STARTER_SUITES)
def test_each_case_expects_something_else(tmp_path: Path, kind: str) -> None:
    suite = tmp_path / "suite.jsonl"
    suite.write_text("".join(json.dumps(line) + "\n" for line in STARTER_SUITES[kind].lines))
    assert len({str(case.expect) for case in load_suite(suite).cases}) == 4
