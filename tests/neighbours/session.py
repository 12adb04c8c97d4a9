"""One session of the matrix: its project, its process with a limit of time, and what is seen of it afterwards."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pytest_selfopt.models.scripted import ScriptedServer
from tests.ledger_file import open_ledger
from tests.neighbours.row import Mode, Row, Way
from tests.neighbours.truth import BASELINE, PASSES, VARIANTS, Trial, script, suite_lines

LIMIT_S = 60.0
"""How long a session may take, on a machine that does nothing else."""
IN_SESSION = Path(__file__).with_name("in_session")
MODEL = "scripted/model"
NOT_JUDGED = "not judged"
"""The outcome of a call that the ledger has, and that no body has judged."""
LEDGER = Path(".selfopt", "ledger.sqlite")
OPTIONS = {
    Mode.CYCLE: ("--selfopt-cycle", "--selfopt-no-report", "--selfopt-seed=7"),
    Mode.GATE: ("--selfopt-gate", "--selfopt-json=gate.json"),
    Mode.PLAIN: (),
}
PROCESSES = {Way.SERIAL: (), Way.DISTRIBUTED: ("-n2",)}
SETTINGS = """
[tool.pytest.ini_options]
{ini}
[tool.selfopt]
model = "{model}"
[tool.selfopt.models."{model}"]
base_url = "{url}"
[tool.selfopt.search]
variants = {variants}
timeouts = []
retries = []
isolation = []
warmup = []
[tool.selfopt.gate]
min_accuracy = 0.2
passes = {passes}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What the ledger says of a trial; `started` is in seconds since the epoch."""

    outcome: str
    error: str
    latency_s: float | None
    started: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What a gate says of a case."""

    trials: int
    passes: int
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported:
    """A report that pytest gave to its reporters."""

    item: str
    when: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a session came to; `status` is None if it was stopped at the limit of time."""

    status: int | None
    output: str
    began: float
    ended: float
    requests: int
    trials: Mapping[Trial, Recorded] = field(default_factory=dict)
    measured: Mapping[str, Measured] = field(default_factory=dict)
    reports: Sequence[Reported] = ()


def run_session(row: Row, mode: Mode, way: Way, python: str, folders: Sequence[Path], limit_s: float = LIMIT_S) -> Seen:
    """Run a session beside a neighbour whose packages are in some folders."""
    with tempfile.TemporaryDirectory(prefix="neighbour-") as place, ScriptedServer(script()) as server:
        project = Path(place, "project")
        _write_project(project, row, mode, server.base_url)
        log = Path(place, "reports")
        log.touch()
        command = [python, "-m", "pytest", "-p", "outcome_log", *OPTIONS[mode], *PROCESSES[way], *row.options]
        environment = _environment(row, log, folders)
        began = time.time()
        status, output = _run(command, project, environment, Path(place, "output"), limit_s)
        return Seen(
            status=status,
            output=output,
            began=began,
            ended=time.time(),
            requests=server.seen.asked,
            trials=_trials(project / LEDGER),
            measured=_measured(project / "gate.json"),
            reports=[Reported(**json.loads(line)) for line in log.read_text().splitlines()],
        )


def _environment(row: Row, log: Path, folders: Sequence[Path]) -> dict[str, str]:
    # What a build machine or a terminal says of itself is a neighbour's business in its own row only.
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "GITHUB_", "CI"))}
    paths = [str(IN_SESSION), *map(str, folders)]
    ours = {"OUTCOME_LOG": str(log), "PYTHONPATH": os.pathsep.join(paths), "NO_PROXY": "127.0.0.1", "COLUMNS": "200"}
    return {**kept, **ours, **row.environment}


def _write_project(project: Path, row: Row, mode: Mode, url: str) -> None:
    project.mkdir()
    variants = json.dumps(VARIANTS)
    settings = SETTINGS.format(ini=row.ini, model=MODEL, url=url, variants=variants, passes=PASSES)
    (project / "pyproject.toml").write_text(settings)
    (project / "items.jsonl").write_text("".join(json.dumps(line) + "\n" for line in suite_lines()))
    (project / "test_items.py").write_text(row.body)
    if mode is Mode.GATE:
        rule = {"model": MODEL, "phase": "atomic", "variant": BASELINE}
        (project / "routing_config.json").write_text(json.dumps({"version": 1, "rules": [rule]}))
    for name, text in row.files.items():
        (project / name).write_text(text)


def _run(
    command: Sequence[str], folder: Path, environment: Mapping[str, str], log: Path, limit_s: float
) -> tuple[int | None, str]:
    with log.open("w") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        status: int | None = None
        try:
            status = process.wait(limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    return status, log.read_text(errors="replace")


def _trials(ledger: Path) -> dict[Trial, Recorded]:
    if not ledger.exists():
        return {}
    found = {}
    with open_ledger(ledger) as connection:
        rows = connection.execute(
            "SELECT spec, \"case\", run, outcome, error_kind, latency_s, started FROM call WHERE purpose = 'trial'"
        ).fetchall()
    for spec, case, run, outcome, error, latency_s, started in rows:
        address = Trial(spec.split("/")[-4], _name(case), run)
        found[address] = Recorded(
            outcome=outcome or NOT_JUDGED, error=error or "", latency_s=latency_s, started=started
        )
    return found


def _measured(path: Path) -> dict[str, Measured]:
    if not path.exists():
        return {}
    found = {}
    for phase in json.loads(path.read_text())["phases"]:
        for spec in phase["specs"]:
            for case in spec["cases"]:
                found[_name(case["case"])] = Measured(
                    trials=case["trials"], passes=case["passes"], errors=case["errors"]
                )
    return found


def _name(case: str) -> str:
    """Return the name of a case without that of its suite."""
    return case.rpartition("/")[2]
