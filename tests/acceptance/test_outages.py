"""An outage decides nothing: neither a build nor a batch, and no report takes a missing answer for a wrong one."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import ExitStack
from html import unescape
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.models.scripted import ScriptedServer
from tests.acceptance.conftest import BODY, LONG_CASES, MODEL, Project, right, said, short_suite
from tests.acceptance.test_gate import NOWHERE, WINNER
from tests.acceptance.test_gates import TWO_SPECS

Make = Callable[..., Project]
DOWN = {"status": 401, "message": "who are you?"}
GATE = "[tool.selfopt.gate]\nmin_accuracy = 0.9\nmin_restraint = 0.9\nmax_p95_latency = 5\nmax_cost = 1\n"


def gated(made: Project, *arguments: str) -> tuple[pytest.RunResult, dict[str, Any], ET.Element]:
    """A build's output, its outcome, and the suite of tests in its JUnit report."""
    made.configure(GATE)
    made.write_routing([{"model": MODEL, "phase": "atomic"}])
    result = made.run("--selfopt-gate", "--selfopt-json=out.json", "--junitxml=out.xml", *arguments)
    outcome: dict[str, Any] = json.loads((made.path / "out.json").read_text())
    return result, outcome, ET.parse(made.path / "out.xml").getroot()[0]


@pytest.mark.parametrize("way", [(), ("-n2",)])
def test_a_build_without_answers_is_undecided(long_project: Make, way: tuple[str, ...]) -> None:
    result, outcome, suite = gated(long_project({"default": DOWN}), *way)
    assert (result.ret, outcome["status"]) == (10, 10)
    lines = [line for line in result.outlines if line.startswith(("pass ", "FAIL ", "UNSETTLED "))]
    assert lines[0] == "UNSETTLED errors: 36 of 36 calls gave no answer (36 auth), at most 5% may"
    assert not [line for line in lines if line.startswith("FAIL")]
    assert "UNSETTLED min_accuracy: the accuracy is unknown, because nothing was answered" in said(result)
    (spec,) = outcome["phases"][0]["specs"]
    assert (spec["metrics"]["accuracy"], spec["metrics"]["trials"]) == (None, 3 * LONG_CASES)
    assert spec["gates"][0]["name"] == "errors"
    assert {gate["asks"] for gate in spec["gates"]} == {"HOLD"}
    assert (suite.get("errors"), suite.get("failures")) == ("36", "0")


def test_an_outage_is_no_wrong_answer_in_junit(long_project: Make) -> None:
    """Of a build that is down for some prompts and wrong on others."""
    down = [{"when": {"prompt": f"item {index}."}, "then": DOWN} for index in range(2)]
    result, outcome, suite = gated(long_project({"rules": [*down, *right()[:-1]], "default": {"text": "Hello!"}}))
    assert result.ret == 10
    tags = Counter(tag.tag for case in suite for tag in case if tag.tag in ("error", "failure"))
    assert tags == {"error": 6}
    assert (suite.get("errors"), suite.get("failures"), suite.get("tests")) == ("6", "0", "36")
    (spec,) = outcome["phases"][0]["specs"]
    assert spec["metrics"]["accuracy"] == pytest.approx(27 / 30)
    assert "27 of 30" in said(result)


