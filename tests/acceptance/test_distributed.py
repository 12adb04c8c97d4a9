"""Distributed by xdist or not, a session makes the same calls, has the same trials, and writes the same files."""

from __future__ import annotations

import json
import re
import shutil
import signal
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from tests.acceptance.conftest import CALLS, RESTRAINT, SHORT, Project, right, said, short_suite
from tests.acceptance.test_automation import OTHER, able, capable, second_model
from tests.acceptance.test_gates import EXTENDED, TWO_SPECS
from tests.acceptance.test_interruption import begin, embedded_servers, wait_until
from tests.ledger_file import open_ledger

Make = Callable[..., Project]
CASES = CALLS + RESTRAINT
WAYS = (
    "-n4",
    "-n2 --dist=load --maxschedchunk=1",
    "-n2 --dist=loadscope",
    "-n2 --dist=loadfile",
    "-n2 --dist=loadgroup",
    "--tx=4*popen --dist=worksteal",
)
TWO_RIGHT = right(constrained=True)[:2]
"""What makes the candidate better by two prompts, so that the race has to go on for several passes."""


def decided(made: Project) -> dict[str, Any]:
    """Everything that a cycle left behind, without times, ids and what depends on them."""
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        calls = ledger.execute('SELECT purpose, phase, spec, "case", run, outcome, reason FROM call').fetchall()
    log = (made.path / ".selfopt" / "routing_decisions.jsonl").read_text().splitlines()
    return {
        "calls": sorted(map(repr, calls)),
        "rules": [{**rule, "timestamp": ""} for rule in made.routing()["rules"]],
        "history": untimed(made.history()),
        "decisions": [(entry["kind"], entry["reason"]) for entry in map(json.loads, log)],
        "files": sorted(path.name for path in (made.path / ".selfopt").iterdir()),
    }


def untimed(value: Any) -> Any:
    """Records without what depends on how long something took, or when it was."""
    if isinstance(value, dict):
        kept = {name: untimed(part) for name, part in value.items()}
        timed = r"latency|_s$|started|ended" + ("|value" if value.get("name") == "latency" else "")
        return {name: part for name, part in kept.items() if not re.search(timed, name)}
    if isinstance(value, list):
        return [untimed(part) for part in value]
    return re.sub(r"\d+\.\d+ s\b", "", value) if isinstance(value, str) else value


def forget(made: Project) -> None:
    """Begin the history of a project anew."""
    shutil.rmtree(made.path / ".selfopt", ignore_errors=True)
    (made.path / "routing_config.json").unlink(missing_ok=True)
    made.server.seen.asked = 0


@pytest.fixture
def serial(project: Make) -> tuple[Project, dict[str, Any]]:
    made = project({"rules": TWO_RIGHT})
    made.configure(
        '[tool.selfopt.search]\nvariants = ["native_api", "schema"]\nwarmup = []\nretries = []\ntimeouts = []'
    )
    made.write_suite(short_suite())
    forget(made)
    assert made.run("--selfopt-cycle", "--selfopt-seed=3").ret == 0
    return made, decided(made)


def test_every_distribution_gives_the_same_results(
    serial: tuple[Project, dict[str, Any]],
) -> None:
    made, alone = serial
    asked = made.server.seen.asked
    assert asked == len(alone["calls"]) > 2 * 3 * SHORT
    for way in WAYS:
        forget(made)
        result = made.run("--selfopt-cycle", "--selfopt-seed=3", *way.split())
        assert result.ret == 0, (way, said(result))
        assert decided(made) == alone, way
        assert made.server.seen.asked == asked, way


LATE = """
import time

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item, nextitem):
    done = yield
    if nextitem is not None and item.name.endswith("run2]") and nextitem.name.endswith("run3]"):
        time.sleep(0.5)
    return done
"""
"""Lets a worker begin the fourth pass when the results of all its trials are there."""


def test_a_pass_may_be_over_before_its_items(serial: tuple[Project, dict[str, Any]]) -> None:
    made, alone = serial
    made.pytester.makeconftest(LATE)
    forget(made)
    result = made.run("--selfopt-cycle", "--selfopt-seed=3", "-n2", "--dist=loadfile")
    assert result.ret == 0, said(result)
    assert decided(made) == alone


def test_cycles_follow_and_prove_pending_rules(project: Make) -> None:
    made = project(capable(able("other")))
    made.pytester.makepyfile(test_items=EXTENDED)
    made.configure(TWO_SPECS + f'[tool.selfopt.phases.extended]\nfallback = "{OTHER}"\n' + second_model(made))
    result = made.run("--selfopt-cycle", "-n2")
    assert result.ret == 0, said(result)
    assert "selfopt: proves" in said(result)
    assert [rule["status"] for rule in made.routing()["rules"]] == ["confirmed"]
    again = made.run("--selfopt-cycles=2", "-n2", "-q")
    assert "selfopt: cycle 1 of 2" in said(again)
    assert [entry["cycle"] for entry in made.history()][:3] == [1, 2, 3]


def test_one_embedded_server_serves_all_workers(project: Make) -> None:
    pytest.importorskip("xllamacpp", reason="the embedded model is an extra: uv sync installs it")
    made = project({})
    process = begin(made, "-n2", "--selfopt-baseline", "embedded/smollm2-135m/atomic/native_api/t60/r1/i0", cold=True)
    session = psutil.Process(process.pid)
    wait_until(lambda: bool(embedded_servers(session)), 30)
    # Two workers and the server, once whatever they start for a moment has ended.
    wait_until(lambda: len(session.children(recursive=True)) == 3)
    assert [one.ppid() for one in embedded_servers(session)] == [process.pid]
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)


def test_the_limits_span_the_session(long_project: Make) -> None:
    made = long_project({"rules": right(), "latency": 0.05})
    made.configure(f"max_concurrency = 3\n{TWO_SPECS}")
    assert made.run("--selfopt-cycle", "-n4").ret == 0
    assert made.server.seen.most_in_flight == 3
    stopped = made.run("--selfopt-cycle", "-n4", "--selfopt-max-calls=10")
    assert stopped.ret == 10, said(stopped)


@pytest.mark.parametrize("arguments", [[], ["-x"], ["--dist=loadscope"], ["--dist=worksteal"]], ids=" ".join)
def test_plain_sessions_distribute_like_any_other(project: Make, arguments: list[str]) -> None:
    made = project({"rules": right()})
    body = (made.path / "test_items.py").read_text()
    made.pytester.makepyfile(test_items=f"{body}\n\ndef test_beside():\n    pass\n")
    result = made.run("-n2", *arguments)
    result.assert_outcomes(passed=CASES + 1)
    assert made.server.seen.asked == CASES
    assert not (made.path / ".selfopt").exists()
