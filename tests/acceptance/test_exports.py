"""`selfopt export inspect|csv|json`: the ledger as other tools read it."""

from __future__ import annotations

import csv
import json
import subprocess
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from pytest_selfopt.trial import Trial
from tests import warm
from tests.acceptance.conftest import BASELINE, MODEL, Project, right
from tests.acceptance.test_conversations import able, conversing
from tests.acceptance.test_gates import TWO_SPECS
from tests.ledger_file import open_ledger
from tests.packages import ROOT, answering

Make = Callable[..., Project]
Read = Callable[..., list[list[dict[str, Any]]]]
INSPECT = "inspect_ai==0.3.285"
ASK = ROOT / "tests" / "report" / "ask_inspect.py"
HOSTILE = "=HYPERLINK(1) \ud83d <b>,\n\"'"
SCHEMA = f"{MODEL}/atomic/schema/t60/r1/i0"


@pytest.fixture(scope="module")
def read_by_inspect() -> Iterator[Read]:
    """What Inspect's own reader finds in folders: see `ask_inspect`."""
    with answering(INSPECT, ASK) as ask:
        yield lambda *folders: ask([str(folder) for folder in folders])


def rows(made: Project, query: str) -> list[tuple[Any, ...]]:
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as connection:
        return connection.execute(query).fetchall()


def measured(project: Make) -> Project:
    """A project after a cycle with right, wrong, hostile and missing answers; some tokens are unknown."""
    odd = [
        {"when": {"prompt": "Hello 0!"}, "then": {"text": HOSTILE}},
        {"when": {"prompt": "Hello 1!", "native": True}, "then": {"status": 500, "message": HOSTILE}},
        {
            "when": {"prompt": "item 8.", "native": True},
            "then": {"call": {"name": "look_up", "arguments": {"item": "=1"}}},
        },
    ]
    made = project({"rules": [*odd, *right(constrained=True)]})
    made.configure(
        f"price_in = 1.0\nprice_out = 2.0\n{TWO_SPECS}[tool.selfopt.gates]\nerrors = 0.5\ncomparable = 0.5\n"
    )
    made.run("--selfopt-cycle")
    return made


def test_inspect_reads_the_ledgers_trials(long_project: Make, read_by_inspect: Read) -> None:
    made = measured(long_project)
    done = made.selfopt("export", "inspect", "--suite", "items.jsonl", "-o", "with")
    assert (done.returncode, done.stderr, done.stdout.count("written: with")) == (0, "", 2)
    assert made.selfopt("export", "inspect", "--cycle", "1").returncode == 0
    logs, bare = read_by_inspect(made.path / "with", made.path / "logs")
    assert {log["metadata"]["spec"] for log in logs} == {BASELINE, SCHEMA}
    for log in logs:
        _is_the_ledger(made, log)
    assert sum(sample["error"] is not None for log in logs for sample in log["samples"]) >= 3
    for log in bare:
        assert {sample["input"] for sample in log["samples"]} == set(log["dataset"]["sample_ids"])
        assert {sample["target"] for sample in log["samples"]} == {""}


def _is_the_ledger(made: Project, log: dict[str, Any]) -> None:
    spec = log["metadata"]["spec"]
    found = rows(
        made,
        'SELECT "case", run, outcome, reason, tokens_in, tokens_out, cost_usd, latency_s, error_kind, ended - started '
        f"FROM call WHERE spec = '{spec}' ORDER BY run, \"case\"",
    )
    expected = []
    for case, run, outcome, reason, *_, latency, kind, took in found:
        wrong = outcome == "error"
        score = None if wrong else ["C" if outcome == "pass" else "I", reason]
        expected.append((case, run + 1, score, f"{kind}: {reason}" if wrong else None, [took, latency]))
    assert [
        tuple(one[name] for name in ("id", "epoch", "score", "error", "time")) for one in log["samples"]
    ] == expected
    passes, errors = (sum(one[2] == outcome for one in found) for outcome in ("pass", "error"))
    assert log["recounted"] == log["metrics"]["accuracy"] == passes / (len(found) - errors)
    assert log["totals"] == [len(found), len(found) - errors, errors]
    assert (log["version"], log["status"], log["task"], log["model"]) == (2, "success", "atomic", MODEL)
    assert (log["epochs"], log["dataset"]["samples"], log["temperature"]) == (found[-1][1] + 1, 12, 0)
    assert {sample["epoch"] for sample in log["samples"]} == set(range(1, log["epochs"] + 1))
    usage, counted = log["usage"][MODEL], [one for one in found if one[4] is not None]
    assert [usage["input_tokens"] + (usage["input_tokens_cache_read"] or 0), usage["output_tokens"]] == [
        sum(one[4] for one in counted),
        sum(one[5] for one in counted),
    ]
    assert usage["total_cost"] == pytest.approx(sum(one[6] for one in counted))
    assert log["metadata"]["unmetered"] == len(found) - len(counted) == errors
    assert log["uuids"] == len(found)
    assert log["heads"] == [True, True, True, True, None]
    questions = {sample["id"]: sample["input"] for sample in log["samples"]}
    assert questions["items/item-3"] == ["Find item 3."]
    said = {sample["text"] for sample in log["samples"] if sample["id"] == "items/hello-0"}
    assert said == {HOSTILE.replace("\ud83d", "\ufffd")}
    if spec == BASELINE:
        called = [sample["calls"] for sample in log["samples"] if sample["id"] == "items/item-8"]
        assert called == [[["look_up", {"item": "=1"}]]] * len(called)


