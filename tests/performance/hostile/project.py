"""A project with a keyed model on a hostile server, its sessions and commands, and what is wrong after them."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests import warm
from tests.acceptance.conftest import BODY, WITHOUT
from tests.ledger_file import open_ledger
from tests.performance.hostile.figures import Fault, Figure
from tests.performance.hostile.mutation import ECHOES, KEY

ROOT = Path(__file__).parents[3]
MODEL = "hostile/model"
COMMAND = ("-m", "pytest_selfopt.cli")
SESSION = ("-m", "pytest", *WITHOUT, "-q")
CYCLE = (*SESSION, "--selfopt-cycle", "--selfopt-no-prove", "--selfopt-seed=7")
STATUSES = (0, 1, 2, 4, 10)
KEY_VARIABLE = "HOSTILE_KEY"
TRACES = ("Traceback (most recent call last)", "INTERNALERROR", "Fatal Python error")
ONE_SPEC = (
    "[tool.selfopt.search]\nvariants = []\ntimeouts = []\nretries = []\nisolation = []\nwarmup = []\n"
    "[tool.selfopt.gates]\nmin_samples = 3\n"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """How a process ended, and all that it printed; `status` is None for one that did not end."""

    status: int | None
    printed: str


def run(folder: Path, arguments: Sequence[str], **variables: str) -> End:
    """Run Python with arguments in a project, warm, with the key in its environment."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    try:
        done = warm.run(folder, *arguments, PYTHONPATH=path, **{KEY_VARIABLE: KEY, **variables})
    except subprocess.TimeoutExpired:
        return End(status=None, printed="")
    except UnicodeDecodeError as problem:
        return End(status=-1, printed=f"the output is not UTF-8: {problem}")
    return End(status=done.returncode, printed=done.stdout + done.stderr)


def write_project(folder: Path, address: str, *, wire: str = "openai", settings: str = ONE_SPEC) -> None:
    """Write the settings and the test module of a project whose model is at `address`."""
    if wire == "openai":
        address = f"{address}/v1"
    (folder / "pyproject.toml").write_text(
        f'[tool.selfopt]\nmodel = "{MODEL}"\n'
        f'[tool.selfopt.providers.hostile]\nwire = "{wire}"\nbase_url = "{address}"\nmax_concurrency = 16\n'
        f'api_key_env = "{KEY_VARIABLE}"\n'
        f'[tool.selfopt.phases.atomic]\nbaseline = "{MODEL}/atomic/native_api/t2/r0/i0"\n{settings}'
    )
    (folder / "test_items.py").write_text(BODY)


def faults_of(end: End, folder: Path, statuses: Sequence[int] = STATUSES) -> list[Fault]:
    """Return what is wrong with an end, whatever was tried: hangs, tracebacks, keys, and statuses of no meaning."""
    if end.status is None:
        return [Fault(figure=Figure.HANGS, detail=f"did not end within {warm.SECONDS} s")]
    faults = [Fault(figure=Figure.KEYS, detail=where) for where in _holders_of_key(end, folder)]
    if any(trace in end.printed for trace in TRACES):
        faults.append(Fault(figure=Figure.TRACEBACKS, detail=end.printed[-2_000:]))
    if end.status not in statuses:
        faults.append(Fault(figure=Figure.OTHER, detail=f"status {end.status}: {end.printed[-1_500:]}"))
    return faults


def _holders_of_key(end: End, folder: Path) -> Iterator[str]:
    """Yield the places that hold the key in any spelling."""
    for spelling in ECHOES.values():
        where = end.printed.find(spelling)
        if where >= 0:
            yield f"printed: {end.printed[max(0, where - 200) : where + 60]}"
    for path in files_of(folder):
        data = path.read_bytes()
        for spelling in ECHOES.values():
            where = data.find(spelling.encode())
            if where >= 0:
                yield f"{path.relative_to(folder)}: {data[max(0, where - 200) : where + 60]!r}"


def files_of(folder: Path) -> Iterator[Path]:
    """Yield the regular files of a project, but for the byte code of its modules."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() and not path.is_symlink() and "__pycache__" not in path.parts:
            yield path


def unreadable(folder: Path) -> Iterator[Fault]:
    """Yield a fault for each file of the state that another program could not read."""
    for path in (folder / "routing_config.json", *sorted((folder / ".selfopt").rglob("*.json"))):
        if not path.is_file():
            continue
        try:
            json.loads(path.read_bytes().decode("utf-8"), parse_constant=_refuse)
        except (ValueError, RecursionError) as problem:
            yield Fault(figure=Figure.OTHER, detail=f"{path.relative_to(folder)} is not strict JSON: {problem}")
    for path in sorted((folder / ".selfopt" / "reports").glob("*")):
        if path.suffix in (".html", ".md"):
            try:
                path.read_bytes().decode("utf-8")
            except UnicodeDecodeError as problem:
                yield Fault(figure=Figure.OTHER, detail=f"{path.relative_to(folder)} is not UTF-8: {problem}")


def _refuse(constant: str) -> Any:
    raise ValueError(f"{constant} is no JSON")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """What a ledger holds: calls and their attempts, and those that nothing was made of."""

    calls: int
    attempts: int
    unjudged: int


def recorded(folder: Path) -> Recorded:
    """Count what the ledger of a project holds."""
    path = folder / ".selfopt" / "ledger.sqlite"
    if not path.exists():
        return Recorded(calls=0, attempts=0, unjudged=0)
    with open_ledger(path) as ledger:
        query = "SELECT count(*), coalesce(sum(attempts), 0), coalesce(sum(outcome IS NULL), 0) FROM call"
        calls, attempts, unjudged = ledger.execute(query).fetchone()
    return Recorded(calls=calls, attempts=attempts, unjudged=unjudged)


def broken_ledger(folder: Path) -> Iterator[Fault]:
    """Yield a fault if the ledger is not whole."""
    try:
        with open_ledger(folder / ".selfopt" / "ledger.sqlite") as ledger:
            said = ledger.execute("PRAGMA integrity_check").fetchone()[0]
            foreign = ledger.execute("PRAGMA foreign_key_check").fetchall()
    except sqlite3.Error as problem:
        said, foreign = str(problem), []
    if said != "ok" or foreign:
        yield Fault(figure=Figure.CALLS, detail=f"the ledger is broken: {said} {foreign}")
