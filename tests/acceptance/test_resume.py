"""Cycles that are cut off and gone on with: no finished call is made again, and none is lost.

`SELFOPT_CRASH_MOMENTS=24 uv run pytest tests/acceptance/test_resume.py` runs the crash test in full.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_selfopt.ledger.ledger import Ledger
from tests.acceptance.conftest import BODY, CALLS, MODEL, RESTRAINT, Project, right, said, suite_lines
from tests.acceptance.test_interruption import begin, wait_until
from tests.ledger_file import open_ledger

Make = Callable[..., Project]
CASES = CALLS + RESTRAINT
PLANNED = (4 + 2 * 3) * CASES
"""Of the candidates, `atomic` is not ahead, and leaves after the first pass."""
UNDECIDED = (4 + 2) * CASES
"""None is ahead; the baseline gets its three passes alone."""
MOMENTS = int(os.environ.get("SELFOPT_CRASH_MOMENTS", "5"))
SEED = 20_261_121


def ledger_rows(path: Path) -> dict[str, tuple[Any, ...]]:
    """What the ledger holds of each finished call, apart from how it was judged."""
    if not (path / ".selfopt" / "ledger.sqlite").exists():
        return {}
    with open_ledger(path / ".selfopt" / "ledger.sqlite") as ledger:
        try:
            rows = ledger.execute("SELECT id, started, ended, reply, error, spec, run FROM call").fetchall()
        except sqlite3.OperationalError:
            return {}  # killed before the tables were there
    return {row[0]: row[1:] for row in rows}


def decisions(path: Path) -> list[str]:
    log = path / ".selfopt" / "routing_decisions.jsonl"
    return log.read_text().splitlines() if log.exists() else []


@pytest.mark.parametrize("way", ["alone", "-n2"])
@pytest.mark.parametrize("moment", range(MOMENTS))
def test_resuming_after_kill_9_repeats_no_call(project: Make, moment: int, way: str) -> None:
    made = project({"rules": right(constrained=True), "latency": 0.05})
    rng = random.Random(f"{SEED}/{moment}")
    ways = [] if way == "alone" else [way]
    # Moments over the whole life of a cycle: while it starts, among its calls, and in its last steps.
    starting, closing = moment % 5 == 3, moment % 5 == 4
    process = begin(made, "--selfopt-seed", str(moment), *ways, cold=starting)
    if closing:
        log = made.path / ".selfopt" / "routing_decisions.jsonl"
        wait_until(lambda: log.exists() or process.poll() is not None)
    elif starting:
        time.sleep(rng.uniform(0, 2.0 if ways else 0.8))
    else:
        wait_until(lambda: made.server.seen.asked > 0 or process.poll() is not None)
        time.sleep(rng.uniform(0, 0.8))
    os.kill(process.pid, signal.SIGKILL)
    process.communicate(timeout=120)
    before, asked = ledger_rows(made.path), settled(made)

    if status(made.path) == "decided":
        assert len(before) == PLANNED
        return
    result = made.run("--selfopt-cycle", *ways, *(["--selfopt-resume"] if status(made.path) else []))
    assert result.ret == 0, said(result)
    after = ledger_rows(made.path)
    assert {name: after[name] for name in before} == before
    assert len(after) == PLANNED
    assert made.server.seen.asked - asked == PLANNED - len(before)
    assert Counter((row[4], row[5]) for row in after.values()) == {
        (spec, run): CASES
        for spec in {row[4] for row in after.values()}
        for run in range(1 if "/atomic/atomic/" in spec else 3)
    }
    assert "PROMOTE schema" in said(result)
    assert made.routing()["rules"][0]["variant"] == "schema"
    assert len(decisions(made.path)) == 1
    assert [entry["cycle"] for entry in made.history()] == [1]


def settled(made: Project) -> int:
    """How many calls the server has seen, once those that a killed session left in its sockets are read, too."""
    count = -1
    while made.server.seen.in_flight or count != made.server.seen.asked:
        count = made.server.seen.asked
        time.sleep(0.2)
    return count


def status(path: Path) -> str:
    """How the only cycle stands; empty when none was booked yet."""
    if not (path / ".selfopt" / "ledger.sqlite").exists():
        return ""
    with open_ledger(path / ".selfopt" / "ledger.sqlite") as ledger:
        try:
            row = ledger.execute("SELECT status FROM cycle").fetchone()
        except sqlite3.OperationalError:
            return ""
    return str(row[0]) if row else ""


def test_a_resumed_cycle_decides_as_if_uninterrupted(project: Make) -> None:
    made = project({"rules": right(constrained=True), "latency": 0.1})
    process = begin(made, "--selfopt-seed", "7")
    wait_until(lambda: made.server.seen.asked > 60)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    result = made.run("--selfopt-cycle", "--selfopt-resume")
    assert result.ret == 0
    assert "resumed: " in said(result)
    assert "calls are in the ledger and are not made again" in said(result)
    (entry,) = made.history()
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        lanes = [row[0] for row in ledger.execute("SELECT lane_seq FROM call ORDER BY lane_seq")]
        assert ledger.execute("SELECT id, status, seed FROM cycle").fetchall() == [(1, "decided", 7)]
        assert ledger.execute("SELECT count(*) FROM call WHERE outcome IS NULL").fetchone() == (0,)
    assert len(set(lanes)) == PLANNED
    assert {one["verdict"] for one in entry["verdicts"]} == {"PROMOTE", "REJECT"}


def test_resuming_needs_an_interrupted_cycle(project: Make) -> None:
    made = project({"rules": right()})
    nothing = made.run("--selfopt-cycle", "--selfopt-resume")
    assert nothing.ret == pytest.ExitCode.USAGE_ERROR
    assert "the ledger has no cycle to resume" in nothing.stderr.str()
    assert not (made.path / ".selfopt").exists()
    Ledger(made.path / ".selfopt" / "ledger.sqlite").close()
    for command in (["decide"], ["decide", "0"], ["history"], ["report"], ["profile", "--all"], ["export", "csv"]):
        empty = made.selfopt(*command)
        assert (empty.returncode, "run pytest with --selfopt-cycle first" in empty.stderr) == (4, True), empty
    assert made.run("--selfopt-cycle").ret == 0
    ended = made.run("--selfopt-cycle", "--selfopt-resume")
    assert ended.ret == pytest.ExitCode.USAGE_ERROR
    assert "the last cycle, 1, is finished" in ended.stderr.str()
    assert "--selfopt-resume needs --selfopt-cycle" in made.run("--selfopt-resume").stderr.str()


def test_another_suites_trials_are_not_mixed_in(project: Make) -> None:
    made = project({"rules": right()})
    assert made.run("--selfopt-cycle", "--selfopt-max-calls", "20").ret == 10
    lines = suite_lines()
    lines[2]["prompt"] = "Find item zero."
    made.write_suite(lines)
    refused = made.run("--selfopt-cycle", "--selfopt-resume")
    assert refused.ret == pytest.ExitCode.USAGE_ERROR
    assert "asked another version of the suite 'items'" in " ".join(refused.stderr.str().split())
    assert made.run("--selfopt-cycle").ret == 0


def test_every_suite_must_be_the_same(project: Make) -> None:
    made = project({"rules": right()})
    other: dict[str, Any] = {"id": "other", "prompt": "Find item 3.", "expect": {"exact": "No."}}
    (made.path / "more.jsonl").write_text(json.dumps(other))
    made.pytester.makepyfile(test_more=BODY.replace("items.jsonl", "more.jsonl"))
    assert made.run("--selfopt-cycle", "--selfopt-max-calls", "20").ret == 10
    other["prompt"] = "Find item 4."
    (made.path / "more.jsonl").write_text(json.dumps(other))
    asked = made.server.seen.asked
    changed = made.run("--selfopt-cycle", "--selfopt-resume")
    assert changed.ret == pytest.ExitCode.USAGE_ERROR
    assert "asked another version of the suite 'more'" in " ".join(changed.stderr.str().split())
    (made.path / "test_more.py").unlink()
    fewer = made.run("--selfopt-cycle", "--selfopt-resume")
    assert "asked 2 suites of 'atomic'" in " ".join(fewer.stderr.str().split())
    assert made.server.seen.asked == asked


def test_a_changed_baseline_is_not_compared(project: Make) -> None:
    made = project({"rules": right()})
    assert made.run("--selfopt-cycle", "--selfopt-max-calls", "20").ret == 10
    other = made.run("--selfopt-cycle", "--selfopt-resume", "--selfopt-baseline", f"{MODEL}/atomic/atomic/t30/r1/i0")
    assert other.ret == pytest.ExitCode.USAGE_ERROR
    assert f"but {MODEL}/atomic/atomic/t30/r1/i0 is in force now" in " ".join(other.stderr.str().split())


def test_a_warm_up_is_not_repeated(project: Make) -> None:
    made = project({"rules": right(), "latency": 0.01})
    assert made.run("--selfopt-cycle", "--selfopt-warmup", "--selfopt-max-calls", "30").ret == 10
    assert made.run("--selfopt-cycle", "--selfopt-warmup", "--selfopt-resume").ret == 0
    prompts = Counter(request["messages"][-1]["content"] for request in made.server.seen.requests)
    assert prompts["What is 2+2?"] == 4
    assert sum(prompts.values()) == 4 + UNDECIDED
