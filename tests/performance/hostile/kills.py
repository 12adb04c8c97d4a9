"""kill -9 at random moments of cycles and commands in a row on one state directory, and what is left each time.

Half of the moments are drawn from the time that a process takes, the others from its writes: first a file, then one of
the writes to it. After each, the next start has to finish or undo what was begun, and nothing recorded may be missing.
"""

from __future__ import annotations

import json
import random
import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import jsonschema

from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.models.scripted import ScriptedServer
from pytest_selfopt.routing.config import read_config
from pytest_selfopt.routing.decision_chain import verify_log
from pytest_selfopt.routing.decisions import read_decisions
from tests import warm
from tests.acceptance.conftest import MODEL as SCRIPTED
from tests.acceptance.conftest import right, suite_lines
from tests.acceptance.test_automation import OTHER, able, capable
from tests.acceptance.test_crashes import SCHEMA
from tests.ledger_file import open_ledger
from tests.performance.hostile.figures import Fault, Figure, Figures
from tests.performance.hostile.project import ROOT, End, broken_ledger, faults_of, run, unreadable
from tests.performance.interrupted_writes import COMMAND, KILLED, READING, SESSION
from tests.performance.same import FEW, Scenario, write_project

KIND = "kill -9"
KILLS, FEW_KILLS = 200, 3
CHAPTER = 20
"""The kills after which the model and the prompts change, so that there is something to decide again."""
_SCRIPTS: Sequence[dict[str, Any]] = (
    capable(able("other")),
    {"rules": right(constrained=True)},
    {"rules": right(constrained=False)},
    {"rules": right()},
)
_LEDGER = ("ledger.sqlite", "ledger.sqlite-wal")
_FEEDBACK = [
    {"target": f"{SCRIPTED}::extended", "action": "disable_for_stateful", "reason": "0 of 7", "fallback": OTHER}
]
_ENFORCE = (*COMMAND, "enforce", "feedback.json")
_ROLLBACK = (*COMMAND, "rollback")


