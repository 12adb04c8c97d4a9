"""Hostile messages in the queues of NATS: beside each call of a session somebody else writes to all subjects.

They are changed, invented and copied results, beginnings, orders, answers of workers and calls; where messages are
sealed, also well-formed results that are not. Without a seal whoever reaches the server is trusted, so that copies are
accepted there.
"""

from __future__ import annotations

import base64
import json
import random
import shutil
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_selfopt.models.scripted import ScriptedServer
from pytest_selfopt.runners.cipher import KEY_VARIABLE
from tests.acceptance.conftest import BODY, MODEL, right, suite_lines
from tests.acceptance.engines import KINDS, Engine
from tests.ledger_file import open_ledger
from tests.performance.hostile.figures import Fault, Figure, Figures
from tests.performance.hostile.loop_thread import LoopThread
from tests.performance.hostile.mutation import KEY, mutate_bytes
from tests.performance.hostile.project import CYCLE, ONE_SPEC, End, broken_ledger, faults_of, recorded, run, unreadable
from tests.performance.hostile.project import KEY_VARIABLE as MODEL_KEY

if TYPE_CHECKING:
    from nats.aio.client import Client
    from nats.aio.msg import Msg

KIND = "queue messages"
SESSIONS, FEW_SESSIONS = 8, 2
FORGED = "forged answer"
_MARK = "Forged"
_PARTS_WITHOUT_MARK = 5
_NUMBERS = (b"NaN", b"inf", b"-1", b"1e400", b"", b"\xff", b"[1]", b"9" * 5_000, b"0x10")
_ORDERS = (
    b"",
    b"[]",
    b"null",
    b"\xff",
    b'{"cycle": 1, "cancel": "all"}',
    b'{"cancel": "all"}',
    b'{"give_up": [1]}',
    b"{" * 9_000,
)
_ANSWERS = (
    b"",
    b"[]",
    b"{}",
    b'{"name": 1}',
    b'{"name": "x", "providers": 7}',
    b'{"name": "\\ud800", "providers": [null]}',
    b"\x00",
)


class Forger(LoopThread):
    """Somebody who reads and writes on the server; knows only what can be seen there."""

    def __init__(self, address: str, name: str, chance: random.Random, plain: list[bytes]) -> None:
        """`plain` are results that were not sealed, of earlier sessions; none if these messages are not sealed."""
        super().__init__("forger")
        self.written = 0
        self._address = address
        self._name = name
        self._chance = chance
        self._plain = plain
        self.problems: list[Exception] = []
        """What went wrong with the forger itself."""
        self.reports: list[tuple[str, bytes]] = []
        """Results and beginnings of the workers, with their subjects."""

    async def begin(self) -> None:
        """Read everything that is written."""
        import nats

        self._nats: Client = await nats.connect(self._address, error_cb=self._note)
        await self._nats.subscribe(f"{self._name}.>", cb=self._read)
        await self._nats.flush()

    async def end(self) -> None:
        """Leave the server."""
        await self._nats.close()

    async def _note(self, problem: Exception) -> None:
        self.problems.append(problem)

    async def _read(self, message: Msg) -> None:
        if _MARK in (message.headers or {}):
            return
        _, kind, *_ = message.subject.split(".")
        if kind == "calls" and self._chance.random() < 0.5:
            await self._beside(message)
        elif kind == "results":
            self.reports.append((message.subject, message.data))
        elif kind == "workers" and message.reply:
            await self._write(message.reply, self._chance.choice(_ANSWERS), {})

    async def _beside(self, message: Msg) -> None:
        """Write something that concerns a call which was sent just now, or the queue as a whole."""
        *_, cycle, call = message.subject.split(".")
        headers = dict(message.headers or {})
        chance = self._chance
        way = chance.randrange(6)
        if way == 0:
            order = chance.choice(
                (*_ORDERS, b'{"cycle": "%b", "cancel": "all"}' % cycle.encode() if self._plain else b"")
            )
            for subject in ("control", f"control.{cycle}"):
                await self._write(f"{self._name}.{subject}", order, {})
            await self._write(f"{self._name}.holders", chance.choice((b"", b"\xff\xfe", b"nothing", b"a b c")), {})
        elif way == 1:
            subject = message.subject.replace(call, f"forged{self.written}")
            await self._write(subject, mutate_bytes(message.data, chance), headers)
        elif self.reports:
            subject, data = chance.choice(self.reports)
            if way == 2:
                data = mutate_bytes(data, chance)
            elif way == 3:
                data = chance.choice(_NUMBERS)
            elif way == 4 and self._plain:
                data = chance.choice(self._plain)
            await self._write(_of_call(subject, call), data, headers)

    async def _write(self, subject: str, data: bytes, headers: dict[str, str]) -> None:
        self.written += 1
        await self._nats.publish(subject, data, headers={**headers, _MARK: "1"})


