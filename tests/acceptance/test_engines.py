"""Calls through NATS and Temporal: the same trials as alone, with real servers and workers, whoever of them dies.

`SELFOPT_ENGINE_TRIES=10 SELFOPT_ENGINE_CASES=86 uv run pytest tests/acceptance/test_engines.py -k once` kills each of
them ten times, among 516 calls.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import accumulate
from pathlib import Path
from typing import Any

import psutil
import pytest

from pytest_selfopt.runners.cipher import KEY_VARIABLE
from tests import warm
from tests.acceptance.conftest import BODY, MODEL, right, said
from tests.acceptance.engines import BETTER, CASES, KINDS, MOST, PLANNED, Engine, Make, attempts, far, replies, trials
from tests.acceptance.test_distributed import forget
from tests.acceptance.test_gates import TWO_SPECS
from tests.acceptance.test_interruption import begin, wait_until
from tests.ledger_file import open_ledger
from tests.performance.engine_faults.bench import noise

TRIES = range(int(os.environ.get("SELFOPT_ENGINE_TRIES", "1")))
SECRET = "sk-planted-1234567890abcdef"


@pytest.fixture(params=KINDS)
def own_engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A server for this test alone, which may kill it and look into its files."""
    with ExitStack() as held:
        engine = Engine(KINDS[request.param], tmp_path_factory.mktemp("engine"), talks=True)
        held.callback(engine.close)
        yield engine


def test_engines_give_the_local_trials_and_verdict(project: Make, engine: Engine) -> None:
    made = far(project, engine)
    assert made.run("--selfopt-cycle").ret == 0
    before, (alone,) = trials(made.path), made.history()
    assert alone["winner"] is not None
    for _ in range(2):
        engine.work(made)
    for way in ("-n0", "-n2"):
        forget(made)
        result = made.run("--selfopt-cycle", *engine.use, way)
        assert result.ret == 0, said(result)
        assert made.server.seen.asked == PLANNED
        assert trials(made.path) == before, way
        (cycle,) = made.history()
        assert cycle["winner"] == alone["winner"]
        assert made.run("--selfopt-gate", *engine.use).ret == 0
        made.run(*engine.use).assert_outcomes(passed=CASES)


def test_limits_hold_over_all_workers(project: Make, engine: Engine) -> None:
    """Of the server's eight calls at a time one model may have three, the other all eight."""
    made = project({**BETTER, "latency": 0.25})
    made.configure(
        f'max_concurrency = 3\n[tool.selfopt.models."scripted/other"]\nbase_url = "{made.server.base_url}"\n'
        f'max_concurrency = 8\n[tool.selfopt.phases.other]\nbaseline = "scripted/other/other/schema/t60/r1/i0"\n'
        f"{TWO_SPECS}\n{engine.settings()}"
    )
    other = BODY.replace("test_items", "test_other").replace('"items.jsonl"', '"items.jsonl", phase="other"')
    made.pytester.makepyfile(test_other=other)
    for _ in range(2):
        engine.work(made, "--concurrency", "32")
    assert made.run("--selfopt-cycle", *engine.use).ret == 0
    assert made.server.seen.most_in_flight == 8
    assert most_together(made.path, "scripted/model") == 3
    assert most_together(made.path, "scripted/other") == 8


def most_together(path: Path, model: str) -> int:
    """How many calls to a model were under way at a time."""
    with open_ledger(path / ".selfopt" / "ledger.sqlite") as ledger:
        times = ledger.execute("SELECT started, ended FROM call WHERE lane = ?", (model,)).fetchall()
    steps = sorted([(began, 1) for began, _ in times] + [(ended, -1) for _, ended in times])
    return max(accumulate(step for _, step in steps))


def test_a_pinned_model_gets_a_replacement_worker(project: Make, engine: Engine) -> None:
    made = far(project, engine, {"latency": 0.2})
    (made.path / "pyproject.toml").write_text(
        (made.path / "pyproject.toml").read_text().replace("max_concurrency = 8", "max_concurrency = 8\npinned = true")
    )
    workers = [engine.work(made, "--concurrency", "2", python=sys.executable) for _ in range(2)]
    process = begin(made, *engine.use)
    wait_until(lambda: made.server.seen.asked > 10)
    assert made.server.seen.most_in_flight == 2
    busy = [one for one in workers if any(made.server.port == link.raddr.port for link in links(one) if link.raddr)]
    assert len(busy) == 1
    wait_until(lambda: made.server.seen.in_flight > 0)
    busy[0].kill()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert sum(trials(made.path).values()) == PLANNED
    assert 0 < made.server.seen.asked - PLANNED <= 2


def links(process: subprocess.Popen[str]) -> list[Any]:
    found: list[Any] = psutil.Process(process.pid).net_connections()
    return found


