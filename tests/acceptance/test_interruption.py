"""Whatever ends a session: no process stays behind, no finished call is lost, the next session starts."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.models.config import EMBEDDED_MODELS
from pytest_selfopt.models.embedded import find_model_file
from pytest_selfopt.models.embedded_server import KEY_VARIABLE
from tests import warm
from tests.acceptance.conftest import WITHOUT, Project, right, said
from tests.ledger_file import open_ledger

Make = Callable[..., Project]


def begin(made: Project, *arguments: str, cold: bool = False) -> subprocess.Popen[str]:
    """Start a cycle; a `cold` one is the very process that is told of, and parent of all that it starts."""
    return subprocess.Popen(
        [sys.executable if cold else warm.python(), "-m", "pytest", *WITHOUT, "--selfopt-cycle", *arguments],
        cwd=made.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finished_calls(path: Path) -> int:
    with open_ledger(path / ".selfopt" / "ledger.sqlite") as ledger:
        count: int = ledger.execute("SELECT count(*) FROM call").fetchone()[0]
    return count


def finished_calls_if_any(path: Path) -> int:
    try:
        return finished_calls(path)
    except sqlite3.Error:
        return 0


def unfinished_calls(path: Path) -> int:
    with open_ledger(path / ".selfopt" / "ledger.sqlite") as ledger:
        count: int = ledger.execute("SELECT count(*) FROM call WHERE error LIKE '%cancelled%'").fetchone()[0]
    return count


def wait_until(condition: Callable[[], bool], seconds: float = 120.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def embedded_servers(session: psutil.Process) -> list[psutil.Process]:
    """The servers of embedded models among the processes of a session; one may end while it is looked at."""
    found = []
    for child in session.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if "embedded_server" in " ".join(child.cmdline()):
                found.append(child)
    return found


@pytest.mark.parametrize("after", [0, 1, 30, 60])
def test_ctrl_c_loses_no_finished_call(long_project: Make, after: int) -> None:
    made = long_project({"rules": right(), "latency": 0.4})
    process = begin(made)
    wait_until(lambda: len(made.server.seen.requests) > after)
    answered = len(made.server.seen.requests) - made.server.seen.in_flight
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, output
    assert "no decision: the session was interrupted" in " ".join(output.split())
    assert answered <= finished_calls(made.path) <= len(made.server.seen.requests)
    assert unfinished_calls(made.path) == 0
    assert not (made.path / "routing_config.json").exists()


CUT_OFF = """
import pathlib, threading, pytest
from pytest_selfopt.execution.dispatcher import Dispatcher

start = Dispatcher.start

def cut_off(self):
    start(self)
    raise KeyboardInterrupt

Dispatcher.start = cut_off

@pytest.hookimpl(tryfirst=True)
def pytest_unconfigure():
    names = [thread.name for thread in threading.enumerate()]
    pathlib.Path("threads").write_text(" ".join(names))
