"""Interrupted writes end in the old state or the new one: `python -m tests.performance.interrupted_writes [--few]`.

Cycles, `selfopt enforce`, `rollback` and `verify --accept`, and the undoing of an interrupted write are killed by
kill -9 at each of their writes, and made to fail there: once, or from then on by a disk that is full, a file system
that is read-only or a process that may open nothing more. Then a command that only reads is run, and the state is
compared with that before and after the undisturbed step: configuration, log, history, feedback and ledger, all of them
old or all of them new, and the ledger knows each line of the log. An application that reads the routing configuration
in between finds one of the two, too. The whole takes some twenty minutes; `--kind` takes one kind of fault.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_selfopt.ledger.decision_log import verify
from pytest_selfopt.models.scripted import ScriptedServer
from tests import warm
from tests.acceptance.conftest import MODEL, WITHOUT, right
from tests.ledger.changed_logs import CHANGES
from tests.ledger_file import open_ledger
from tests.performance.same import FEW, Scenario, write_project

ROOT = Path(__file__).parents[2]
SESSION = ("-m", "pytest", *WITHOUT, "-p", "tests.faults", "--selfopt-cycle", "--selfopt-no-prove")
COMMAND = ("-m", "tests.faults")
READING = (*COMMAND, "history")
LASTING = ("full", "read-only", "descriptors")
KINDS = ("kill", "once", *LASTING)
STATE = ("meta_loop_history.json", "harness_feedback.json", "LEARNED.md")
FILES = ("routing_config.json", *(f".selfopt/{name}" for name in STATE))
LOG = ".selfopt/routing_decisions.jsonl"
KILLED = (-9, 137)
FEW_RUNS = 12
SEED = 20_261_130
State = dict[str, Any]
_TIMES = re.compile(r'\d{4}-\d\d-\d\dT[\d:.]+Z|"previous": "[0-9a-f]{64}"')
_TABLES = (
    "SELECT candidate, state, wins, losses, sentence FROM comparison ORDER BY number",
    "SELECT cycle, phase, kind, spec, sentence, detail FROM decision ORDER BY id",
    "SELECT id, status = 'decided', result FROM cycle ORDER BY id",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A step that is interrupted: `arguments` are run in copies of the project `before`."""

    name: str
    before: Path
    arguments: Sequence[str]
    ends_in: str = ""
    """The one state that it may end in; empty if it is either."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interruption:
    """A fault of a kind at one write of a step."""

    step: Step
    kind: str
    point: str

    @property
    def name(self) -> str:
        """What it is, for the list of failures."""
        return f"{self.step.name}, {self.kind} at {self.point}"


def run(folder: Path, arguments: Sequence[str], **faults: str) -> subprocess.CompletedProcess[str]:
    """Run pytest or a command in a project, with faults."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return warm.run(folder, *arguments, PYTHONPATH=path, **faults)


def state_of(folder: Path) -> State:
    """Return the whole state of a project, without times and the hashes that depend on them."""
    state: State = {name: _text(folder / name) for name in (*FILES, LOG)}
    state["ledger"] = _rows(folder / ".selfopt" / "ledger.sqlite")
    state["log as the ledger knows it"] = verify(folder / ".selfopt").ok
    return state


def _text(path: Path) -> str | None:
    if not path.exists():
        return None
    return _TIMES.sub("", path.read_text(encoding="utf-8"))


def _rows(path: Path) -> list[Any]:
    if not path.exists():
        return []
    with open_ledger(path) as ledger:
        return [ledger.execute(query).fetchall() for query in _TABLES]


def points_of(step: Step, folder: Path) -> tuple[list[str], State]:
    """Return the names of all writes of a step, and the state after it."""
    work = copied(step.before, folder)
    log = folder / "points.txt"
    log.unlink(missing_ok=True)
    done = run(work, step.arguments, FAULT_LOG=str(log))
    assert done.returncode in (0, 1, 10), (step.name, done.returncode, done.stdout, done.stderr)
    return log.read_text().splitlines(), state_of(work)


def copied(project: Path, folder: Path) -> Path:
    """Return a fresh copy of a project in a folder; its name is always the same."""
    work = folder / "project"
    shutil.rmtree(work, ignore_errors=True)
    shutil.copytree(project, work, symlinks=True)
    return work


def outcome_of(interruption: Interruption, old: State, new: State, folder: Path) -> str:
    """Interrupt a step and start again; return "old" or "new", or what is wrong."""
    work = copied(interruption.step.before, folder)
    done = run(work, interruption.step.arguments, FAULT=interruption.kind, FAULT_AT=interruption.point)
    said = done.stdout + done.stderr
    wrong = _wrong_end(interruption, done.returncode, said)
    if wrong:
        return wrong
    whole = (old[FILES[0]], new[FILES[0]], _text(interruption.step.before / FILES[0]))
    if _text(work / FILES[0]) not in whole:
        return "an application would find a routing configuration that is neither old nor new"
    after = run(work, READING)
    if after.returncode or "Traceback" in after.stdout + after.stderr:
        return f"the next start ended with {after.returncode}: {after.stdout}{after.stderr}"
    if (work / ".selfopt" / "journal.json").exists():
        return "the next start left the journal"
    state = state_of(work)
    if state not in (old, new):
        return f"neither old nor new: {_differences(state, old)} from old, {_differences(state, new)} from new"
    if interruption.step.ends_in:
        return interruption.step.ends_in
    if state == new:
        return "new"
    if interruption.kind != "kill" and done.returncode == 0:
        return f"nothing was written, but the status is 0: {said[-800:]}"
    return "old"