class KilledRuns:
    """Cycles and commands in one project, one after the other, killed at random moments."""

    def __init__(self, folder: Path, server: ScriptedServer, chance: random.Random) -> None:
        self._project = folder / "project"
        self._aside = folder / "aside"
        self._aside.mkdir()
        self._points = folder / "points.txt"
        self._server = server
        self._chance = chance
        self._seconds: dict[tuple[str, ...], float] = {}
        """The seconds that each undisturbed process took."""
        self._writes: defaultdict[tuple[str, ...], dict[str, list[str]]] = defaultdict(dict)
        """The writes of each process, by file."""
        self._project.mkdir()

    def begin_chapter(self, number: int) -> None:
        """Change the model and the prompts."""
        script = _SCRIPTS[number % len(_SCRIPTS)]
        self._server.play({**script, "latency": 0.005})
        if number == 0:
            settings = FEW + f'[tool.selfopt.phases.extended]\nfallback = "{OTHER}"\n'
            write_project(
                self._project, Scenario(name="", script=script, settings=settings, phase="extended"), self._server
            )
            (self._project / "feedback.json").write_text(json.dumps(_FEEDBACK))
        lines = [
            {**line, "prompt": f"{line['prompt']} ({number})"} if "prompt" in line else line for line in suite_lines()
        ]
        (self._project / "items.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))

    def kill_once(self) -> tuple[str, list[Fault]]:
        """Kill the next process, and start again; return when it was killed, and what is wrong."""
        while True:
            arguments = self._next_process()
            if tuple(arguments) not in self._seconds:
                faults = self._undisturbed(arguments)
                if faults:
                    return f"undisturbed {' '.join(arguments[2:])}", faults
                continue
            when, end = self._killed(arguments)
            name = f"{' '.join(arguments[2:])}, {when}"
            if end.status in KILLED:
                return name, self._faults_after(end)
            faults = faults_of(end, self._project)
            if faults:
                return name, faults

    def _next_process(self) -> tuple[str, ...]:
        if self._last_status() == "running":
            return (*SESSION, "--selfopt-resume")
        ways = [SESSION] * 6 + [(*SESSION, "--selfopt-prove")] + [_ENFORCE, _ROLLBACK]
        return self._chance.choice(ways)

    def _undisturbed(self, arguments: tuple[str, ...]) -> list[Fault]:
        """Run a process to its end; note how long it takes and what it writes."""
        self._points.unlink(missing_ok=True)
        began = time.monotonic()
        end = run(self._project, arguments, FAULT_LOG=str(self._points))
        self._seconds[arguments] = time.monotonic() - began
        by_file = self._writes[arguments]
        if self._points.exists():
            for point in self._points.read_text().splitlines():
                file = "ledger.sqlite" if " sql " in point else point.rpartition(" ")[2]
                by_file.setdefault(file, []).append(point)
        return faults_of(end, self._project)

    def finish(self) -> list[Fault]:
        """Run a whole session; return what is wrong after it."""
        arguments = (*SESSION, "--selfopt-resume") if self._last_status() == "running" else SESSION
        return [*self._undisturbed(arguments), *self._temporaries(), *self._divided()]

    def _temporaries(self) -> Iterator[Fault]:
        """Yield a fault if files that a killed process was writing are left after a whole session."""
        left = [path.name for path in self._project.rglob("*.tmp")]
        if left:
            yield Fault(figure=Figure.OTHER, detail=f"left after a whole session: {left}")

    def _killed(self, arguments: tuple[str, ...]) -> tuple[str, End]:
        """Kill a process at a random moment; return the moment, and how it ended if it was sooner."""
        by_file = self._writes[arguments]
        if by_file and self._chance.random() < 0.5:
            point = self._chance.choice(by_file[self._chance.choice(sorted(by_file))])
            return point, run(self._project, arguments, FAULT_AT=point)
        seconds = self._chance.uniform(0, self._seconds[arguments])
        done = warm.run_and_kill(self._project, *arguments, after_s=seconds, PYTHONPATH=str(ROOT))
        return f"after {seconds:.3f} s", End(status=done.returncode, printed=done.stdout + done.stderr)

    def _last_status(self) -> str:
        rows = self._rows("SELECT status FROM cycle ORDER BY id DESC LIMIT 1")
        return str(rows[0][0]) if rows else ""

    def _rows(self, query: str) -> list[Any]:
        """Ask a copy of the ledger, so that the next start finds it as the killed process left it."""
        state = self._project / ".selfopt"
        if not (state / _LEDGER[0]).exists():
            return []
        for name in _LEDGER:
            (self._aside / name).unlink(missing_ok=True)
            if (state / name).exists():
                shutil.copy(state / name, self._aside / name)
        with open_ledger(self._aside / _LEDGER[0]) as ledger:
            if not ledger.execute("SELECT name FROM sqlite_master WHERE name = 'call'").fetchall():
                return []
            return ledger.execute(query).fetchall()

    def _faults_after(self, end: End) -> list[Fault]:
        """Return what is wrong with what a killed process left, and with the next start."""
        faults = [*faults_of(End(status=0, printed=end.printed), self._project), *self._broken_config()]
        calls = {row[0] for row in self._rows("SELECT id FROM call")}
        after = run(self._project, READING)
        faults += faults_of(after, self._project, (0, 1, 4) if not calls else (0,))
        state = self._project / ".selfopt"
        if (state / "journal.json").exists():
            faults.append(Fault(figure=Figure.OTHER, detail=f"the next start left the journal: {after.printed}"))
        if (state / _LEDGER[0]).exists():
            faults += broken_ledger(self._project)
        missing = calls - {row[0] for row in self._rows("SELECT id FROM call")}
        if missing:
            faults.append(Fault(figure=Figure.CALLS, detail=f"{len(missing)} calls that were recorded are gone"))
        faults += [*unreadable(self._project), *self._broken_config(), *self._divided()]
        return faults

    def _broken_config(self) -> Iterator[Fault]:
        path = self._project / "routing_config.json"
        if path.exists():
            try:
                jsonschema.Draft7Validator(SCHEMA).validate(json.loads(path.read_text()))
                read_config(path)
            except (ValueError, jsonschema.ValidationError, SelfoptError) as problem:
                yield Fault(figure=Figure.OTHER, detail=f"the routing configuration is not whole: {problem}")

    def _divided(self) -> Iterator[Fault]:
        """Yield a fault where ledger, history and decisions log do not tell of the same cycles."""
        state = self._project / ".selfopt"
        history = state / "meta_loop_history.json"
        decided = {row[0] for row in self._rows("SELECT id FROM cycle WHERE status = 'decided'")}
        told: set[int] = set()
        if history.exists():
            told = {entry["cycle"] for entry in json.loads(history.read_text())["cycles"] if "status" not in entry}
        if told != decided:
            yield Fault(figure=Figure.OTHER, detail=f"history tells of {told ^ decided} and the ledger does not, or so")
        log = state / "routing_decisions.jsonl"
        if log.exists():
            verified = verify_log(log)
            # The next decision repairs a line that was cut off.
            torn = not log.read_bytes().endswith(b"\n") and verified.broken_line == verified.lines
            if not verified.ok and not torn:
                yield Fault(figure=Figure.OTHER, detail=f"the decisions log does not hold: {verified}")
            entries = [(entry["cycle"], entry["kind"], entry["original_model"]) for entry in read_decisions(log)]
            twice = {entry for entry, times in Counter(entries).items() if times > 1 and entry[0]}
            if twice:
                yield Fault(figure=Figure.OTHER, detail=f"decided twice: {twice}")


def play(figures: Figures, folder: Path, seed: int, *, short: bool) -> None:
    """Kill processes in a row, and bring the last cycle to its end."""
    chance = random.Random(f"{seed} kills")
    kills = FEW_KILLS if short else KILLS
    with ScriptedServer({}) as server:
        runs = KilledRuns(folder, server, chance)
        for number in range(kills):
            if number % CHAPTER == 0:
                runs.begin_chapter(number // CHAPTER)
            name, faults = runs.kill_once()
            figures.add(KIND, f"kill {number} of seed {seed}: {name}", faults)
            if number % CHAPTER == CHAPTER - 1:
                figures.add(KIND, f"a whole session after kill {number} of seed {seed}", runs.finish(), inputs=0)