def test_a_plain_session_tells_errors_from_failures(long_project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # else pytest leaves the reason out of its summary, unless a build runs it
    down = [{"when": {"prompt": f"item {index}."}, "then": DOWN} for index in range(2)]
    made = long_project({"rules": [*down, *right()[:-1]], "default": {"text": "Hello!"}})
    result = made.run("--junitxml=out.xml")
    assert result.ret == 1
    result.assert_outcomes(passed=LONG_CASES - 3, failed=1, errors=2)
    result.stdout.fnmatch_lines(["ERROR test_items.py::*item-0* HTTP status 401: who are you?"])
    suite = ET.parse(made.path / "out.xml").getroot()[0]
    assert (suite.get("errors"), suite.get("failures")) == ("2", "1")


@pytest.fixture
def better(long_project: Make) -> Project:
    """A project with a candidate that gets everything right, whose server is not started."""
    made = long_project({"rules": right(constrained=True)})
    made.configure(TWO_SPECS, base_url=NOWHERE)
    return made


def budget_places(made: Project) -> list[int | None]:
    """The places of all comparisons in the error budget."""
    with Ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        return [comparison.test for comparison in ledger.comparisons()]


@pytest.mark.parametrize("way", ["-n0", "-n2"])
def test_a_cycle_without_a_server_ends_early(better: Project, way: str) -> None:
    result = better.run("--selfopt-cycle", way)
    assert result.ret == 10
    reason = f"20 of 20 calls refused at {NOWHERE} (Connection refused), so that no more were made; nothing decided; "
    assert f"{reason}start it and run again" in said(result)
    assert "REJECT" not in said(result)
    assert budget_places(better) == []
    assert better.history()[0]["reason"].startswith(reason)
    better.configure(TWO_SPECS)
    assert better.run("--selfopt-cycle", "--selfopt-resume", way).ret == 0
    assert better.server.seen.asked == 2 * 3 * LONG_CASES
    assert budget_places(better) == [1]
    assert better.history()[0]["winner"] == WINNER


def test_every_page_tells_of_an_outage(better: Project) -> None:
    better.configure(TWO_SPECS)
    assert better.run("--selfopt-cycle").ret == 0
    better.configure(TWO_SPECS.replace("retries = []", "retries = [2]"), base_url=NOWHERE)
    assert better.run("--selfopt-cycle").ret == 10
    assert budget_places(better) == [1]
    reason = f"20 of 20 calls refused at {NOWHERE} (Connection refused), so that no more were made; nothing decided"
    reports = better.path / ".selfopt" / "reports"
    for page in ("index.html", "cycle-2.html"):
        assert reason in unescape((reports / page).read_text())
    document = json.loads(better.selfopt("report", "--format", "json").stdout)
    assert [point["cycle"] for point in document["curve"]] == [1]
    assert document["headline"].startswith("1 promotion in 2 cycles: atomic 36 of 36 answers right (1.000)")
    assert "stopped: " + reason in better.selfopt("history").stdout


def test_a_key_that_is_refused_decides_nothing(long_project: Make) -> None:
    made = long_project({"default": DOWN})
    made.configure(TWO_SPECS)
    result = made.run("--selfopt-cycle")
    assert result.ret == 10
    assert f"48 of 48 calls gave no answer (48 auth) at {made.server.base_url}: HTTP status 401: " in said(result)
    assert "; nothing decided; correct the key and run again" in said(result)
    assert budget_places(made) == []
    made.server.play({"rules": right(constrained=True)})
    assert made.run("--selfopt-cycle", "--selfopt-resume").ret == 0
    assert made.history()[0]["winner"] == WINNER


def test_a_server_that_dies_keeps_its_answers(better: Project) -> None:
    script = {"rules": right(constrained=True), "latency": 0.02}
    with ExitStack() as serving:
        server = serving.enter_context(ScriptedServer(script))
        better.configure(TWO_SPECS, base_url=server.base_url)

        def die() -> None:
            while server.seen.asked < 30:
                time.sleep(0.005)
            serving.close()

        dying = threading.Thread(target=die)
        dying.start()
        result = better.run("--selfopt-cycle")
        dying.join()
    answered = server.seen.asked
    assert result.ret == 10
    assert "the last 20 of " in said(result)
    assert f"calls refused at {server.base_url}" in said(result)
    assert "nothing decided; start it and run again kept in the ledger: " in said(result)
    with ScriptedServer(script, port=server.port) as again:
        resumed = better.run("--selfopt-cycle", "--selfopt-resume")
        # What broke in the middle was no refusal, and stays an error of its call.
        assert again.seen.asked <= 2 * 3 * LONG_CASES - answered + 16
    assert resumed.ret in (0, 10)
    assert "REJECT" not in said(resumed)


def test_one_phase_without_a_server_leaves_the_other(better: Project) -> None:
    better.write_suite(short_suite())
    other = '[tool.selfopt.models."scripted/gone"]\nbase_url = "http://127.0.0.1:9/gone"\n'
    other += '[tool.selfopt.phases.other]\nbaseline = "scripted/gone/other/native_api/t60/r1/i0"\n'
    better.configure(TWO_SPECS + other)
    body = BODY.replace("test_items", "test_other").replace('"items.jsonl"', '"few.jsonl", phase="other"')
    better.pytester.makepyfile(test_other=body)
    lines = (better.path / "items.jsonl").read_text().splitlines(keepends=True)
    (better.path / "few.jsonl").write_text("".join(lines[:4]))
    result = better.run("--selfopt-cycle", "--selfopt-json=out.json")
    assert result.ret == 10, said(result)
    reason = "8 of 8 calls refused at http://127.0.0.1:9/gone (Connection refused); nothing decided; start it"
    assert f"other: {reason}" in said(result)
    assert f"other: {reason}" in json.loads((better.path / "out.json").read_text())["why"]
    assert "PROMOTE atomic" in said(result)
    assert budget_places(better) == [1]
    assert {entry["phase"]: entry.get("status") for entry in better.history()} == {"atomic": None, "other": "stopped"}
    assert reason in unescape((better.path / ".selfopt" / "reports" / "cycle-1.html").read_text())