"""


def test_ctrl_c_while_calls_begin_ends_them(project: Make) -> None:
    made = project({"rules": right(), "latency": 0.2})
    made.pytester.makeconftest(CUT_OFF)
    result = made.run("--selfopt-cycle")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    assert "selfopt-dispatch" not in (made.path / "threads").read_text().split()
    assert "no decision: the session was interrupted" in said(result)


@pytest.mark.parametrize("workers", [(), ("-n2", "--max-worker-restart=0")], ids=["alone", "distributed"])
def test_interrupted_collection_ends_as_pytests_own(project: Make, workers: tuple[str, ...]) -> None:
    made = project({"rules": right()})
    made.pytester.makepyfile(test_later="raise KeyboardInterrupt")
    interrupted = made.run("test_later.py", "--selfopt-cycle", *workers)
    made.pytester.makepyfile(test_later="def test_nothing():\n    pass")
    made.pytester.makeconftest("import pytest\ndef pytest_collection_modifyitems():\n    pytest.exit('enough')")
    exited = made.run("test_later.py", "--selfopt-gate", *workers)
    collected = made.run("test_items.py", "--selfopt-cycle", *workers)
    for result in (interrupted, exited, collected):
        assert result.ret == pytest.ExitCode.INTERRUPTED, said(result)
        assert "no benchmark was collected" not in said(result) + result.stderr.str()
    assert not made.server.seen.asked


def test_kill_9_loses_no_finished_call(project: Make) -> None:
    made = project({"rules": right(), "latency": 0.1})
    process = begin(made)
    wait_until(lambda: len(made.server.seen.requests) > 40)
    answered = len(made.server.seen.requests) - made.server.seen.in_flight
    process.kill()
    process.communicate()
    # what was answered but not yet read, or not yet on disk, is all that may be missing: both for each of eight slots
    assert finished_calls(made.path) >= answered - 2 * 8
    result = made.run("--selfopt-cycle")
    assert result.ret == 0
    assert "selfopt cycle 2" in said(result)
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        assert ledger.execute("SELECT status FROM cycle").fetchall() == [("interrupted",), ("decided",)]


def test_a_concurrent_cycle_is_refused_naming_the_holder(project: Make) -> None:
    made = project({"rules": right(), "latency": 0.2})
    process = begin(made, cold=True)
    wait_until(lambda: bool(made.server.seen.requests))
    result = made.run("--selfopt-cycle")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    refusal = result.stderr.str()
    assert f"process {process.pid} on " in refusal
    assert re.search(r"since \d{4}-\d\d-\d\dT.*-m pytest .*--selfopt-cycle", refusal)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)


@pytest.mark.parametrize("workers", [(), ("-n2",)], ids=["alone", "distributed"])
def test_a_cycle_whose_lock_was_taken_ends(project: Make, workers: tuple[str, ...]) -> None:
    made = project({"rules": right(), "latency": 0.5})
    process = begin(made, *workers)
    wait_until(lambda: finished_calls_if_any(made.path) > 20)
    other = made.path / "other"
    other.write_text('{"pid": 7, "host": "elsewhere", "token": "theirs"}')
    other.rename(made.path / ".selfopt" / "lock")
    output, _ = process.communicate(timeout=120)
    assert process.returncode == pytest.ExitCode.USAGE_ERROR, output
    assert "process 7 on elsewhere has taken it" in " ".join(output.split())
    assert "Traceback" not in output
    assert not (made.path / "routing_config.json").exists()
    assert not (made.path / ".selfopt" / "meta_loop_history.json").exists()
    assert '"theirs"' in (made.path / ".selfopt" / "lock").read_text()
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        assert ledger.execute("SELECT status FROM cycle").fetchall() == [("running",)]


def test_a_full_disk_ends_with_a_sentence(project: Make) -> None:
    made = project({"rules": right()})
    Ledger(made.path / ".selfopt" / "ledger.sqlite").close()
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        ledger.execute(
            "CREATE TRIGGER full BEFORE INSERT ON call WHEN (SELECT count(*) FROM call) >= 20 "
            "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        )
    result = made.run("--selfopt-cycle")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "database or disk is full" in said(result)
    assert "Traceback" not in said(result)
    assert finished_calls(made.path) == 20
    assert not (made.path / "routing_config.json").exists()


def test_an_unneeded_server_ends_while_loading() -> None:
    pytest.importorskip("xllamacpp", reason="the embedded model is an extra: uv sync installs it")
    path = find_model_file(EMBEDDED_MODELS["embedded/smollm2-135m"])
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest_selfopt.models.embedded_server", str(path), "0", "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, KEY_VARIABLE: "key"},
    )
    for pipe in (process.stdin, process.stdout):
        assert pipe is not None
        pipe.close()
    assert process.wait(timeout=120) == 0


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_the_embedded_server_ends_with_the_session(project: Make, how: signal.Signals) -> None:
    pytest.importorskip("xllamacpp", reason="the embedded model is an extra: uv sync installs it")
    made = project()
    process = begin(made, "--selfopt-baseline", "embedded/smollm2-135m/atomic/native_api/t60/r1/i0", cold=True)
    session = psutil.Process(process.pid)
    servers: list[psutil.Process] = []

    def serving() -> bool:
        servers.extend(embedded_servers(session))
        return bool(servers)

    wait_until(serving, 30)
    os.kill(process.pid, how)
    process.communicate(timeout=120)
    _, alive = psutil.wait_procs(servers, timeout=60)
    assert not alive
