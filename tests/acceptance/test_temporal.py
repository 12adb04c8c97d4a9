"""`--selfopt-runner temporal`: the same trials as alone, through a real server and workers, whoever of them dies."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from pytest_selfopt.runners.cipher import KEY_VARIABLE
from pytest_selfopt.session.engines import QUIET, temporal_command
from tests.acceptance.conftest import CALLS, MODEL, RESTRAINT, Project, right, said
from tests.acceptance.test_gates import TWO_SPECS
from tests.acceptance.test_interruption import begin, wait_until

Make = Callable[..., Project]
CASES = CALLS + RESTRAINT
PLANNED = 2 * 3 * CASES
BETTER = {"rules": right(constrained=True)}
SECRET = "sk-planted-1234567890abcdef"
TEMPORAL = ("--selfopt-runner", "temporal")


class Engine:
    """A server on loopback that can be killed and started again, and the workers of a test."""

    def __init__(self, place: Path) -> None:
        self.place = place
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.url = f"127.0.0.1:{self.port}"
        self.workers: list[subprocess.Popen[str]] = []
        self.log = place / "server.log"
        self.start()

    def start(self) -> None:
        with self.log.open("a") as log:
            command = [*temporal_command(self.place, self.port), "--log-level", "debug"]
            self.server = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env={**os.environ, **QUIET})
        wait_until(self._answers)

    def _answers(self) -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        self.server.kill()
        self.server.wait()

    def work(self, made: Project, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start a worker in a project, and wait until it is there."""
        command = [sys.executable, "-m", "pytest_selfopt.cli", "worker", "temporal", "--models", MODEL]
        worker = subprocess.Popen(
            [*command, *arguments],
            cwd=made.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, **environment},
        )
        self.workers.append(worker)
        assert worker.stdout is not None
        assert "makes calls to" in worker.stdout.readline()
        return worker

    def close(self) -> None:
        for worker in self.workers:
            worker.kill()
            worker.communicate()
        self.kill()

    def holds(self, text: str) -> bool:
        """Whether a text stands in any file of the server's."""
        files = [path for path in self.place.rglob("*") if path.is_file()]
        assert files
        return any(text.encode() in path.read_bytes() for path in files)


@pytest.fixture
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with ExitStack() as held:
        engine = Engine(tmp_path_factory.mktemp("engine"))
        held.callback(engine.close)
        yield engine


def far(project: Make, engine: Engine, script: dict[str, Any] | None = None, *, heartbeat: float = 2) -> Project:
    """A project whose calls are made by workers, eight of them at a time."""
    made = project({**BETTER, **(script or {})})
    made.configure(
        f'max_concurrency = 8\n{TWO_SPECS}\n[tool.selfopt.temporal]\ntarget = "{engine.url}"\nheartbeat = {heartbeat}\n'
    )
    return made


def trials(path: Path) -> Counter[tuple[Any, ...]]:
    """What was asked, and how it was judged."""
    with sqlite3.connect(path / ".selfopt" / "ledger.sqlite") as ledger:
        rows = ledger.execute('SELECT spec, "case", run, outcome, called, reason, lane FROM call').fetchall()
    return Counter(rows)


def replies(path: Path) -> list[tuple[str, str]]:
    """What came back from the last cycle."""
    with sqlite3.connect(path / ".selfopt" / "ledger.sqlite") as ledger:
        query = "SELECT reply, error FROM call WHERE cycle = (SELECT max(cycle) FROM call)"
        return ledger.execute(query).fetchall()


def attempts(path: Path) -> int:
    with sqlite3.connect(path / ".selfopt" / "ledger.sqlite") as ledger:
        count: int = ledger.execute("SELECT sum(attempts) FROM call").fetchone()[0]
    return count