def _of_call(subject: str, call: str) -> str:
    """Return the subject of a report as another call would have it, with a mark of its own."""
    parts = subject.split(".")
    parts[3] = call
    if len(parts) > _PARTS_WITHOUT_MARK:
        parts[4 if parts[-1] in ("result", "begun", "left") else -1] = "forged"
    return ".".join(parts)


def _forged(result: bytes) -> bytes | None:
    """Return a result with another text; None for what is no result."""
    try:
        value = json.loads(result)
        value["reply"]["text"] = FORGED
    except (ValueError, TypeError, KeyError):
        return None
    return json.dumps(value).encode()


def play(figures: Figures, folder: Path, seed: int, *, short: bool) -> None:
    """Run sessions beside a forger, half of them with sealed messages."""
    with ExitStack() as held:
        engine = Engine(KINDS["nats"], folder / "server")
        held.callback(engine.close)
        plain: list[bytes] = []
        for number in range(FEW_SESSIONS if short else SESSIONS):
            chance = random.Random(f"{seed} queues {number}")
            engine.name = f"hostile-{number}"
            sealed = number % 2 == 1
            forger = Forger(engine.url, engine.name, chance, plain if sealed else [])
            faults = faults_beside(forger, folder / f"project-{number}", engine, chance, sealed=sealed)
            if not sealed:
                plain += filter(None, (_forged(data) for _, data in forger.reports))
            engine.end_workers()
            kind = "sealed" if sealed else "not sealed"
            figures.add(KIND, f"session {number} of seed {seed}, {kind}", faults, inputs=forger.written)


def faults_beside(forger: Forger, project: Path, engine: Engine, chance: random.Random, *, sealed: bool) -> list[Fault]:
    """Run a session beside a forger; return what is wrong."""
    shutil.rmtree(project, ignore_errors=True)
    project.mkdir(parents=True)
    environment = {MODEL_KEY: KEY}
    if sealed:
        environment[KEY_VARIABLE] = base64.b64encode(chance.randbytes(32)).decode()
    script = {"rules": right(), "default": {"text": "Hello!"}}
    with ScriptedServer(script) as server, forger:
        _write(project, server, engine)
        worker = engine.work_in(project, **environment)
        end = run(project, (*CYCLE, "--selfopt-no-race", *engine.use), **environment)
        faults = [*faults_of(end, project), *unreadable(project)]
        if worker.poll() is not None:
            faults.append(Fault(figure=Figure.OTHER, detail=f"the worker ended with {worker.returncode}"))
        worker.terminate()
        printed, _ = worker.communicate(timeout=60)
        faults += faults_of(End(status=0, printed=printed), project)
        faults += _unaccounted(project, server, end)
        if sealed:
            faults += _forgeries(project)
        if forger.problems:
            faults.append(Fault(figure=Figure.OTHER, detail=f"the forger could not do its work: {forger.problems[:3]}"))
        return faults


def _write(project: Path, server: ScriptedServer, engine: Engine) -> None:
    (project / "pyproject.toml").write_text(
        f'[tool.selfopt]\nmodel = "{MODEL}"\n[tool.selfopt.models."{MODEL}"]\nbase_url = "{server.base_url}"\n'
        f'api_key_env = "{MODEL_KEY}"\n{ONE_SPEC}{engine.settings(5)}'
    )
    (project / "test_items.py").write_text(BODY)
    (project / "items.jsonl").write_text("".join(json.dumps(line) + "\n" for line in suite_lines()))


def _unaccounted(project: Path, server: ScriptedServer, end: End) -> list[Fault]:
    """Return the calls that are not in the ledger, and the answers there that no model gave."""
    if not (project / ".selfopt" / "ledger.sqlite").exists():
        return [Fault(figure=Figure.OTHER, detail=f"no call was recorded: {end.printed[-1_000:]}")]
    faults = list(broken_ledger(project))
    kept = recorded(project)
    if kept.attempts != server.seen.asked:
        detail = f"the model was asked {server.seen.asked} times; {kept}; {end.printed[-1_500:]}"
        faults.append(Fault(figure=Figure.CALLS, detail=detail))
    return faults


def _forgeries(project: Path) -> list[Fault]:
    """Return the answers that no model gave: all that it gives are right."""
    path = project / ".selfopt" / "ledger.sqlite"
    if not path.exists():
        return []
    with open_ledger(path) as ledger:
        query = "SELECT \"case\", reply FROM call WHERE outcome = 'miss' OR reply LIKE ?"
        rows: list[Any] = ledger.execute(query, (f"%{FORGED}%",)).fetchall()
    return [Fault(figure=Figure.FORGERIES, detail=f"{case}: {reply}") for case, reply in rows]
