"""Whatever goes wrong in a session, alone or distributed, has one effect, and none of it ends green or promotes.

Run the whole matrix many times over by `SELFOPT_FAULTS=20 pytest tests/acceptance/test_faults.py`.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import psutil
import pytest

from tests.acceptance.conftest import SHORT, Project, right, said, short_suite
from tests.acceptance.test_distributed import decided, forget
from tests.acceptance.test_gates import TWO_SPECS
from tests.acceptance.test_interruption import begin, wait_until
from tests.acceptance.test_resume import settled
from tests.ledger_file import open_ledger

Make = Callable[..., Project]
PLANNED = 2 * 3 * SHORT
TIMES = int(os.environ.get("SELFOPT_FAULTS", "1"))
WAYS = ["alone", "-n2"]
BETTER = {"rules": right(constrained=True)}
"""A candidate that would be promoted if nothing went wrong."""
HEAD = """
import os, pathlib, signal, time

import pytest

HERE = pathlib.Path(__file__).parent

def once(name):
    try:
        (HERE / name).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True

@pytest.fixture
def guard(request):
    fault = request.getfixturevalue("case").id == "item-2" and FIXTURE
    if fault == "setup":
        raise RuntimeError("the guard is asleep")
    yield
    if fault == "teardown":
        raise RuntimeError("the guard left")

@pytest.mark.selfopt("items.jsonl")
def test_items(case, reply, run, guard):
"""


@dataclass(frozen=True)
class Fault:
    """Something that goes wrong in the body of some items (or in their fixture), and what the session comes to."""

    body: str
    status: int
    sentence: str
    fixture: str = ""
    promotes: bool = False
    """Whether the evidence is whole all the same."""


FAULTS = {
    "a body that raises": Fault("    if case.id == 'item-2': raise RuntimeError('oops')", 1, "RuntimeError: oops"),
    "a fixture that fails before": Fault("", 1, "the guard is asleep", fixture="setup"),
    "a fixture that fails after": Fault("", 1, "the guard left", fixture="teardown", promotes=True),
    "a skip": Fault("    if case.id == 'item-2': pytest.skip('not today')", 10, "HOLD"),
    "an xfail": Fault("    if case.id == 'item-2': pytest.xfail('never could')", 10, "HOLD"),
    "an exit": Fault(
        "    if case.id == 'item-2' and run == 1: pytest.exit('enough')", 2, "no decision: the session was"
    ),
}


def faulty(project: Make, fault: Fault, script: dict[str, Any] = BETTER) -> Project:
    made = project(script)
    made.configure(TWO_SPECS)
    made.write_suite(short_suite())
    head = HEAD.replace("FIXTURE", repr(fault.fixture))
    made.pytester.makepyfile(test_items=f"{head}{fault.body}\n    case.check(reply)\n")
    return made


def run(made: Project, way: str, *arguments: str) -> pytest.RunResult:
    return made.run("--selfopt-cycle", *([] if way == "alone" else [way]), *arguments)


def promoted(made: Project) -> bool:
    """Whether the candidate is in force now."""
    written = (made.path / "routing_config.json").exists()
    return written and any(rule.get("variant") == "schema" for rule in made.routing()["rules"])


@pytest.mark.parametrize("turn", range(TIMES))
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", FAULTS)
def test_item_faults_end_the_session_accordingly(project: Make, name: str, way: str, turn: int) -> None:
    fault = FAULTS[name]
    made = faulty(project, fault)
    result = run(made, way)
    assert (result.ret, fault.sentence in said(result)) == (fault.status, True), said(result)
    assert promoted(made) is fault.promotes, said(result)


TAMPER = """
import copy, json

import pytest

HOW, SEEN = {how!r}, []


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item, call):
    report = yield
    evidence = vars(report).get("selfopt")
    if evidence is None or "item-2" not in item.nodeid or "run1" not in item.nodeid or "native_api" not in item.nodeid:
        return report
    value = json.loads(evidence)
    changed = {{
        "missing": None,
        "foreign case": json.dumps({{**value, "case": "items/item-99"}}),
        "foreign phase": json.dumps({{**value, "phase": "elsewhere"}}),
        "foreign run": json.dumps({{**value, "run": 99}}),
        "cut off": evidence[:40],
    }}
    vars(report)["selfopt"] = changed.get(HOW, evidence)
    if HOW == "twice":
        item.ihook.pytest_runtest_logreport(report=copy.copy(report))
    return report
