"""kill -9 at every write of every file: afterwards each file is whole, and the next session brings all to its end once.

`SELFOPT_CRASH_POINTS=all uv run pytest tests/acceptance/test_crashes.py` runs every point; a few are run without.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema

from pytest_selfopt.ledger.decision_log import verify
from pytest_selfopt.routing.config import read_config
from pytest_selfopt.routing.decision_chain import verify_log
from pytest_selfopt.routing.decisions import read_decisions
from pytest_selfopt.routing.history import read_history
from tests import warm
from tests.acceptance.conftest import CALLS, MODEL, RESTRAINT, WITHOUT, Project
from tests.acceptance.test_automation import OTHER, able, capable, second_model
from tests.acceptance.test_gates import EXTENDED, TWO_SPECS
from tests.acceptance.test_resume import settled
from tests.ledger_file import open_ledger

Make = Callable[..., Project]
FEW = 6
SEED = 20_261_121
ROOT = Path(__file__).parents[2]
SCHEMA = json.loads((ROOT / "pytest_selfopt" / "routing" / "schema.json").read_text())


def incapable(project: Make) -> Project:
    """A model that can do nothing in the extended phase: a cycle puts its fallback on trial, the proof confirms it."""
    made = project(capable(able("other")))
    made.pytester.makepyfile(test_items=EXTENDED)
    made.configure(TWO_SPECS + f'[tool.selfopt.phases.extended]\nfallback = "{OTHER}"\n' + second_model(made))
    return made


def session(made: Project, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [warm.python(), "-m", "pytest", *WITHOUT, "--selfopt-cycle", *arguments]
    watched = ["-p", "tests.faults"] if environment else []
    return subprocess.run(
        [*command, *watched],
        cwd=made.path,
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
            **environment,
        },
        capture_output=True,
        text=True,
        timeout=120,
    )


def points(made: Project) -> list[str]:
    """Every write of a cycle and its proof."""
    log = made.path.parent / "points.txt"
    assert session(made, FAULT_LOG=str(log)).returncode == 0
    return log.read_text().splitlines()


def test_kill_9_leaves_whole_files_without_duplicates(project: Make) -> None:
    made = incapable(project)
    everywhere = points(made)
    written = {point.rpartition(" ")[2] for point in everywhere if " sql " not in point}
    assert written >= {
        "routing_config.json",
        "routing_decisions.jsonl",
        "meta_loop_history.json",
        "harness_feedback.json",
        "lock",
    }
    chosen = everywhere
    if os.environ.get("SELFOPT_CRASH_POINTS") != "all":
        kinds = {point.split(" ", 2)[2]: point for point in everywhere}
        chosen = random.Random(SEED).sample(sorted(kinds.values()), FEW)
    failed: dict[str, str] = {}
    # How calls are gathered for a write depends on when they end, so that there may be fewer writes next time.
    about_calls = (one for one in chosen if "IGNORE" in one or " call" in one)
    once = {one for one in about_calls if one.split()[1] != "1"}
    for point in (one for one in chosen if one not in once):
        shutil.rmtree(made.path / ".selfopt", ignore_errors=True)
        (made.path / "routing_config.json").unlink(missing_ok=True)
        try:
            crash_at(made, point)
        except AssertionError as problem:
            failed[point] = str(problem)
    assert not failed, "\n".join(f"{point}: {why}" for point, why in failed.items())


def crash_at(made: Project, point: str) -> None:
    killed = session(made, FAULT_AT=point)
    assert killed.returncode in (-9, 137), (point, killed.returncode, killed.stdout)
    whole(made, point)
    settled(made)
    cut_off = last_status(made) == "running"
    after = session(made, *(["--selfopt-resume"] if cut_off else []))
    assert after.returncode == 0, (point, after.stdout, after.stderr)
    if last_status(made) == "decided" and statuses(made) == ["trial"]:
        after = session(made)
        assert after.returncode == 0, (point, after.stdout, after.stderr)
    whole(made, point)
    assert statuses(made)[0] == "confirmed", (point, after.stdout)
    log = made.path / ".selfopt" / "routing_decisions.jsonl"
    assert verify(log.parent).ok, point
    assert [entry["kind"] for entry in read_decisions(log)][:2] == ["trial", "confirmed"], point
    told = Counter((entry["cycle"], entry["kind"], entry["original_model"]) for entry in read_decisions(log))
    assert max(told.values()) == 1, (point, told)
    cycles = [entry["cycle"] for entry in read_history(made.path / ".selfopt" / "meta_loop_history.json")]
    assert cycles == sorted(set(cycles)), (point, cycles)
    assert not list(made.path.rglob("*.tmp")), point
    assert read_config(made.path / "routing_config.json").apply_routing(MODEL, "extended").model == OTHER


def whole(made: Project, point: str) -> None:
    """What is there can be read: the configuration as it was before or after, the log but for an unfinished line."""
    config = made.path / "routing_config.json"
    if config.exists():
        jsonschema.Draft7Validator(SCHEMA).validate(json.loads(config.read_text()))
        assert statuses(made)[0] in ("trial", "confirmed"), point
    log = made.path / ".selfopt" / "routing_decisions.jsonl"
    if log.exists():
        found = verify_log(log)
        torn = not log.read_bytes().endswith(b"\n")
        assert found.ok or (torn and found.broken_line == found.lines), (point, found)
    history = made.path / ".selfopt" / "meta_loop_history.json"
    if history.exists():
        json.loads(history.read_text())


def statuses(made: Project) -> list[Any]:
    return [rule.status for rule in read_config(made.path / "routing_config.json").rules]


def last_status(made: Project) -> str:
    """How the last cycle stands in the ledger; empty when there is none."""
    path = made.path / ".selfopt" / "ledger.sqlite"
    if not path.exists():
        return ""
    with open_ledger(path) as ledger:
        try:
            row = ledger.execute("SELECT status FROM cycle ORDER BY id DESC LIMIT 1").fetchone()
        except sqlite3.OperationalError:
            return ""  # killed before the tables were there
    return str(row[0]) if row else ""


def test_a_write_that_fails_changes_nothing(project: Make) -> None:
    made = incapable(project)
    failed = session(made, "--selfopt-no-prove", FAULT="full", FAULT_AT="cycle 1 replace meta_loop_history.json")
    assert failed.returncode == 4
    assert "no decision, and nothing was written: cannot write" in " ".join(failed.stdout.split())
    assert "--selfopt-resume decides by the answers in the ledger" in failed.stdout
    assert "meta_loop_history.json: No space left on device" in " ".join(failed.stdout.split())
    assert "Traceback" not in failed.stdout
    assert not (made.path / "routing_config.json").exists()
    assert {path.name for path in (made.path / ".selfopt").iterdir() if "ledger" not in path.name} == {
        ".gitignore",
        "lock",
    }
    asked = made.server.seen.asked
    resumed = session(made, "--selfopt-resume")
    assert (resumed.returncode, statuses(made)) == (0, ["confirmed"]), resumed.stdout
    assert [entry["cycle"] for entry in made.history()] == [1, 2]
    assert made.server.seen.asked - asked == 2 * 3 * (CALLS + RESTRAINT), "only the proof asks"