@pytest.mark.parametrize("way", ["", "-n2"])
def test_the_trials_and_the_verdict_are_those_of_a_session_that_asks_by_itself(
    project: Make, engine: Engine, way: str
) -> None:
    made = far(project, engine)
    assert made.run("--selfopt-cycle", "--selfopt-state-dir=alone").ret == 0
    (made.path / "alone").rename(made.path / "other")
    alone = json.loads((made.path / "other" / "meta_loop_history.json").read_text())["cycles"][0]
    (made.path / "routing_config.json").unlink()
    for _ in range(2):
        engine.work(made)
    asked = made.server.seen.asked
    result = made.run("--selfopt-cycle", *TEMPORAL, *filter(None, [way]))
    assert result.ret == 0, said(result)
    assert made.server.seen.asked - asked == PLANNED
    (made.path / ".selfopt").rename(made.path / "far")
    (made.path / "other").rename(made.path / ".selfopt")
    before = trials(made.path)
    (made.path / ".selfopt").rename(made.path / "other")
    (made.path / "far").rename(made.path / ".selfopt")
    assert trials(made.path) == before
    (cycle,) = made.history()
    assert cycle["winner"] == alone["winner"] is not None
    assert made.run("--selfopt-gate", *TEMPORAL).ret == 0
    made.run(*TEMPORAL).assert_outcomes(passed=CASES)


def test_calls_that_a_worker_is_lost_with_are_made_again_and_counted(project: Make, engine: Engine) -> None:
    made = far(project, engine, {"latency": 0.3})
    lost, _ = (engine.work(made, "--concurrency", "4") for _ in range(2))
    process = begin(made, *TEMPORAL)
    wait_until(lambda: made.server.seen.asked > 20)
    time.sleep(0.1)
    lost.kill()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert sum(trials(made.path).values()) == PLANNED
    twice = made.server.seen.asked - PLANNED
    assert 0 < twice <= 4
    # The server knows which calls it gave to the worker, not which of them the worker had come to ask.
    counted = attempts(made.path) - PLANNED
    assert twice <= counted <= 4
    assert f"{counted} calls were made twice, because a worker was lost with them" in " ".join(output.split())


def test_nothing_is_asked_twice_when_the_server_dies_and_comes_back(project: Make, engine: Engine) -> None:
    made = far(project, engine, {"latency": 0.2}, heartbeat=10)
    for _ in range(2):
        engine.work(made)
    process = begin(made, *TEMPORAL)
    wait_until(lambda: made.server.seen.asked > 20)
    engine.kill()
    time.sleep(1.0)
    engine.start()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert sum(trials(made.path).values()) == PLANNED
    assert made.server.seen.asked == PLANNED


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_a_session_that_is_ended_is_gone_on_with_and_asks_nothing_twice(
    project: Make, engine: Engine, how: signal.Signals
) -> None:
    made = far(project, engine, {"latency": 0.2})
    for _ in range(2):
        engine.work(made)
    process = begin(made, *TEMPORAL)
    wait_until(lambda: made.server.seen.asked > 20)
    process.send_signal(how)
    output, _ = process.communicate(timeout=20)
    wait_until(lambda: not made.server.seen.in_flight)
    time.sleep(0.5)
    before = made.server.seen.asked
    if how is signal.SIGINT:
        assert process.returncode == pytest.ExitCode.INTERRUPTED, output
        assert before < PLANNED
    result = made.run("--selfopt-cycle", "--selfopt-resume", *TEMPORAL)
    assert result.ret == 0, said(result)
    assert sum(trials(made.path).values()) == PLANNED
    aborted = 8 if how is signal.SIGINT else 0
    assert PLANNED <= made.server.seen.asked <= PLANNED + aborted


def test_without_a_server_or_a_worker_it_is_said_what_to_start(project: Make, engine: Engine) -> None:
    made = far(project, engine)
    began = time.monotonic()
    result = made.run("--selfopt-cycle", *TEMPORAL)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"no worker at {engine.url} makes calls to" in result.stderr.str()
    assert f"selfopt worker temporal --target {engine.url} --models" in result.stderr.str()
    engine.kill()
    result = made.run("--selfopt-cycle", *TEMPORAL)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"no Temporal server can be used at {engine.url}" in result.stderr.str()
    assert "selfopt engine temporal" in result.stderr.str()
    assert time.monotonic() - began < 20
    assert made.server.seen.asked == 0


