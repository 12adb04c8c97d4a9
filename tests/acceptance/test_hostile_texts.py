"""No text of a model or a file commands a terminal or a build server: sessions and commands with hostile texts."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pytest_selfopt.report
from pytest_selfopt.cli import main
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.models.scripted import ScriptedServer
from pytest_selfopt.routing.decision_chain import hashes_of
from pytest_selfopt.routing.history import DECISIONS, LEDGER
from tests import warm
from tests.acceptance.conftest import MODEL, WITHOUT, Project, right, suite_lines
from tests.acceptance.test_gates import TWO_SPECS
from tests.console.hostile_texts import COMMANDS, CONTROLS, TEXT, harm_in, obeyed
from tests.ledger.changed_logs import entries_of, write_chained
from tests.ledger_file import open_ledger

Make = Callable[..., Project]
ASSETS = Path(pytest_selfopt.report.__file__).parent / "assets"
BODIES = """
import logging
import warnings
import pytest

@pytest.mark.selfopt("items.jsonl")
def test_items(case, reply):
    case.check(reply)

@pytest.mark.selfopt("items.jsonl", phase="extended")
def test_printed(case, reply):
    print(reply.text)
    logging.getLogger("mine").warning(reply.text)
    warnings.warn(reply.text, DeprecationWarning)
    assert reply.text == "expected\\ntext"

@pytest.mark.selfopt("items.jsonl", phase="other")
def test_raised(case, reply):
    if case.id.endswith("0"):
        pytest.skip(reply.text)
    if case.id.endswith("2"):
        pytest.xfail(reply.text)
    raise ValueError(reply.text)
"""


@pytest.fixture(autouse=True)
def _at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """On GitHub the product writes commands of its own."""
    for name in ("GITHUB_ACTIONS", "FORCE_COLOR", "PY_COLORS"):
        monkeypatch.delenv(name, raising=False)


def hostile_suite() -> list[dict[str, Any]]:
    lines = suite_lines()
    for number, line in enumerate(lines):
        if "id" in line:
            line["group"] = (*COMMANDS, *CONTROLS)[number % len(COMMANDS)]
    return lines


@pytest.mark.parametrize(
    "arguments",
    [("-rA", "--junitxml=out.xml", "-ojunit_logging=all"), ("-v", "--tb=native"), ("-q", "--tb=line", "-rA", "-n1")],
)
def test_a_plain_session_shows_replies_harmless(project: Make, arguments: tuple[str, ...]) -> None:
    failing = {"when": {"prompt": "item 1."}, "then": {"status": 500, "message": TEXT}}
    made = project({"rules": [failing], "default": {"text": TEXT}, "served_as": TEXT})
    made.write_suite(hostile_suite())
    (made.path / "test_items.py").write_text(BODIES)
    done = warm.run(made.path, "-m", "pytest", *WITHOUT, "--color=no", *arguments)
    assert done.returncode == 1, done.stdout
    assert "taken" in done.stdout
    assert "DeprecationWarning: " in done.stdout
    written = "".join(path.read_text() for path in made.path.glob("out.xml"))
    assert harm_in(done.stdout + done.stderr + written) == []


def test_a_refused_suite_is_told_harmless(project: Make) -> None:
    made = project()
    lines = suite_lines()
    made.write_suite([*lines, *({**lines[-1], "id": text, text: text} for text in (TEXT, *COMMANDS, *CONTROLS))])
    done = warm.run(made.path, "-m", "pytest", *WITHOUT, "--color=no")
    assert done.returncode == 4
    assert "taken" in done.stderr
    assert harm_in(done.stdout + done.stderr) == []


@pytest.mark.parametrize("workers", [(), ("-n1",)], ids=["serial", "distributed"])
def test_colours_of_pytest_stay(project: Make, workers: tuple[str, ...]) -> None:
    made = project({"default": {"text": "a\n\x1b[2Jb\n::error::c"}})
    (made.path / "test_items.py").write_text(BODIES)
    text = warm.run(made.path, "-m", "pytest", *WITHOUT, "--color=yes", "-k", "test_printed", *workers).stdout
    assert "\x1b[31m" in text
    assert "\x1b[2J" not in text
    assert "⟨U+001B⟩[2J" in text
    assert "⟨U+001B⟩[3" not in text


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project after a cycle, whose ledger, log, history and rules are full of hostile texts."""
    folder = tmp_path_factory.mktemp("recorded")
    rules = [
        {"when": {"prompt": "Hello 0!"}, "then": {"text": TEXT}},
        {"when": {"prompt": "Hello 1!", "native": True}, "then": {"status": 500, "message": TEXT}},
        *right(constrained=True),
    ]
    with ScriptedServer({"rules": rules, "served_as": TEXT}) as server:
        (folder / "pyproject.toml").write_text(
            f'[tool.selfopt]\nmodel = "{MODEL}"\n[tool.selfopt.models."{MODEL}"]\nbase_url = "{server.base_url}"\n'
            f"price_in = 1.0\nprice_out = 2.0\n{TWO_SPECS}[tool.selfopt.gates]\nerrors = 0.5\ncomparable = 0.5\n"
        )
        (folder / "items.jsonl").write_text("".join(json.dumps(line) + "\n" for line in hostile_suite()))
        (folder / "test_items.py").write_text(
            BODIES[: BODIES.rindex("@pytest.mark", 0, BODIES.index("def test_printed"))]
        )
        done = warm.run(folder, "-m", "pytest", *WITHOUT, "--color=no", "-rA", "--selfopt-cycle", "--selfopt-no-prove")
        assert done.returncode in (0, 1, 10), done.stdout
        assert harm_in(done.stdout + done.stderr) == []
    _poison(folder)
    return folder


