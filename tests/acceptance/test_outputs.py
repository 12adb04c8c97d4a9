"""What a session leaves for machines: JSON by a schema, gates in JUnit, annotations and a job summary for GitHub."""

from __future__ import annotations

import importlib
import importlib.resources
import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from typing import Any
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from pytest_selfopt.export.comment import comment
from pytest_selfopt.export.ctrf import ctrf
from pytest_selfopt.export.github import summary, workflow_commands
from pytest_selfopt.export.junit import with_gates
from pytest_selfopt.export.outcome import SUITE
from tests.acceptance.conftest import MODEL, Project, right, said
from tests.acceptance.test_gate import BARS
from tests.acceptance.test_gates import TWO_SPECS
from tests.packages import fetched

Make = Callable[..., Project]
CONVERTER = shutil.which("junit-to-ctrf")
WINNER = f"{MODEL}/atomic/schema/t60/r1/i0"
WAYS = ["", "-n2"]

STATES = ["passed", "failed", "skipped", "pending", "other"]
WHOLE, STRING = {"type": "integer"}, {"type": "string"}
# What https://ctrf.io/docs/specification asks for, as far as this uses it; nothing else may be there.
CTRF = {
    "type": "object",
    "required": ["results", "reportFormat", "specVersion"],
    "additionalProperties": False,
    "properties": {
        "reportFormat": {"const": "CTRF"},
        "specVersion": {"type": "string", "pattern": r"^[0-9]+\.[0-9]+\.[0-9]+$"},
        "reportId": {"type": "string", "format": "uuid"},
        "timestamp": {"type": "string", "format": "date-time"},
        "generatedBy": STRING,
        "results": {
            "type": "object",
            "required": ["tool", "summary", "tests"],
            "additionalProperties": False,
            "properties": {
                "tool": {
                    "required": ["name"],
                    "additionalProperties": False,
                    "properties": {"name": STRING, "version": STRING},
                },
                "summary": {
                    "required": ["tests", *STATES, "start", "stop"],
                    "additionalProperties": False,
                    "properties": {
                        **dict.fromkeys(["tests", *STATES, "flaky", "suites", "start", "stop"], WHOLE),
                        "extra": {"type": "object"},
                    },
                },
                "tests": {
                    "type": "array",
                    "items": {
                        "required": ["name", "status", "duration"],
                        "additionalProperties": False,
                        "properties": {
                            "name": {"type": "string", "minLength": 1},
                            "status": {"enum": STATES},
                            "duration": WHOLE,
                            "suite": {"type": "array", "minItems": 1, "items": STRING},
                            "message": STRING,
                            "rawStatus": STRING,
                            "flaky": {"type": "boolean"},
                            "filePath": STRING,
                            "line": WHOLE,
                            "extra": {"type": "object"},
                        },
                    },
                },
            },
        },
    },
}


@pytest.fixture
def better(long_project: Make) -> Project:
    made = long_project({"rules": right(constrained=True)})
    made.configure(TWO_SPECS + BARS)
    return made


def outcome(made: Project) -> dict[str, Any]:
    """What `--selfopt-json` wrote, which is as the schema says."""
    value: dict[str, Any] = json.loads((made.path / "out.json").read_text())
    schema = (importlib.resources.files("pytest_selfopt.report") / "outcome.schema.json").read_text()
    jsonschema.Draft7Validator(json.loads(schema)).validate(value)
    return value


def report_of_tests(made: Project) -> dict[str, Any]:
    """What `--selfopt-ctrf` wrote, which is as the format says, and counts what it holds."""
    value: dict[str, Any] = json.loads((made.path / "ctrf.json").read_text())
    jsonschema.Draft7Validator(CTRF, format_checker=jsonschema.FormatChecker()).validate(value)
    results = value["results"]
    counts = Counter(one["status"] for one in results["tests"])
    assert {name: results["summary"][name] for name in STATES} == {name: counts[name] for name in STATES}
    assert results["summary"]["tests"] == len(results["tests"])
    # In milliseconds of this day, on a machine however slow.
    assert 0 <= results["summary"]["stop"] - results["summary"]["start"] < 24 * 3_600_000
    assert abs(results["summary"]["stop"] / 1000 - time.time()) < 24 * 3_600
    return value


