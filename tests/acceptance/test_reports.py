"""Reports that whole sessions leave, and those that `selfopt report` makes."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import requests

from pytest_selfopt.report.answers.serve import serve_reports
from pytest_selfopt.settings import Mode, Overrides, load_settings
from tests.acceptance.conftest import CALLS, MODEL, RESTRAINT, Project, right, said
from tests.acceptance.test_answers import promoted
from tests.acceptance.test_gates import TWO_SPECS
from tests.acceptance.test_rules import cold_for, with_ollama
from tests.ledger_file import open_ledger
from tests.report import schema

Make = Callable[..., Project]
REPORTS = ".selfopt/reports"
RESULT = (
    "atomic: schema, 36 of 36 answers right instead of 9 of 36; "
    "9 of 12 prompts fixed, 0 broken: shown for these prompts, not for others."
)
OVER_ALL = "1 promotion in 1 cycle: atomic 36 of 36 answers right (1.000), 0.250 at the beginning."


def read(made: Project, name: str) -> str:
    return (made.path / REPORTS / name).read_text("utf-8")


def of_cycle(made: Project, cycle: int) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(read(made, f"cycle-{cycle}.json"))
    jsonschema.Draft7Validator(schema.schema()).validate(value)
    return value


@pytest.mark.parametrize("arguments", [(), ("-n2",)])
def test_a_cycle_names_its_report(long_project: Make, arguments: tuple[str, ...]) -> None:
    made = long_project({"rules": right(constrained=True)})
    result = made.run("--selfopt-cycle", *arguments)
    assert result.ret == 0
    assert f"report: {REPORTS}/cycle-1.html" in result.outlines
    document = of_cycle(made, 1)
    assert document["headline"] == RESULT
    assert document["verdict"] == "PROMOTE"
    (phase,) = document["phases"]
    specs = {one["name"]: one for one in phase["specs"]}
    assert specs["schema"]["in_force"]
    assert {gate["name"] for gate in specs["schema"]["gates"]} >= {"no_regression", "restraint", "veto"}
    assert (specs["baseline"]["measured"]["passes"], specs["baseline"]["measured"]["trials"]) == (9, 36)
    assert {(one["count"], one["restraint"]) for one in phase["strips"]} == {(9, False), (3, True)}
    assert "<h1" in read(made, "cycle-1.html")
    assert "<h1" in read(made, "index.html")
    assert read(made, "SELF_OPTIMIZING_REPORT.md").startswith(f"# {OVER_ALL}\n")


@pytest.mark.parametrize("resumed", [False, True])
def test_a_verdict_reads_alike_everywhere(project: Make, monkeypatch: pytest.MonkeyPatch, *, resumed: bool) -> None:
    made = project({"rules": right(constrained=True)})
    made.configure("price_in = 1.0\nprice_out = 2.0\n")
    if resumed:
        made.run("--selfopt-cycle", "--selfopt-max-calls=20")
    page = made.path / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    arguments = ("--selfopt-resume",) if resumed else ()
    result = made.run("--selfopt-cycle", *arguments)
    text = said(result).partition(" PROMOTE ")[2].partition(" why: ")[0]
    assert text.startswith("atomic: ")
    (cost,) = (line for line in result.outlines if re.match(r"\d+ calls in .*, cost \$", line))
    calls, took, dollars = re.match(r"(\d+) calls in (.+), cost (\S+)", cost).groups()  # type: ignore[union-attr]
    html = re.sub(r"\s+", " ", re.sub("<[^>]+>", " ", read(made, "cycle-1.html")))
    for document in (html, page.read_text().replace("\\", "")):
        for said_there in (text, "PROMOTE", dollars, f"{calls} calls", took):
            assert said_there in document, said_there
    page.unlink()
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    (made.path / ".selfopt" / "meta_loop_history.json").unlink()
    (made.path / "routing_config.json").unlink()
    again = said(made.run("--selfopt-cycle", "--selfopt-no-report"))
    text = again.partition(" PROMOTE ")[2].partition(" why: ")[0]
    assert f"PROMOTE: {text.removeprefix('atomic: ')}." in page.read_text()


def test_persistent_failures_show_prompt_expectation_and_answer(long_project: Make) -> None:
    made = long_project({"default": {"call": {"name": "look_up", "arguments": {"item": "nothing"}}}})
    made.run("--selfopt-cycle")
    failures = of_cycle(made, 1)["phases"][0]["failures"]
    one = next(one for one in failures if one["case"] == "items/item-4")
    assert one["prompt"] == "Find item 4."
    assert one["expected"] == 'a call of look_up(item = "4")'
    assert one["got"] == "look_up(item='nothing')"
    assert (one["failed"], one["trials"], one["outcomes"]) == (3, 3, "MMM")
    restrained = next(one for one in failures if one["case"] == "items/hello-1")
    assert restrained["expected"] == "no tool call"


def test_the_strips_show_a_cold_start(project: Make) -> None:
    made = with_ollama(project(cold_for(2 * (CALLS + RESTRAINT))))
    made.run("--selfopt-cycle", "--selfopt-no-race", "--selfopt-no-prove")
    (phase,) = of_cycle(made, 1)["phases"]
    assert [one["outcomes"] for one in phase["strips"]] == [["MMPPPPP"], ["MMPPPPP"]]
    assert phase["diagnoses"][0]["kind"] == "cold start"


@pytest.mark.parametrize("how", ["option", "setting"])
def test_switched_off_nothing_is_written(project: Make, how: str) -> None:
    made = project({"rules": right()})
    if how == "setting":
        settings = made.path / "pyproject.toml"
        settings.write_text(settings.read_text().replace("[tool.selfopt]\n", "[tool.selfopt]\nreports = false\n"))
    result = made.run("--selfopt-cycle", *(["--selfopt-no-report"] if how == "option" else []))
    assert "report:" not in result.stdout.str()
    assert not (made.path / REPORTS).exists()


def test_a_gate_writes_no_report(project: Make) -> None:
    made = promoted(project)
    before = {path.name: path.read_bytes() for path in (made.path / REPORTS).iterdir()}
    made.run("--selfopt-gate")
    assert {path.name: path.read_bytes() for path in (made.path / REPORTS).iterdir()} == before


@pytest.mark.parametrize(
    ("arguments", "status", "sentence"),
    [
        (("--selfopt-max-calls=20",), "stopped", "Nothing was decided in cycle 1: "),
        (("-k", "run0"), "partial", "Nothing was decided in cycle 1: only some of the planned trials were selected."),
        (("-x",), "interrupted", "Nothing was decided in cycle 1: the session was interrupted."),
    ],
)
def test_an_undecided_cycle_reports_so(project: Make, arguments: tuple[str, ...], status: str, sentence: str) -> None:
    made = project()
    result = made.run("--selfopt-cycle", *arguments)
    assert f"report: {REPORTS}/cycle-1.html" in result.outlines
    document = of_cycle(made, 1)
    assert document["status"] == status
    assert document["headline"].startswith(sentence)
    judged = sum(one["measured"]["trials"] for one in document["phases"][0]["specs"] if one["measured"])
    # What was called ahead when a session is interrupted is paid for, and not judged.
    assert document["spent"]["trials"] == judged or (status == "interrupted" and document["spent"]["trials"] > judged)
    assert document["takes"]
    assert "" < document["started"] <= document["ended"]


def test_an_unwritable_report_changes_no_verdict(project: Make) -> None:
    made = project({"rules": right(constrained=True)})
    (made.path / ".selfopt").mkdir()
    (made.path / REPORTS).write_text("in the way")
    result = made.run("--selfopt-cycle")
    assert result.ret == 0
    sentence = f"{made.path / REPORTS} is not a folder; move it away"
    unfolded = "".join(result.stdout.str().split())
    assert "".join(f"the report could not be written: cannot write {made.path / REPORTS}".split()) in unfolded
    assert "".join(sentence.split()) in unfolded
    shown = made.selfopt("report")
    assert (shown.returncode, shown.stderr.count("\n")) == (4, 1)
    assert shown.stderr.endswith(f"{sentence}\n")
    assert made.history()[0]["winner"]


def test_the_command_makes_every_report_format(long_project: Make) -> None:
    made = promoted(long_project)
    assert made.run("--selfopt-cycle").ret == 0
    page = made.selfopt("report")
    assert page.stdout == f"written: {made.path / REPORTS / 'index.html'}\n"
    assert made.selfopt("report", "--cycle", "1", "-o", "one.html").stdout == "written: one.html\n"
    assert "atomic: schema, 36 of 36 answers right" in (made.path / "one.html").read_text()
    text = made.selfopt("report", "--cycle", "1", "--format", "md").stdout
    assert text.startswith(f"# {RESULT}\n")
    assert "●●●" in text
    assert made.selfopt("report", "--cycle", "1", "--format", "md", "-o", "one.md").returncode == 0
    assert (made.path / "one.md").read_text() == text
    document = json.loads(made.selfopt("report", "--format", "json").stdout)
    jsonschema.Draft7Validator(schema.schema()).validate(document)
    assert [(one["cycle"], one["event"]) for one in document["curve"]] == [(1, "promoted"), (2, "")]
    assert [(one["known"], one["known_trials"]) for one in document["curve"]] == [(1.0, 12), (None, 0)]
    assert [one["status"] for one in document["rules"]] == ["confirmed"]
    printed = made.selfopt("report", "-o", "-").stdout
    assert printed.startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--cycle", "9"), "cycle 9 is not in the history; available: 1"),
        (
            ("--format", "md", "--open"),
            "--open shows a page in a browser; leave out --format and -o -, or leave out --open",
        ),
        (("-o", "nowhere/report.html"), "cannot write nowhere/report.html: the folder nowhere does not exist"),
        (("--state-dir", "nowhere"), "--state-dir nowhere: there is no such folder"),
    ],
)
def test_an_impossible_report_is_one_sentence(project: Make, arguments: tuple[str, ...], sentence: str) -> None:
    shown = promoted(project).selfopt("report", *arguments)
    assert (shown.returncode, shown.stdout) == (4, "")
    assert shown.stderr.startswith(f"selfopt: {sentence}")
    assert shown.stderr.count("\n") == 1


def test_the_curve_shows_a_rollback(project: Make) -> None:
    made = promoted(project)
    assert made.selfopt("rollback", "1").returncode == 0
    assert made.run("--selfopt-cycle").ret in (0, 10)
    document = json.loads(made.selfopt("report", "--format", "json").stdout)
    assert [(one["cycle"], one["event"]) for one in document["curve"]] == [(1, "promoted"), (2, "rolled back")]


def test_older_versions_records_can_be_reported(long_project: Make) -> None:
    made = promoted(long_project)
    ledger = made.path / ".selfopt" / "ledger.sqlite"
    with open_ledger(ledger) as connection:
        connection.executescript(
            "DROP TABLE log_line; DROP TABLE step; DROP INDEX call_by_answer; ALTER TABLE call DROP COLUMN answer_id; "
            "ALTER TABLE call DROP COLUMN copied; DROP TABLE question; ALTER TABLE call DROP COLUMN finish_reason; "
            "ALTER TABLE call DROP COLUMN weight; PRAGMA user_version = 3;"
        )
    connection.close()
    path = made.path / ".selfopt" / "meta_loop_history.json"
    history = json.loads(path.read_text())
    for entry in history["cycles"]:
        for verdict in entry["verdicts"]:
            del verdict["takes"]
            for gate in verdict["gates"]:
                del gate["asks"]
        del entry["warmups"], entry["proof"]
    path.write_text(json.dumps(history))
    document = json.loads(made.selfopt("report", "--cycle", "1", "--format", "json").stdout)
    jsonschema.Draft7Validator(schema.schema()).validate(document)
    assert document["headline"].startswith("atomic: schema")
    assert made.selfopt("report", "--cycle", "1").returncode == 0
    assert "as it was decided" in made.selfopt("decide", "1").stdout
    ledger.unlink()
    without = json.loads(made.selfopt("report", "--cycle", "1", "--format", "json").stdout)
    assert [one["measured"]["trials"] for one in without["phases"][0]["specs"]] == [36, 36]


def test_any_history_gives_a_report(long_project: Make) -> None:
    made = promoted(long_project)
    path = made.path / ".selfopt" / "meta_loop_history.json"
    history = json.loads(path.read_text())
    (entry,) = history["cycles"]
    runs = {"trials": 10**30, "accuracy": 0.5, "run_accuracies": [10**308, True, "1", 0.5], "cost_usd": 10**308}
    strange = {**entry, "cycle": 10**30, "metrics": {"m": runs}}
    nameless = {name: value for name, value in entry.items() if name != "phase"}
    history["cycles"] = [None, 1, "text", ["list"], strange, nameless, entry]
    path.write_text(json.dumps(history))
    for arguments in ((), ("--cycle", "1")):
        assert made.selfopt("report", *arguments).returncode == 0
        document = json.loads(made.selfopt("report", *arguments, "--format", "json").stdout)
        jsonschema.Draft7Validator(schema.schema()).validate(document)
        assert "promot" in document["headline"] or "schema, 36 of 36" in document["headline"]
        assert ". :" not in document["headline"]
    assert made.run("--selfopt-cycle").ret == 0
    assert of_cycle(made, 2)["status"] == "decided"
    assert json.loads(path.read_text())["cycles"][:4] == [None, 1, "text", ["list"]]


def test_without_report_the_job_summary_has_the_outcome(
    project: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = project({"rules": right(constrained=True)})
    (made.path / ".selfopt").mkdir()
    (made.path / ".selfopt" / "meta_loop_history.json").mkdir()
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    result = made.run("--selfopt-cycle")
    assert "the report could not be written: cannot read" in " ".join(result.stdout.str().split())
    assert "cannot read" in (tmp_path / "summary.md").read_text()


def test_a_survey_is_no_cycle(long_project: Make) -> None:
    made = long_project({"rules": right()})
    made.configure(f'[tool.selfopt.tiers]\nmine = ["{MODEL}"]\n')
    made.run("--selfopt-cycle")
    assert made.selfopt("batch", "mine", "--suite", "items.jsonl", "--yes").returncode == 0
    shown = made.selfopt("report", "--cycle", "2")
    assert (
        shown.stderr == "selfopt: cycle 2 is a survey, which decides nothing; selfopt profile shows what it measured\n"
    )
    told = [line for line in made.selfopt("history").stdout.splitlines() if line.startswith("survey 2")]
    assert len(told) == 1
    assert told[0].endswith(f"{MODEL}/atomic/native_api/t60/r1/i0: 12 pass")


def test_server_text_does_not_break_a_report(project: Make) -> None:
    hostile = "<script>alert(1)</script>\n# not a heading | \u202e"
    made = project({"default": {"status": 500, "message": hostile}})
    made.configure(f'[tool.selfopt.phases.atomic]\nbaseline = "{MODEL}/atomic/native_api/t60/r0/i0"\n')
    made.run("--selfopt-cycle")
    text = made.selfopt("report", "--cycle", "1", "--format", "md").stdout
    assert "<script>" not in re.sub(r"(?ms)^```.*?^```", "", text)
    assert "\n# not a heading" not in text
    page = read(made, "cycle-1.html")
    assert "<script>alert(1)" not in page
    assert "\u202e" not in page + text


def test_pages_are_linked_and_served_on_loopback_only(project: Make) -> None:
    made = project({"rules": right(constrained=True)})
    made.configure(TWO_SPECS)
    made.run("--selfopt-cycle")
    assert '<a href="cycle-1.html">' in read(made, "index.html")
    assert '<a href="index.html">' in read(made, "cycle-1.html")
    settings = load_settings(made.path, Mode.PLAIN, Overrides())
    with serve_reports(settings, 0) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            address = f"http://127.0.0.1:{server.server_port}"
            shown = requests.get(f"{address}/cycle-1.html", timeout=30)
            assert (shown.status_code, shown.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
            assert '<a href="index.html">' in shown.text
            assert '<a href="cycle-1.html">' in requests.get(address, timeout=30).text
            assert "cycle 7 is not in the history" in requests.get(f"{address}/cycle-7.html", timeout=30).text
            assert requests.get(f"{address}/../ledger.sqlite", timeout=30).status_code == 404
            assert requests.post(address, timeout=30).status_code == 501
            elsewhere = requests.get(address, headers={"Host": "example.com"}, timeout=30)
            assert (elsewhere.status_code, "127.0.0.1" in elsewhere.text) == (403, True)
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--serve", "--format", "md"], "leave out --format and -o, or leave out --serve"),
        (["--serve", "70000"], "--serve 70000: is no port; expected 0 (any) to 65535"),
        (["--serve"], "there is no history in"),
    ],
)
def test_serving_refuses_what_it_cannot(project: Make, arguments: list[str], complaint: str) -> None:
    done = project().selfopt("report", *arguments)
    assert done.returncode == 4
    assert complaint in " ".join(done.stderr.split())