def test_keys_and_prompts_of_sealed_calls_are_in_no_file_of_the_server(
    project: Make, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaky = {"when": {"prompt": "item 2."}, "then": {"status": 401, "message": f"the key {SECRET} is not valid"}}
    echo = {"when": {"prompt": "item 3."}, "then": {"text": f"You sent me {SECRET}."}}
    made = far(project, engine, {"rules": [leaky, echo, *right()]})
    keyed = f'[tool.selfopt.providers.scripted]\nwire = "openai"\nbase_url = "{made.server.base_url}"\n'
    (made.path / "pyproject.toml").write_text(
        f'[tool.selfopt]\nmodel = "{MODEL}"\ncandidates = 1\n{keyed}api_key_env = "PLANTED"\n'
        f'[tool.selfopt.temporal]\ntarget = "{engine.url}"\n'
    )
    engine.work(made, PLANTED=SECRET)
    made.run("--selfopt-cycle", *TEMPORAL)
    assert any(SECRET in "".join(headers.values()) for headers in made.server.seen.headers)
    assert "[key]" in str(replies(made.path))
    assert engine.holds("You sent me [key].")
    assert not engine.holds(SECRET)

    key = base64.b64encode(b"k" * 32).decode()
    monkeypatch.setenv(KEY_VARIABLE, key)
    echo["then"] = {"text": f"Now I was sent {SECRET}."}
    made.server.play({"rules": [leaky, echo, *right()]})
    result = made.run("--selfopt-cycle", *TEMPORAL)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"a message is not sealed: set {KEY_VARIABLE} where it comes from, too" in result.stderr.str(), said(result)
    engine.workers[0].terminate()
    engine.workers[0].wait()
    engine.work(made, PLANTED=SECRET, **{KEY_VARIABLE: key})
    made.run("--selfopt-cycle", *TEMPORAL)
    assert "Now I was sent [key]." in str(replies(made.path))
    assert not engine.holds("Now I was sent")


def test_a_call_that_is_too_long_for_the_server_is_an_error_and_others_are_made(project: Make, engine: Engine) -> None:
    made = far(project, engine)
    engine.work(made)
    lines = [json.loads(line) for line in (made.path / "items.jsonl").read_text().splitlines()]
    lines[-1]["prompt"] = "Hello " * 400_000
    made.write_suite(lines)
    result = made.run("--selfopt-cycle", *TEMPORAL)
    errors = Counter(row[3] for row in trials(made.path).elements())
    assert errors["error"] == PLANNED / CASES
    assert "bytes long, and the Temporal server takes 2,097,152 (its limit.blobSize.error)" in str(trials(made.path)), (
        said(result)
    )


def test_a_worker_that_is_told_to_end_finishes_its_calls(project: Make, engine: Engine) -> None:
    made = far(project, engine, {"latency": 0.5})
    first, _ = engine.work(made), engine.work(made)
    process = begin(made, *TEMPORAL)
    wait_until(lambda: made.server.seen.in_flight >= 4)
    first.terminate()
    assert first.wait(timeout=20) == 0
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert made.server.seen.asked == PLANNED


KILLER = """
import os, pathlib
from pytest_selfopt import Reply

class Killer:
    def __init__(self, model):
        pass

    def ask(self, request, *, timeout_s):
        if "item 5" in request.messages[-1].content:
            with open("deaths", "a") as deaths:
                deaths.write("x")
            os._exit(9)
        return Reply(text="hello")

    def abort(self):
        pass
"""


def test_a_call_that_no_worker_survives_is_given_up(project: Make, engine: Engine) -> None:
    made = far(project, engine)
    made.pytester.makepyfile(killer=KILLER)
    (made.path / "pyproject.toml").write_text(
        f'[tool.selfopt]\nmodel = "own/model"\ncandidates = 1\n[tool.selfopt.providers.own]\nclient = "killer:Killer"\n'
        f'max_concurrency = 1\n[tool.selfopt.temporal]\ntarget = "{engine.url}"\nheartbeat = 0.5\n'
    )
    body = "import pytest\n\n@pytest.mark.selfopt('items.jsonl')\ndef test_items(case, reply):\n    case.check(reply)\n"
    made.pytester.makepyfile(test_items=body)
    stop = made.path / "stop"
    keeper = subprocess.Popen(
        [
            "bash",
            "-c",
            f'until [ -e {stop} ]; do "$0" -m pytest_selfopt.cli worker temporal --models own/model; done',
            sys.executable,
        ],
        cwd=made.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(made.path)},
        start_new_session=True,
    )
    try:
        result = made.run(*TEMPORAL, "-rA")
    finally:
        stop.touch()
        os.killpg(keeper.pid, signal.SIGKILL)
        keeper.wait()
    assert "worker lost: 5 in a row ended while they made this call" in said(result)
    assert (made.path / "deaths").read_text() == "x" * 5