"""
TAMPERED = {
    "missing": "HOLD",
    "twice": "1 reported twice",
    "foreign case": "1 of no trial that was planned",
    "foreign phase": "1 of no trial that was planned",
    "foreign run": "1 of no trial that was planned",
    "cut off": "1 unreadable",
}
HARMLESS = Fault("", 0, "")


@pytest.mark.parametrize(
    ("how", "way"),
    # One kind of foreign evidence is enough to show what comes from a worker.
    [(how, way) for way in WAYS for how in TAMPERED if way == "alone" or how not in ("foreign phase", "foreign run")],
)
def test_invalid_evidence_decides_nothing(project: Make, how: str, way: str) -> None:
    made = faulty(project, HARMLESS)
    made.pytester.makeconftest(TAMPER.format(how=how))
    result = run(made, way)
    assert result.ret in (1, 10), said(result)
    assert TAMPERED[how] in said(result), said(result)
    assert not promoted(made)
    (made.path / "conftest.py").unlink()
    if how != "missing":
        assert run(made, way, "--selfopt-resume").ret == 0
        assert promoted(made)
        assert made.server.seen.asked == PLANNED


DIES = "    if case.id == 'item-2' and run == 1 and once('died'): {how}"


@pytest.mark.parametrize("turn", range(TIMES))
@pytest.mark.parametrize(
    ("how", "dist"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "load"),
        ("os._exit(0)", "worksteal"),
        ("os.kill(os.getpid(), signal.SIGKILL)", "loadscope"),
        ("os._exit(0)", "loadgroup"),
    ],
)
def test_a_dead_worker_leaves_a_resumable_cycle(project: Make, how: str, dist: str, turn: int) -> None:
    made = faulty(project, Fault(DIES.format(how=how), 1, ""))
    result = run(made, "-n2", f"--dist={dist}")
    assert result.ret == 1
    assert "no decision: the evidence is not whole (trials: 1 lost with the worker that had it" in said(result)
    assert not promoted(made)
    again = run(made, "-n2", f"--dist={dist}", "--selfopt-resume")
    assert again.ret == 0, said(again)
    assert promoted(made)
    assert made.server.seen.asked == PLANNED


@pytest.mark.parametrize("way", ["-n2 --max-worker-restart=0", "-n1 --max-worker-restart=0", "-n2"])
def test_dead_workers_leave_no_green_session(project: Make, way: str) -> None:
    made = faulty(project, Fault("    os._exit(0)", 1, ""))
    result = (
        made.run("--selfopt-cycle", "-x", *way.split()) if way == "-n2" else made.run("--selfopt-cycle", *way.split())
    )
    assert result.ret not in (0, 10), said(result)
    assert "no decision" in said(result)
    assert not promoted(made)


def test_a_worker_dying_in_collection_is_replaced(project: Make) -> None:
    made = faulty(project, HARMLESS)
    made.pytester.makeconftest(
        """
        import os, pathlib

        def pytest_collection_modifyitems(config):
            if getattr(config, "workerinput", {}).get("workerid") == "gw1":
                os._exit(1)
        """
    )
    result = run(made, "-n2")
    assert result.ret in (0, 1), said(result)
    assert promoted(made)


@pytest.mark.timeout(600)
@pytest.mark.parametrize("way", WAYS)
def test_a_call_outliving_its_item_is_ended(project: Make, way: str) -> None:
    slow = [{"when": {"prompt": "item 2.", "first": 1}, "then": {"latency": 3_600.0, "text": "At last."}}]
    made = faulty(project, HARMLESS, {"rules": [*slow, *right(constrained=True)]})
    made.configure(TWO_SPECS + "[tool.selfopt.gates]\nerrors = 0.5\ncomparable = 0.5\n")
    result = run(made, way, "--timeout=1", "--selfopt-baseline", "scripted/model/atomic/native_api/t60/r0/i0")
    (entry,) = made.history()
    kinds = [one["errors_by_kind"] for one in entry["metrics"].values()]
    assert {"timeout": 1} in kinds, kinds
    assert "1 without answer" in said(result)
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        rows = ledger.execute("SELECT outcome, error_kind, reason FROM call WHERE outcome = 'error'").fetchall()
    assert [row[:2] for row in rows] == [("error", "timeout")]


def test_a_process_timeout_ends_one_worker_only(project: Make) -> None:
    slow = [{"when": {"prompt": "item 2.", "first": 1}, "then": {"latency": 20.0, "text": "At last."}}]
    made = faulty(project, HARMLESS, {"rules": [*slow, *right(constrained=True)]})
    alone = run(made, "alone", "--timeout=1", "--timeout-method=thread")
    assert alone.ret == 1
    assert not promoted(made)
    again = run(made, "-n2", "--timeout=2", "--timeout-method=thread", "--selfopt-resume")
    assert again.ret == 0, said(again)
    assert promoted(made)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["-x"], None),
        (["--maxfail=3"], None),
        (["-k", "run0"], 10),
        (["-k", "item-2"], 10),
        (["--lf"], 10),
        (["--sw"], None),
        (["--deselect", "test_items.py::test_items[scripted/model/atomic/schema/t60/r1/i0-item-0-run0]"], 10),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_partial_session_is_recorded_without_decision(
    project: Make, arguments: list[str], status: int | None, way: str
) -> None:
    made = faulty(project, Fault("    if case.id == 'item-1' and run == 0: assert False", 10, ""))
    if arguments == ["--lf"]:
        made.run("--selfopt-cycle", "-k", "run0 and item-3", "-p", "cacheprovider")
    cached = ("-p", "cacheprovider", "-p", "stepwise") if arguments[0] in ("--lf", "--sw") else ()
    result = run(made, way, *cached, *arguments)
    assert result.ret == status if status is not None else result.ret not in (0, 10)
    assert "no decision" in said(result)
    assert not promoted(made)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    "option", ["--collect-only", "--setup-plan", "--setup-only", "--fixtures", "--selfopt-dry-run"]
)
def test_collection_or_setup_plan_makes_no_call(project: Make, option: str, way: str) -> None:
    made = faulty(project, HARMLESS)
    result = run(made, way, option)
    assert result.ret in (0, 5), said(result)
    assert made.server.seen.asked == 0
    assert not (made.path / ".selfopt").exists()
    assert not promoted(made)


def test_the_debugger_runs_alone(project: Make) -> None:
    made = faulty(project, HARMLESS)
    assert run(made, "-n2", "--pdb").ret == pytest.ExitCode.USAGE_ERROR
    assert made.server.seen.asked == 0


@pytest.mark.parametrize(
    ("how", "way"),
    [(signal.SIGINT, "-n2"), (signal.SIGTERM, "alone"), (signal.SIGKILL, "alone"), (signal.SIGKILL, "-n2")],
)
def test_an_externally_ended_session_can_resume(project: Make, how: signal.Signals, way: str) -> None:
    made = faulty(project, HARMLESS, {**BETTER, "latency": 0.5})
    process = begin(made, *([] if way == "alone" else [way]), cold=True)
    wait_until(lambda: made.server.seen.asked > 10, 60)
    workers = psutil.Process(process.pid).children(recursive=True)
    os.kill(process.pid, how)
    process.communicate(timeout=120)
    _, alive = psutil.wait_procs(workers, timeout=60)
    assert not alive
    assert process.returncode != 0
    assert not promoted(made)
    asked = settled(made)
    again = run(made, way, "--selfopt-resume")
    assert again.ret == 0, said(again)
    assert promoted(made)
    assert made.server.seen.asked < asked + PLANNED


@pytest.mark.parametrize("way", WAYS)
def test_replies_with_odd_characters_are_judged(project: Make, way: str) -> None:
    half = {"when": {"prompt": "item 2."}, "then": {"text": "half a pair: \ud800 and \udc00"}}
    long = {"when": {"prompt": "item 3."}, "then": {"text": "x" * 6_000_000}}
    made = faulty(project, HARMLESS, {"rules": [half, long, *right(constrained=True)]})
    result = run(made, way, "-rA")
    assert result.ret == 0, said(result)[-3000:]
    assert promoted(made)
    assert "fixed 12 answers, broke 0" in said(result)
    plain = made.run(*([] if way == "alone" else [way]))
    plain.assert_outcomes(passed=SHORT - 2, failed=2)


@pytest.mark.parametrize("way", WAYS)
def test_an_oversized_reply_is_an_error(project: Make, way: str) -> None:
    long = {"when": {"prompt": "item 2.", "first": 1}, "then": {"text": "x" * 10_000_000}}
    made = faulty(project, HARMLESS, {"rules": [long, *right(constrained=True)]})
    result = run(made, way, "--selfopt-baseline", "scripted/model/atomic/native_api/t60/r0/i0")
    assert "1 without answer" in said(result)
    assert result.ret in (0, 10)


@pytest.mark.parametrize("way", WAYS)
def test_other_plugins_summaries_remain(project: Make, way: str) -> None:
    made = faulty(project, HARMLESS)
    made.pytester.makeconftest(
        """
        def pytest_terminal_summary(terminalreporter):
            terminalreporter.write_sep("=", "somebody else's summary")
        """
    )
    result = run(made, way)
    assert result.ret == 0
    assert "somebody else's summary" in said(result)
    assert "PROMOTE schema" in said(result)


@pytest.mark.parametrize("way", WAYS)
def test_shuffling_items_does_not_shuffle_passes(project: Make, with_package: Callable[[str], None], way: str) -> None:
    made = faulty(project, HARMLESS)
    alone = run(made, "alone", "--selfopt-seed=5")
    assert alone.ret == 0
    before = decided(made)
    forget(made)
    with_package("pytest-randomly==4.0.1")
    for options in ((), ("-p", "no:randomly")):
        forget(made)
        result = run(made, way, "--selfopt-seed=5", *options)
        assert ("Using --randomly-seed" in said(result)) == (not options)
        assert result.ret == 0, said(result)
        assert decided(made) == before