def statuses(report: dict[str, Any], suite: list[str]) -> Counter[str]:
    """How many tests ended how: those of the gates, or those of the cases of a spec in a phase."""
    tests = report["results"]["tests"]
    return Counter(one["status"] for one in tests if one["suite"][: len(suite)] == suite)


def gate_suite(made: Project) -> ET.Element:
    (suite,) = (one for one in ET.parse(made.path / "report.xml").getroot() if one.get("name") == SUITE)
    return suite


@pytest.mark.parametrize("way", WAYS)
def test_cycles_and_gates_write_machine_outputs(better: Project, way: str) -> None:
    both = ["--selfopt-json=out.json", "--selfopt-ctrf=ctrf.json", "--junitxml=report.xml", *filter(None, [way])]
    assert better.run("--selfopt-cycle", *both).ret == 0
    cycle = outcome(better)
    assert (cycle["kind"], cycle["cycle"], cycle["status"], cycle["why"]) == ("cycle", 1, 0, "")
    (phase,) = cycle["phases"]
    assert phase["in_force"] == WINNER
    assert {one["spec"]: one["verdict"] for one in phase["specs"]}[WINNER] == "PROMOTE"
    root = ET.parse(better.path / "report.xml").getroot()
    tests = sum(len(list(suite.iter("testcase"))) for suite in root if suite.get("name") != SUITE)
    assert tests == 72
    assert statuses(report_of_tests(better), ["atomic"]) == Counter(passed=12)
    suite = gate_suite(better)
    candidates = {f"atomic.{one['spec']}" for one in phase["specs"] if one["spec"] != WINNER}
    assert {one.get("classname") for one in suite.iter("testcase")} <= {"atomic", *candidates}

    better.server.play({"rules": right(constrained=True)[:6]})
    assert better.run("--selfopt-gate", *both).ret == 1
    gate = outcome(better)
    assert (gate["kind"], gate["cycle"], gate["status"]) == ("gate", None, 1)
    (spec,) = gate["phases"][0]["specs"]
    failed = {one["name"]: one["asks"] for one in spec["gates"] if not one["passed"]}
    assert failed == {"min_accuracy": "REJECT", "no_regression": "REJECT", "veto": "HOLD"}
    suite = gate_suite(better)
    counts = {name: int(suite.get(name) or 0) for name in ("tests", "failures", "errors")}
    assert counts == {"tests": len(spec["gates"]), "failures": 2, "errors": 1}
    assert {one.get("name") for one in suite.iter("testcase") if one.find("error") is not None} == {"veto"}
    for one in suite.iter("property"):
        json.loads(one.get("value") or "")
    report = report_of_tests(better)
    assert statuses(report, [SUITE]) == Counter(failed=3, passed=len(spec["gates"]) - 3)
    assert statuses(report, ["atomic"]) == Counter(passed=9, other=3)
    missed = next(one for one in report["results"]["tests"] if one["name"].endswith("item-8"))
    assert missed["rawStatus"] == "0 of 3 right"
    assert "expected a call of look_up" in missed["message"]