@pytest.mark.parametrize("turn", TRIES)
def test_a_lost_workers_calls_are_stored_once(project: Make, engine: Engine, turn: int) -> None:
    made = far(project, engine, {"latency": 0.15})
    lost, _ = (engine.work(made, "--concurrency", str(MOST // 2)) for _ in range(2))
    process = begin(made, *engine.use)
    wait_until(lambda: made.server.seen.asked > 20 + turn * 7)
    lost.kill()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert sum(trials(made.path).values()) == PLANNED
    twice = made.server.seen.asked - PLANNED
    assert 0 < twice <= MOST // 2
    # A worker may be killed between its word that it begins and the call.
    counted = attempts(made.path) - PLANNED
    assert twice <= counted <= MOST // 2
    assert f"{counted} calls were made twice, because a worker was lost with them" in " ".join(output.split())


@pytest.mark.parametrize("turn", TRIES)
def test_a_server_restart_repeats_no_call(project: Make, own_engine: Engine, turn: int) -> None:
    made = far(project, own_engine, {"latency": 0.1}, silence_s=own_engine.kind.longer_than_away_s)
    for _ in range(2):
        own_engine.work(made)
    process = begin(made, *own_engine.use)
    wait_until(lambda: made.server.seen.asked > 20 + turn * 7)
    own_engine.kill()
    time.sleep(1.0)
    own_engine.start()
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert sum(trials(made.path).values()) == PLANNED
    assert made.server.seen.asked == attempts(made.path) == PLANNED


ANSWERED = 20
REFUSED = {"status": 429, "body": '{"error": {"code": "insufficient_quota", "message": "Your quota is used up."}}'}


def test_a_spent_quota_stops_the_session(project: Make, engine: Engine) -> None:
    spent = {"when": {"after": ANSWERED}, "then": REFUSED}
    made = far(project, engine, {"rules": [spent, *BETTER["rules"]], "latency": 0.02})
    engine.work(made)
    result = made.run("--selfopt-cycle", *engine.use)
    assert result.ret == 10, said(result)
    assert f"{MODEL} takes no more calls: HTTP status 429: Your quota is used up." in said(result)
    refused = made.server.seen.asked - ANSWERED
    assert 0 < refused <= MOST
    assert "nothing was promoted or rewritten" in said(result)
    engine.end_workers()
    made.server.play(BETTER)
    engine.work(made)
    resumed = made.run("--selfopt-cycle", "--selfopt-resume", *engine.use)
    assert resumed.ret in (0, 10), said(resumed)
    # What a worker has stored as refused is recorded as that; all else is asked.
    # Too many errors for three passes may end the race of the candidate, never that of the baseline.
    assert (3 + 1) * CASES <= made.server.seen.asked <= PLANNED + refused
    assert (3 + 1) * CASES <= sum(trials(made.path).values()) <= PLANNED


@pytest.mark.parametrize("turn", TRIES)
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_an_ended_session_resumes_and_stores_once(
    project: Make, engine: Engine, how: signal.Signals, turn: int
) -> None:
    made = far(project, engine, {"latency": 0.1})
    for _ in range(2):
        engine.work(made)
    process = begin(made, *engine.use)
    wait_until(lambda: made.server.seen.asked > 20 + turn * 7)
    process.send_signal(how)
    output, _ = process.communicate(timeout=120)
    wait_until(lambda: not made.server.seen.in_flight)
    time.sleep(0.5)
    before = made.server.seen.asked
    if how is signal.SIGINT:
        assert process.returncode == pytest.ExitCode.INTERRUPTED, output
        assert before < PLANNED
    result = made.run("--selfopt-cycle", "--selfopt-resume", *engine.use)
    assert result.ret == 0, said(result)
    assert sum(trials(made.path).values()) == PLANNED
    aborted = MOST if how is signal.SIGINT else 0
    assert PLANNED <= made.server.seen.asked <= PLANNED + aborted


def test_a_budget_is_used_but_never_exceeded(project: Make, engine: Engine) -> None:
    made = far(project, engine)
    for _ in range(2):
        engine.work(made)
    for budget in (20, 40):
        result = made.run("--selfopt-cycle", *engine.use, "--selfopt-max-calls", str(budget))
        assert result.ret == 10, said(result)
        assert f"the budget of {budget} calls (--selfopt-max-calls) is used up" in said(result)
        assert made.server.seen.asked == budget == attempts(made.path)
        forget(made)


@pytest.mark.timeout(120)
def test_a_missing_server_or_worker_is_named(project: Make, own_engine: Engine) -> None:
    made = far(project, own_engine)
    result = made.run("--selfopt-cycle", *own_engine.use)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"no worker at {own_engine.url} makes calls to" in result.stderr.str()
    assert f"selfopt worker {own_engine.kind.name} --target {own_engine.url} --models" in result.stderr.str()
    own_engine.kill()
    result = made.run("--selfopt-cycle", *own_engine.use)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"no usable {own_engine.kind.called} server at {own_engine.url}" in result.stderr.str()
    assert f"selfopt engine {own_engine.kind.name}" in result.stderr.str()
    assert made.server.seen.asked == 0


def test_sealed_keys_and_prompts_reach_no_file(
    project: Make, own_engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    leaky = {"when": {"prompt": "item 2."}, "then": {"status": 401, "message": f"the key {SECRET} is not valid"}}
    echo = {"when": {"prompt": "item 3."}, "then": {"text": f"You sent me {SECRET}."}}
    made = far(project, own_engine, {"rules": [leaky, echo, *right()]})
    keyed = f'[tool.selfopt.providers.scripted]\nwire = "openai"\nbase_url = "{made.server.base_url}"\n'
    (made.path / "pyproject.toml").write_text(
        f'[tool.selfopt]\nmodel = "{MODEL}"\ncandidates = 1\n{keyed}api_key_env = "PLANTED"\n{own_engine.settings()}'
    )
    own_engine.work(made, PLANTED=SECRET)
    made.run("--selfopt-cycle", *own_engine.use)
    assert any(SECRET in "".join(headers.values()) for headers in made.server.seen.headers)
    assert "[key]" in str(replies(made.path))
    assert own_engine.holds("You sent me [key].")
    assert not own_engine.holds(SECRET)

    key = base64.b64encode(b"k" * 32).decode()
    monkeypatch.setenv(KEY_VARIABLE, key)
    echo["then"] = {"text": f"Now I was sent {SECRET}."}
    made.server.play({"rules": [leaky, echo, *right()]})
    result = made.run("--selfopt-cycle", *own_engine.use)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert f"a message is not sealed; set {KEY_VARIABLE} at its sender, too" in said(result) + result.stderr.str()
    own_engine.workers[0].terminate()
    own_engine.workers[0].wait()
    own_engine.work(made, PLANTED=SECRET, **{KEY_VARIABLE: key})
    made.run("--selfopt-cycle", *own_engine.use)
    assert "Now I was sent [key]." in str(replies(made.path))
    assert not own_engine.holds("Now I was sent")


def test_an_oversized_call_is_an_isolated_error(project: Make, engine: Engine) -> None:
    made = far(project, engine)
    engine.work(made)
    lines = [json.loads(line) for line in (made.path / "items.jsonl").read_text().splitlines()]
    lines[-1]["prompt"] = "Hello " + noise(2_400_000, 0)
    made.write_suite(lines)
    result = made.run("--selfopt-cycle", *engine.use)
    errors = Counter(row[3] for row in trials(made.path).elements())
    # The candidate leaves after two passes: two errors are too many for three.
    assert errors["error"] == 3 + 2
    assert f"bytes long, but {engine.kind.most_bytes}" in str(trials(made.path)), said(result)


def test_a_stopping_worker_finishes_its_calls(project: Make, engine: Engine) -> None:
    made = far(project, engine, {"latency": 0.2})
    first, _ = engine.work(made), engine.work(made)
    process = begin(made, *engine.use)
    wait_until(lambda: made.server.seen.in_flight >= 4)
    first.terminate()
    assert first.wait(timeout=120) == 0
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


def test_a_call_killing_its_workers_is_abandoned(project: Make, engine: Engine) -> None:
    made = far(project, engine)
    made.pytester.makepyfile(killer=KILLER)
    (made.path / "pyproject.toml").write_text(
        f'[tool.selfopt]\nmodel = "own/model"\ncandidates = 1\n[tool.selfopt.providers.own]\nclient = "killer:Killer"\n'
        f"max_concurrency = 1\n{engine.settings(0.5)}"
    )
    body = "import pytest\n\n@pytest.mark.selfopt('items.jsonl')\ndef test_items(case, reply):\n    case.check(reply)\n"
    made.pytester.makepyfile(test_items=body)
    stop = made.path / "stop"
    keeper = subprocess.Popen(
        [
            "bash",
            "-c",
            f'until [ -e {stop} ]; do "$0" -m pytest_selfopt.cli worker {engine.kind.name} --models own/model; done',
            warm.python(),
        ],
        cwd=made.path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "PYTHONPATH": str(made.path)},
        start_new_session=True,
    )
    try:
        result = made.run(*engine.use, "-rA")
    finally:
        stop.touch()
        os.killpg(keeper.pid, signal.SIGKILL)
        keeper.wait()
    assert "worker lost: 5 in a row ended while they made this call" in said(result)
    assert (made.path / "deaths").read_text() == "x" * 5
