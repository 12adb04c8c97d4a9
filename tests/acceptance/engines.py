"""Real servers of the engines that carry calls, and workers, which can be killed and started again."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytest_selfopt.execution.dev_servers import SERVERS
from tests import warm
from tests.acceptance.conftest import CALLS, MODEL, RESTRAINT, Project, right, suite_lines
from tests.acceptance.test_gates import TWO_SPECS
from tests.acceptance.test_interruption import wait_until
from tests.ledger_file import open_ledger
from tests.servers import free_port

Make = Callable[..., Project]
CASES = int(os.environ.get("SELFOPT_ENGINE_CASES", CALLS + RESTRAINT))
PLANNED = 2 * 3 * CASES
MOST = 8 if CASES == CALLS + RESTRAINT else 128
"""Calls under way at a time, over all workers."""
BETTER = {"rules": right(constrained=True)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What is an engine's own."""

    name: str
    called: str
    talkative: tuple[str, ...]
    address: str
    """The key of its address in the settings, and how an address stands there."""
    silence: str
    """The key of the seconds of silence after which a worker is taken for lost."""
    longer_than_away_s: float
    """A silence within which a server that is started again is there, if nothing may be asked twice then."""
    most_bytes: str
    """What it says of a call that is too long."""


KINDS = {
    "nats": Kind(
        name="nats",
        called="NATS",
        talkative=("-D",),
        address='servers = ["{}"]',
        silence="ack_wait",
        longer_than_away_s=2,
        most_bytes="the NATS server accepts only 1,048,576 (max_payload)",
    ),
    "temporal": Kind(
        name="temporal",
        called="Temporal",
        talkative=("--log-level", "debug"),
        address='target = "{}"',
        silence="heartbeat",
        longer_than_away_s=10,
        most_bytes="the Temporal server accepts only 2,097,152 (its limit.blobSize.error)",
    ),
}


class Engine:
    """A server on loopback that can be killed and started again, and the workers of a test.

    What is under way there has a `name` of its own, so that a server can serve one test after the other. If it `talks`,
    it writes all that it does to its log.
    """

    def __init__(
        self, kind: Kind, place: Path, name: str = "selfopt", *, talks: bool = False, more: tuple[str, ...] = ()
    ) -> None:
        self.kind = kind
        self.place = place
        self.name = name
        server = SERVERS[kind.name](place, free_port())
        if talks:
            more = (*more, *kind.talkative)
        self._server = replace(server, command=(*server.command, *more))
        self.url = server.address
        self.use = ("--selfopt-runner", kind.name)
        self.workers: list[subprocess.Popen[str]] = []
        self.start()

    def start(self) -> None:
        self.running = self._server.start()
        wait_until(lambda: self._server.listens(self.running))

    def kill(self) -> None:
        self.running.kill()
        self.running.wait()

    def settings(self, silence_s: float = 2) -> str:
        """The table of this engine in the settings."""
        address = self.kind.address.format(self.url)
        table = f"[tool.selfopt.{self.kind.name}]"
        return f'{table}\n{address}\n{self.kind.silence} = {silence_s}\nname = "{self.name}"\n'

    def work(
        self, made: Project, *arguments: str, python: str | None = None, **environment: str
    ) -> subprocess.Popen[str]:
        """Start a worker in a project by an interpreter (a warm one), and wait until it is there."""
        return self.work_in(made.path, *arguments, python=python, **environment)

    def work_in(
        self, folder: Path, *arguments: str, python: str | None = None, **environment: str
    ) -> subprocess.Popen[str]:
        """Start a worker in the folder of a project."""
        module = [python or warm.python(), "-m", "pytest_selfopt.cli"]
        command = [*module, "worker", self.kind.name, "--models", MODEL]
        worker = subprocess.Popen(
            [*command, *arguments],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **environment},
        )
        self.workers.append(worker)
        assert worker.stdout is not None
        said = worker.stdout.readline()
        assert "makes calls to" in said, said
        return worker

    def end_workers(self) -> None:
        while self.workers:
            worker = self.workers.pop()
            worker.kill()
            worker.communicate()

    def close(self) -> None:
        self.end_workers()
        self.kill()

    def holds(self, text: str) -> bool:
        """Whether a text stands in any file of the server's."""
        files = [path for path in self.place.rglob("*") if path.is_file()]
        assert files
        return any(text.encode() in path.read_bytes() for path in files)


def far(project: Make, engine: Engine, script: dict[str, Any] | None = None, *, silence_s: float = 2) -> Project:
    """A project whose calls are made by workers, a few of them at a time."""
    made = project({**BETTER, **(script or {})})
    lines = suite_lines()
    hello = {key: value for key, value in lines[-1].items() if key != "id"}
    more_lines = range(CASES - CALLS - RESTRAINT)
    made.write_suite([*lines, *({**hello, "id": f"more-{n}", "prompt": f"Hello, number {n}!"} for n in more_lines)])
    made.configure(f"max_concurrency = {MOST}\n{TWO_SPECS}\n{engine.settings(silence_s)}")
    return made


def trials(path: Path) -> Counter[tuple[Any, ...]]:
    """What was asked, and how it was judged."""
    with open_ledger(path / ".selfopt" / "ledger.sqlite") as ledger:
        rows = ledger.execute('SELECT spec, "case", run, outcome, called, reason, lane FROM call').fetchall()
    return Counter(rows)


def replies(path: Path) -> list[tuple[str, str]]:
    """What came back from the last cycle."""
    with open_ledger(path / ".selfopt" / "ledger.sqlite") as ledger:
        query = "SELECT reply, error FROM call WHERE cycle = (SELECT max(cycle) FROM call)"
        return ledger.execute(query).fetchall()


def attempts(path: Path) -> int:
    """How often models were asked."""
    with open_ledger(path / ".selfopt" / "ledger.sqlite") as ledger:
        count: int = ledger.execute("SELECT sum(attempts) FROM call").fetchone()[0]
    return count