def test_a_table_prints_identically_everywhere(project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    made = project({"default": {"call": {"name": "größe", "arguments": {}}}})
    made.run("--selfopt-cycle", "--selfopt-max-calls", "5")
    monkeypatch.setenv("PYTHONIOENCODING", "ascii")
    command = [warm.python(), "-m", "pytest_selfopt.cli", "export", "csv"]
    printed = subprocess.run(command, cwd=made.path, capture_output=True)
    assert (printed.returncode, printed.stderr) == (0, b"")
    assert made.selfopt("export", "csv", "-o", "all.csv").returncode == 0
    assert printed.stdout == (made.path / "all.csv").read_bytes()
    assert "größe" in printed.stdout.decode()


def test_inspect_reads_conversations_stepwise(project: Make, read_by_inspect: Read) -> None:
    made = conversing(project, able())
    made.run("--selfopt-cycle")
    assert made.selfopt("export", "inspect", "--suite", "items.jsonl").returncode == 0
    ((log, *_),) = read_by_inspect(made.path / "logs")
    (sample, *_) = [one for one in log["samples"] if one["id"] == "items/two-0"]
    said = [(role, text) for role, text in sample["messages"] if role == "user"]
    assert said == [("user", "Add thing 0."), ("user", "Label it label 0.")]
    assert [role for role, _ in sample["messages"]] == ["user", "assistant", "tool", "assistant"] * 2


def test_interrupted_cycles_and_unjudged_calls_are_marked(project: Make, read_by_inspect: Read) -> None:
    made = project({"rules": right()})
    made.run("--selfopt-cycle", "--selfopt-max-calls", "20")
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as connection:
        connection.execute("UPDATE call SET outcome = NULL WHERE rowid IN (SELECT rowid FROM call LIMIT 2)")
    for arguments in (("inspect",), ("csv", "-o", "all.csv")):
        done = made.selfopt("export", *arguments)
        assert "2 finished calls have no verdict and were not exported" in done.stderr
    (logs,) = read_by_inspect(made.path / "logs")
    assert {log["status"] for log in logs} == {"cancelled"}
    (number,) = rows(made, "SELECT count(*) FROM call WHERE outcome IS NOT NULL")[0]
    assert sum(len(log["samples"]) for log in logs) == number
    assert len((made.path / "all.csv").read_bytes().splitlines()) == number + 1


def test_tables_hold_every_trial_field(long_project: Make) -> None:
    made = measured(long_project)
    made.run("--selfopt-cycle")
    printed = made.selfopt("export", "csv")
    assert (printed.returncode, printed.stderr) == (0, "")
    assert made.selfopt("export", "csv", "-o", "all.csv").stdout == "written: all.csv\n"
    written = (made.path / "all.csv").read_bytes().decode()
    assert written.replace("\r\n", "\n") == printed.stdout.replace("\r\n", "\n")
    document = json.loads(made.selfopt("export", "json").stdout)
    table = list(csv.DictReader(written.splitlines(keepends=True)))
    names = ["cycle", *Trial.__dataclass_fields__]
    columns = ", ".join(f'"{name}"' for name in names)
    expected = rows(
        made, f"SELECT {columns} FROM call WHERE purpose = 'trial' AND outcome IS NOT NULL ORDER BY cycle, started, id"
    )
    assert document["version"] == 1
    assert [tuple(trial) for trial in document["trials"]] == [tuple(names)] * len(expected)
    assert [tuple(trial.values()) for trial in document["trials"]] == expected
    costs = [one[names.index("cost_usd")] for one in expected]
    assert [row["cost_usd"] for row in table] == ["" if cost is None else repr(cost) for cost in costs]
    assert {row["outcome"] for row in table} == {"pass", "miss", "error"}
    assert {row["restraint"] for row in table} == {"true", "false"}
    assert {row["cycle"] for row in table} == {"1", "2"}
    second = json.loads(made.selfopt("export", "json", "--cycle", "2").stdout)
    assert {trial["cycle"] for trial in second["trials"]} == {2}


@pytest.mark.parametrize("form", ["csv", "json", "inspect"])
def test_an_impossible_export_is_one_sentence(project: Make, form: str) -> None:
    made = project({"rules": right()})
    missing = made.selfopt("export", form)
    assert (missing.returncode, "there is no ledger in" in missing.stderr) == (4, True)
    assert made.run("--selfopt-cycle", "--selfopt-max-calls", "5").ret == 10
    unknown = made.selfopt("export", form, "--cycle", "7")
    assert (unknown.returncode, unknown.stderr) == (4, "selfopt: cycle 7 is not in the ledger; available: 1\n")
    (made.path / "file").write_text("")
    blocked = made.selfopt("export", form, "-o", "file/below")
    assert (blocked.returncode, blocked.stderr.count("\n"), "cannot write file/below" in blocked.stderr) == (4, 1, True)
    (made.path / ".selfopt" / "ledger.sqlite").write_text("no database")
    broken = made.selfopt("export", form)
    assert (broken.returncode, "cannot use the ledger" in broken.stderr) == (4, True)


def test_an_unknown_suite_writes_nothing(project: Make) -> None:
    made = project({"rules": right()})
    made.run("--selfopt-cycle", "--selfopt-max-calls", "5")
    done = made.selfopt("export", "inspect", "--suite", "nowhere.jsonl")
    assert (done.returncode, "nowhere.jsonl" in done.stderr, (made.path / "logs").exists()) == (4, True, False)