def _poison(folder: Path) -> None:
    state = folder / ".selfopt"
    with open_ledger(state / LEDGER) as connection:
        _poison_ledger(connection)
    poisoned = [{**entry, "reason": TEXT, "effective_model": TEXT} for entry in entries_of(state)]
    write_chained(state, poisoned)
    with Ledger(state / LEDGER) as ledger:
        ledger.log.replace(hashes_of((state / DECISIONS).read_bytes()))
    for path in (state / "meta_loop_history.json", folder / "routing_config.json", state / "harness_feedback.json"):
        path.write_text(json.dumps(_poisoned(json.loads(path.read_text()))))


def _poison_ledger(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE call SET served_model = ?, finish_reason = ?, answer_id = ?", (TEXT, TEXT, TEXT))
    connection.execute("UPDATE call SET reason = ? WHERE reason IS NOT NULL", (TEXT,))
    connection.execute("UPDATE comparison SET sentence = ?", (TEXT,))
    connection.execute("UPDATE decision SET sentence = ?", (TEXT,))
    connection.execute("UPDATE question SET prompt = ?, expected = ?", (TEXT, TEXT))
    connection.execute("UPDATE cycle SET command = ?", (TEXT,))


def _poisoned(value: Any, name: str = "") -> Any:
    """Return a document with hostile texts in all members that hold sentences or names of no meaning to a program."""
    if isinstance(value, dict):
        return {key: _poisoned(part, key) for key, part in value.items()}
    if isinstance(value, list):
        return [_poisoned(part, name) for part in value]
    if isinstance(value, str) and name in ("sentence", "reason", "claim", "takes", "error", "key", "source"):
        return TEXT
    return value


COMMANDS_OF_CLI = (
    "history",
    "report --format md",
    "report --format md -o - --cycle 1",
    "report --format json",
    "report --format html -o -",
    f"why {MODEL} atomic",
    "decide",
    "decide --json",
    "profile --all",
    f"profile {MODEL}",
    f"profile {MODEL} --format md",
    "profile --all --json",
    "models --no-ask",
    "models",
    "verify",
    "power items.jsonl",
    "suite check items.jsonl",
    "suite check hostile.jsonl",
    "suite check hostile.yaml",
    "import promptfoo promptfoo.yaml",
    "import csv rows.csv",
    "import chat chat.jsonl",
    "cost-estimate 1 --tier mine --suite items.jsonl",
    "batch mine --suite items.jsonl --yes",
    "swarm 1 --tier mine --suite items.jsonl --yes",
    "export json",
    "export litellm",
    "export inspect --suite items.jsonl -o logs",
    f"resolve {MODEL} atomic",
    f"resolve {MODEL} atomic --json",
    "enforce --dry-run",
    "enforce hostile.json",
    "rollback --dry-run",
    "rollback 99",
)


OWN = {line for path in ASSETS.rglob("*.*") for line in path.read_text(encoding="utf-8").split("\n")}
"""The lines of scripts and styles of the product, which are in the page."""


def hostile_files(folder: Path) -> None:
    """Write the files of other formats."""
    (folder / "hostile.jsonl").write_text(json.dumps({"id": TEXT, "prompt": TEXT, "expect": {TEXT: 1}}) + "\n")
    (folder / "hostile.yaml").write_text(json.dumps([{"id": TEXT, "prompt": TEXT, TEXT: TEXT}]))
    test = {"vars": {"a": TEXT}, "description": TEXT, "assert": [{"type": TEXT, "value": TEXT}]}
    good = {"vars": {"a": TEXT}, "assert": [{"type": "contains", "value": TEXT}]}
    (folder / "promptfoo.yaml").write_text(json.dumps({"prompts": [f"{TEXT} {{{{a}}}}"], "tests": [test, good]}))
    (folder / "rows.csv").write_text('prompt,expected\n"::error::taken ##[error]","##vso[a]"\n')
    chat = {"messages": [{"role": "user", "content": TEXT}, {"role": "assistant", "content": TEXT}]}
    (folder / "chat.jsonl").write_text(json.dumps(chat) + "\n" + json.dumps({TEXT: TEXT}) + "\n")
    recommendation = {"target": f"{TEXT}::{TEXT}", "action": TEXT, "reason": TEXT, "fallback": TEXT}
    (folder / "hostile.json").write_text(json.dumps([recommendation, {**recommendation, "action": "retry"}]))


@pytest.mark.parametrize("columns", [None, 47], ids=["pipe", "terminal"])
def test_commands_show_hostile_texts_harmless(
    recorded: Path, columns: int | None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(recorded)
    hostile_files(recorded)
    commands, shown = [*COMMANDS_OF_CLI], 0
    if columns is not None:
        commands.append("export csv")
        monkeypatch.setenv("COLUMNS", str(columns))
        # A terminal of its own for each of these commands would take a process each, half a minute in all.
        for stream in (sys.stdout, sys.stderr):
            monkeypatch.setattr(stream, "isatty", lambda: True)
    for command in (*map(str.split, commands), ["why", "a", "b", TEXT]):
        try:
            status = main(command)
        except SystemExit as problem:
            status = int(problem.code or 0)
        output, errors = capsys.readouterr()
        harmful = [line[:200] for line in harm_in(output + errors) if line not in OWN]
        assert harmful == [], command
        assert "Traceback" not in errors, command
        assert status in (0, 1, 2, 4), (command, status, errors)
        shown += "taken" in output + errors
    assert shown > 15


def test_a_table_in_a_pipe_commands_no_build(recorded: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    command = [sys.executable, "-m", "pytest_selfopt.cli", "export", "csv"]
    piped = subprocess.run(command, cwd=recorded, capture_output=True, check=True).stdout.decode()
    assert "⟨U+003A⟩:add-mask::taken" in piped
    assert [line for line in re.split(r"[\r\n]+", piped) if obeyed(line)] == []
    assert main(["export", "csv", "-o", str(recorded / "trials.csv"), "--rootdir", str(recorded)]) == 0
    whole = (recorded / "trials.csv").read_bytes().decode()
    assert TEXT in whole
    # Captured into a file, as `>` does.
    capfdbinary.readouterr()
    assert main(["export", "csv", "--rootdir", str(recorded)]) == 0
    assert capfdbinary.readouterr().out.decode() == whole