@pytest.mark.parametrize("way", WAYS)
def test_github_gets_its_outputs(better: Project, way: str, monkeypatch: pytest.MonkeyPatch) -> None:
    page = better.path / "summary.md"
    page.write_text("# Before\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    assert better.run("--selfopt-cycle").ret == 0
    assert page.read_text() == "# Before\n"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    better.server.play({"rules": right(constrained=True)[:6]})
    result = better.run("--selfopt-gate", *filter(None, [way]))
    assert result.ret == 1
    result.stdout.fnmatch_lines(["::error title=selfopt atomic%3A min_accuracy::accuracy 0.750 (27 of 36; *"])
    result.stdout.fnmatch_lines(["::warning title=selfopt atomic%3A veto::breaks 3 that the baseline always solves*"])
    text = page.read_text()
    assert text.startswith("# Before\n## selfopt gate: failed\n")
    assert f"| `{WINNER}` | in force | 0.750 |" in text
    assert "| **FAIL** | min_accuracy | accuracy 0.750 (27 of 36" in text


def test_an_undecided_outcome_says_why(better: Project) -> None:
    better.run("--selfopt-cycle", "-k", "run0", "--selfopt-json=out.json")
    told = outcome(better)
    assert (told["status"], told["phases"]) == (10, [])
    assert "only some of the planned trials were selected" in told["why"]


def test_unwritable_outputs_are_reported_only(better: Project) -> None:
    result = better.run("--selfopt-cycle", "--selfopt-json=/proc/nowhere/out.json")
    assert result.ret == 0
    assert "--selfopt-json could not be written" in said(result)


def test_json_needs_a_cycle_or_gate(better: Project) -> None:
    result = better.run("--selfopt-json=out.json")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "--selfopt-json needs --selfopt-cycle or --selfopt-gate" in result.stderr.str()


def by_name(made: Project) -> dict[str, Counter[str]]:
    """How the tests of each name ended in the JUnit report, read by a library: passed, failed, error or skipped."""
    folder = str(fetched("junitparser==5.0.3"))
    if folder not in sys.path:
        sys.path.append(folder)
    junitparser = importlib.import_module("junitparser")
    kinds = {junitparser.Failure: "failed", junitparser.Error: "error", junitparser.Skipped: "skipped"}
    found: dict[str, Counter[str]] = {}
    report = junitparser.JUnitXml.fromfile(str(made.path / "report.xml"))
    for suite in report:
        ends = Counter[str]()
        for test in suite:
            ends.update(kinds[type(end)] for end in test.result)
            end = next((kinds[type(one)] for one in test.result), "passed")
            found.setdefault(test.name, Counter())[end] += 1
        assert (suite.failures, suite.errors, suite.skipped) == (ends["failed"], ends["error"], ends["skipped"])
    return found


def partly_down(made: Project) -> None:
    """Let one case have no answer, and one a wrong one."""
    made.configure(TWO_SPECS + BARS.replace("0.9", "0.5"))
    made.write_routing([{"model": MODEL, "phase": "atomic", "variant": "schema"}])
    down = {"when": {"prompt": "item 1."}, "then": {"status": 401}}
    made.server.play({"rules": [down, *right(constrained=True)[:-1]]})


def red_in(report: dict[str, Any]) -> set[str]:
    """The names of the failed tests of a report in CTRF, without their suites."""
    return {test["name"].rpartition(": ")[2] for test in report["results"]["tests"] if test["status"] == "failed"}


@pytest.mark.parametrize("way", WAYS)
def test_junit_and_ctrf_agree_under_case_names(better: Project, way: str) -> None:
    """Of a green build with wrong answers, and one with some calls that gave none."""
    outputs = ["--selfopt-ctrf=ctrf.json", "--junitxml=report.xml", *filter(None, [way])]
    partly_down(better)
    better.server.play({"rules": right(constrained=True)[:-1]})
    assert better.run("--selfopt-gate", *outputs).ret == 0
    green = by_name(better)
    assert green["items/item-8"] == {"passed": 3}
    assert not [name for name, ends in green.items() if ends.keys() & {"failed", "error"}]
    assert not [name for name in green if MODEL in name]
    partly_down(better)
    assert better.run("--selfopt-gate", *outputs).ret == 10
    junit = by_name(better)
    assert junit["items/item-1"] == {"error": 3}
    assert junit["items/item-8"] == {"passed": 3}
    tests = report_of_tests(better)["results"]["tests"]
    assert {test["name"] for test in tests} == set(junit)
    red = {name for name, ends in junit.items() if ends.keys() & {"failed", "error"}}
    assert red_in(report_of_tests(better)) == red == {"errors", "items/item-1"}
    for test in ET.parse(better.path / "report.xml").getroot()[0].iter("testcase"):
        known = {one.get("name"): one.get("value") for one in test.iter("property")}
        assert (known["selfopt.spec"], known["selfopt.case"]) == (WINNER, test.get("name"))
        assert known["selfopt.run"] in ("0", "1", "2")


@pytest.mark.skipif(CONVERTER is None, reason="npm install --global junit-to-ctrf")
def test_a_converter_finds_what_ctrf_says(better: Project) -> None:
    assert CONVERTER is not None
    partly_down(better)
    assert better.run("--selfopt-gate", "--selfopt-ctrf=ctrf.json", "--junitxml=report.xml").ret == 10
    subprocess.run([CONVERTER, "report.xml", "-o", "converted.json"], cwd=better.path, check=True)
    converted = json.loads((better.path / "converted.json").read_text())
    assert red_in(converted) == red_in(report_of_tests(better)) == {"errors", "items/item-1"}
    names = {test["name"].rpartition(": ")[2] for test in converted["results"]["tests"]}
    assert names == set(by_name(better))


HOSTILE = "a|b <script> @someone ]]> \x00\x1b[31m %0A ::error::\r\nnext"


def hostile() -> dict[str, Any]:
    gate = {"name": "own", "passed": False, "asks": "REJECT", "value": None, "limit": 1.0, "sentence": HOSTILE}
    metrics = {"accuracy": 0.5, "accuracy_interval": [0.4, 0.6], "trials": 10, "latency_median_s": None}
    case = {"case": "suite/a", "trials": 2, "passes": 1, "errors": 0, "seconds": 1.0, "reason": HOSTILE}
    case |= {"file": "a,b:c\n.jsonl", "line": 7, "before": None}
    spec = {
        "spec": "m/atomic/a/t1/r0/i0",
        "verdict": None,
        "sentence": HOSTILE,
        "metrics": metrics,
        "gates": [gate],
        "cases": [case],
    }
    phase = {
        "phase": "atomic",
        "in_force": spec["spec"],
        "baseline": spec["spec"],
        "compared_with": None,
        "specs": [spec],
        "diagnoses": [{"kind": "flaky", "sentence": HOSTILE}],
    }
    head = {"version": 1, "kind": "gate", "cycle": None, "status": 1, "why": HOSTILE, "began": 5.0, "seconds": 1.0}
    return {**head, "phases": [phase]}


def test_a_comment_has_sixty_lines_at_most() -> None:
    """The worst cases come first, and the others are counted, however many cases, phases and gates there are."""
    one = hostile()
    (phase,) = one["phases"]
    (spec,) = phase["specs"]
    spec["cases"] = [
        {**spec["cases"][0], "case": f"suite/case-{place}", "passes": place % 3, "before": {"passes": 2, "answers": 2}}
        for place in range(300)
    ]
    lines = comment(one).splitlines()
    assert len(lines) <= 60
    rows = [line for line in lines if line.startswith("| `suite/")]
    assert len(rows) > 30
    assert all("| 2 of 2 | 0 of 2 |" in row for row in rows)
    assert f"{200 - len(rows)} more cases with wrong answers, and 100 without." in lines
    several = {**one, "phases": [{**phase, "phase": f"phase {number}"} for number in range(20)]}
    assert len(comment(several).splitlines()) == 60
    assert comment({**one, "phases": []}).splitlines()[1] == "## selfopt gate: failed"


def test_every_sentence_is_escaped_in_its_format() -> None:
    for line in workflow_commands(hostile()):
        assert "\n" not in line
        assert "\r" not in line
        assert line.count("::error") + line.count("::warning") <= 2
    text = comment(hostile())
    assert "<script>" not in text
    assert "@someone" not in text
    assert all(line.count("|") - line.count("\\|") in (0, 5) for line in text.splitlines())
    text = summary(hostile())
    assert "<script>" not in text
    assert all(line.count("|") - line.count("\\|") in (0, 4, 6) for line in text.splitlines())
    report = '<?xml version="1.0" encoding="utf-8"?><testsuites name="pytest tests"></testsuites>'
    suite = ET.fromstring(with_gates(report, hostile()))[0]
    (failure,) = suite.iter("failure")
    assert "]]>" in (failure.get("message") or "")
    report_id = "8c6a8a66-0d3a-4f0c-9d53-3c1f2a1f8d4e"
    report_of = json.loads(json.dumps(ctrf(hostile(), report_id=report_id, version="1")))
    jsonschema.Draft7Validator(CTRF).validate(report_of)
    assert report_of["results"]["summary"]["flaky"] == 1
    assert report_of["results"]["tests"][1]["message"] == HOSTILE
    with pytest.raises(ValueError, match="not a JUnit report"):
        with_gates("nonsense", hostile())


SLOW_START = """
import time
from pytest_selfopt.execution.backends import LocalBackend

begin = LocalBackend.begin

def slow(self):
    time.sleep(1)
    begin(self)

LocalBackend.begin = slow
"""


def test_time_of_a_cycle_includes_its_servers(project: Make) -> None:
    made = project({"rules": right()})
    made.pytester.makeconftest(SLOW_START)
    before = time.time()
    made.run("--selfopt-cycle", "--selfopt-json=outcome.json")
    outcome = json.loads((made.path / "outcome.json").read_text())
    assert outcome["seconds"] > 1
    assert before < outcome["began"] < time.time() - outcome["seconds"]