def _wrong_end(interruption: Interruption, status: int, said: str) -> str:
    """Say what is wrong with how an interrupted step ended; empty if nothing is."""
    if interruption.kind == "kill" and status not in KILLED:
        return f"it was not killed but ended with {status}: {said[-800:]}"
    if "Traceback" in said or "INTERNALERROR" in said:
        return f"a traceback: {said[-800:]}"
    if interruption.kind in LASTING and "move it away" in said:
        return f"it is told to move away what is not at fault: {said[-800:]}"
    return ""


def _differences(state: State, other: State) -> str:
    return " and ".join(name for name in state if state[name] != other[name])


def prepared(folder: Path, server: ScriptedServer) -> list[Step]:
    """Return the steps, each with the project as it is before."""
    first = folder / "first"
    first.mkdir()
    write_project(first, Scenario(name="a promotion", script={}, settings=FEW), server)
    _must(run(first, (*SESSION, "--selfopt-seed=7", "--selfopt-no-promote")))
    cycle = _copy(first, folder / "cycle")
    killed = run(
        cycle, (*SESSION, "--selfopt-seed=7"), FAULT="kill", FAULT_AT="cycle 1 open .harness_feedback.json.tmp"
    )
    assert killed.returncode in KILLED, killed.stdout
    resumed = (*SESSION, "--selfopt-resume")
    undoing, ending = _copy(cycle, folder / "undoing"), _copy(cycle, folder / "ending")
    assert run(undoing, resumed, FAULT="kill", FAULT_AT="cycle 1 sql DELETE FROM step").returncode in KILLED
    assert run(ending, resumed, FAULT="kill", FAULT_AT="cycle 1 unlink journal.json").returncode in KILLED
    rollback = _copy(cycle, folder / "rollback")
    _must(run(rollback, resumed))
    enforce = _copy(rollback, folder / "enforce")
    accept = _copy(rollback, folder / "accept")
    CHANGES["last line edited"](accept / ".selfopt")
    recommendation = {
        "target": f"{MODEL}::other",
        "action": "disable_for_stateful",
        "reason": "0 of 7",
        "fallback": "ollama/llama3.2:3b",
    }
    (enforce / "feedback.json").write_text(json.dumps([recommendation]))
    return [
        Step(name="cycle", before=cycle, arguments=resumed),
        Step(name="selfopt enforce", before=enforce, arguments=(*COMMAND, "enforce", "feedback.json")),
        Step(name="selfopt rollback", before=rollback, arguments=(*COMMAND, "rollback")),
        Step(name="selfopt verify --accept", before=accept, arguments=(*COMMAND, "verify", "--accept", "checked")),
        Step(name="undoing an interrupted cycle", before=undoing, arguments=READING, ends_in="old"),
        Step(name="ending a completed cycle", before=ending, arguments=READING, ends_in="new"),
    ]


def _copy(project: Path, to: Path) -> Path:
    shutil.copytree(project, to)
    return to


def _must(done: subprocess.CompletedProcess[str]) -> None:
    assert done.returncode in (0, 1, 10), (done.returncode, done.stdout, done.stderr)


def proven(*, few: bool, kinds: Sequence[str] = KINDS) -> tuple[int, dict[str, str]]:
    """Interrupt every step at every write, or a few; return how many, and what was wrong by interruption."""
    wrong: dict[str, str] = {}
    total = 0
    with tempfile.TemporaryDirectory() as place, ScriptedServer({"rules": right(constrained=True)}) as server:
        folder = Path(place)
        for step in prepared(folder, server):
            points, new = points_of(step, folder)
            old = new
            if not step.ends_in:
                old = state_of(step.before)
                assert old != new, step.name
            chosen = [Interruption(step=step, kind=kind, point=point) for point in points for kind in kinds]
            if few:
                chosen = random.Random(SEED).sample(chosen, FEW_RUNS)
            ends = _all_outcomes(chosen, old, new, folder)
            total += len(ends)
            wrong.update({name: end for name, end in ends.items() if end not in ("old", "new")})
            counts = Counter(ends[name] for name in ends if name not in wrong)
            print(
                f"{step.name}: {len(points)} writes, {len(chosen)} interruptions: "
                f"{counts['old']} end in the old state, {counts['new']} in the new one, "
                f"{len(ends) - counts.total()} are wrong",
                flush=True,
            )
    return total, wrong


def _all_outcomes(chosen: Sequence[Interruption], old: State, new: State, folder: Path) -> dict[str, str]:
    """Return how each interruption ends; two at a time, each in a folder of its own."""
    places = [folder / "even", folder / "odd"]
    for place in places:
        place.mkdir(exist_ok=True)

    def outcomes(which: int) -> dict[str, str]:
        ours = chosen[which::2]
        return {each.name: outcome_of(each, old, new, places[which]) for each in ours}

    with ThreadPoolExecutor(max_workers=2) as pool:
        even, odd = pool.map(outcomes, (0, 1))
    return {**even, **odd}


def main() -> None:
    """Print how each kind of interruption ends; the status is 1 if any ends in neither state."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--few", action="store_true", help=f"only {FEW_RUNS} of each step")
    parser.add_argument("--kind", choices=KINDS, action="append", help="only faults of this kind")
    options = parser.parse_args()
    total, wrong = proven(few=options.few, kinds=options.kind or KINDS)
    for name, why in wrong.items():
        print(f"WRONG {name}: {why}")
    print(f"{total - len(wrong)} of {total} interrupted writes end in the old state or the new one")
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
