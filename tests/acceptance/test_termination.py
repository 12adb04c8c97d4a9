"""SIGTERM and SIGHUP end a session as Ctrl-C does, wherever they come, and nothing paid for is lost."""

from __future__ import annotations

import contextlib
import os
import pty
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import psutil
import pytest

from pytest_selfopt.deferred_signals import SAME_S
from tests import warm
from tests.acceptance.conftest import MODEL, WITHOUT, Project, right, said
from tests.acceptance.test_automation import OTHER, able, capable, second_model
from tests.acceptance.test_gates import EXTENDED, TWO_SPECS
from tests.acceptance.test_interruption import finished_calls, wait_until
from tests.ledger_file import open_ledger

Make = Callable[..., Project]
ENDED = 45.0
"""The seconds that anything may take on a busy machine."""
wait = partial(wait_until, seconds=ENDED)


def small(project: Make, latency: float = 0.1) -> Project:
    """A project whose cycle takes a second or two, or longer with more latency."""
    made = project({"rules": right(), "latency": latency})
    made.configure(TWO_SPECS)
    return made


def begin(made: Project, *arguments: str, cold: bool = False) -> subprocess.Popen[str]:
    """Start a session, which leads its own process group if it is `cold`."""
    return subprocess.Popen(
        [sys.executable if cold else warm.python(), "-m", "pytest", *WITHOUT, *arguments],
        cwd=made.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        process_group=0,
    )


def family_of(made: Project) -> list[psutil.Process]:
    """The processes that run in the folder of a project."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if Path(process.cwd()).is_relative_to(made.path):
                found.append(process)
    return found


def end(made: Project, process: subprocess.Popen[str], send: Callable[[int], None]) -> str:
    """End a session, and look that no process in the folder of its project survives; return what it printed."""
    family = [one for one in family_of(made) if one.pid not in (process.pid, os.getpid())]
    send(process.pid)
    output, _ = process.communicate(timeout=ENDED)
    _, alive = psutil.wait_procs(family, timeout=ENDED)
    assert not alive, output
    return " ".join(output.split())


def terminate(pid: int) -> None:
    os.kill(pid, signal.SIGTERM)


def hang_up(pid: int) -> None:
    os.kill(pid, signal.SIGHUP)


def terminate_group(pid: int) -> None:
    os.killpg(pid, signal.SIGTERM)


WAYS = pytest.mark.parametrize(
    ("arguments", "send"),
    [
        ((), terminate),
        (("-n2",), terminate),
        (("-n2",), terminate_group),
        (("--selfopt-cycles=2",), hang_up),
    ],
    ids=["serial", "-n2", "-n2-group", "cycles-hang-up"],
)


@WAYS
def test_termination_keeps_everything_and_resumes(
    project: Make, arguments: Sequence[str], send: Callable[[int], None]
) -> None:
    made = small(project)
    process = begin(made, "--selfopt-cycle", *arguments, cold=True)
    wait(lambda: len(made.server.seen.requests) > 10)
    answered = len(made.server.seen.requests) - made.server.seen.in_flight
    output = end(made, process, send)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, output
    assert "no decision: the session was interrupted" in output
    assert "--selfopt-resume makes only the calls that are missing" in output
    assert "Traceback" not in output
    assert "INTERNALERROR" not in output
    kept = finished_calls(made.path)
    assert answered <= kept <= made.server.seen.asked
    asked = made.server.seen.asked
    assert made.run("--selfopt-cycle", "--selfopt-resume").ret == 0
    assert made.server.seen.asked - asked == finished_calls(made.path) - kept


SLOW_IMPORT = """
import pathlib, time
pathlib.Path("importing").touch()
time.sleep(4)
"""


@pytest.mark.parametrize("arguments", [(), ("-n2",)], ids=["serial", "-n2"])
def test_termination_during_collection(project: Make, arguments: Sequence[str]) -> None:
    made = project({"rules": right()})
    made.pytester.makepyfile(test_zz_slow=SLOW_IMPORT)
    process = begin(made, "--selfopt-cycle", *arguments)
    wait((made.path / "importing").exists)
    output = end(made, process, terminate)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, output
    assert "KeyboardInterrupt: SIGTERM" in output
    assert "Traceback" not in output
    assert made.server.seen.asked == 0


@pytest.mark.parametrize("arguments", [(), ("-n2",)], ids=["serial", "-n2"])
def test_termination_during_the_warm_up(project: Make, arguments: Sequence[str]) -> None:
    warm_up = {"when": {"prompt": "What is 2+2?"}, "then": {"reply": "4", "latency": 20}}
    made = project({"rules": [warm_up, *right()]})
    process = begin(made, "--selfopt-cycle", "--selfopt-warmup", *arguments)
    wait(lambda: bool(made.server.seen.in_flight))
    output = end(made, process, terminate)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, output
    assert "kept in the ledger: no calls" in output


FINISHING = """
import pathlib, signal, time, pytest

@pytest.hookimpl(trylast=True)
def pytest_sessionfinish():
    pathlib.Path("finishing").touch()
    time.sleep(30)
"""


def test_a_later_second_sigterm_ends_at_once(project: Make) -> None:
    made = small(project)
    made.pytester.makeconftest(FINISHING)
    process = begin(made, "--selfopt-cycle")
    wait(lambda: len(made.server.seen.requests) > 10)
    # Twice, as `timeout` does, which sends a signal to the process and to its group.
    terminate(process.pid)
    terminate(process.pid)
    wait((made.path / "finishing").exists)
    first = time.monotonic()
    wait(lambda: time.monotonic() > first + SAME_S)
    assert process.poll() is None
    end(made, process, terminate)
    assert process.returncode == -signal.SIGTERM
    assert finished_calls(made.path) > 0


def test_termination_of_a_finishing_cycle_ends_the_row(project: Make) -> None:
    made = small(project)
    made.pytester.makeconftest(FINISHING.replace("30", "1"))
    process = begin(made, "--selfopt-cycles=2")
    wait((made.path / "finishing").exists)
    output = end(made, process, terminate)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, output
    assert "stopped after 1 of 2 cycles: the session ended with interrupted" in output
    assert "Traceback" not in output
    assert [entry["cycle"] for entry in made.history()] == [1]


OWN_HANDLER = """
import pathlib, pytest, signal

def handle(number, frame):
    pathlib.Path("handled").touch()

signal.signal(signal.SIGTERM, handle)

@pytest.hookimpl(trylast=True)
def pytest_unconfigure():
    assert signal.getsignal(signal.SIGTERM) is handle
"""
# Not `faulthandler.register`: reading the frames of threads that run, it may crash. The handler is a function of C that
# is safe in handlers and takes the number of the signal for a mask.
IN_C = """
import ctypes, os, pathlib, pytest, signal

c = ctypes.CDLL(None)
c.signal.argtypes = [ctypes.c_int, ctypes.c_void_p]
c.signal(signal.SIGTERM, ctypes.cast(c.umask, ctypes.c_void_p))

@pytest.hookimpl(trylast=True)
def pytest_unconfigure():
    if os.umask(0o22) == signal.SIGTERM:
        pathlib.Path("handled").touch()
"""


@pytest.mark.parametrize("conftest", [OWN_HANDLER, IN_C], ids=["in Python", "in C"])
def test_a_handler_of_others_stays(project: Make, conftest: str) -> None:
    made = small(project)
    made.pytester.makeconftest(conftest)
    process = begin(made, "--selfopt-cycle")
    wait(lambda: len(made.server.seen.requests) > 10)
    terminate(process.pid)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 0, output
    assert (made.path / "handled").exists()


DEFAULT = """
import signal

def test_plain():
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_DFL
"""
RESTORED = """
import pytest, signal

@pytest.hookimpl(trylast=True)
def pytest_unconfigure():
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
"""


def test_signals_are_restored_and_elsewhere_untouched(project: Make) -> None:
    made = project({"rules": right()})
    made.pytester.makeconftest(RESTORED)
    assert made.run("--selfopt-gate").ret == pytest.ExitCode.USAGE_ERROR
    result = made.run()
    assert result.ret == 0, said(result)
    made.pytester.makepyfile(test_items=DEFAULT)
    assert made.run().ret == 0


@pytest.mark.parametrize("argument", ["-n2", "--selfopt-cycles=2"])
def test_a_closed_terminal_loses_nothing(project: Make, argument: str) -> None:
    made = small(project, latency=0.5)
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(made.path)
        os.execv(sys.executable, [sys.executable, "-m", "pytest", *WITHOUT, "--selfopt-cycle", argument])
    reading = threading.Thread(target=read_all, args=(terminal,), daemon=True)
    reading.start()
    wait(lambda: len(made.server.seen.requests) > 10)
    family = psutil.Process(pid).children(recursive=True)
    os.close(terminal)
    reading.join(ENDED)
    process = psutil.Process(pid)
    wait(lambda: process.status() == psutil.STATUS_ZOMBIE)
    _, alive = psutil.wait_procs(family, timeout=ENDED)
    assert not alive
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == pytest.ExitCode.INTERRUPTED
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        assert ledger.execute("SELECT status FROM cycle").fetchall() == [("interrupted",)]


def read_all(terminal: int) -> None:
    """Read what is written to a terminal, so that nobody has to wait, until it is closed."""
    with contextlib.suppress(OSError):
        while os.read(terminal, 65536):
            pass


def test_termination_of_a_proof(project: Make) -> None:
    script = capable(able("other"))
    made = project({**script, "latency": 0.1})
    made.pytester.makepyfile(test_items=EXTENDED)
    made.configure(TWO_SPECS + f'[tool.selfopt.phases.extended]\nfallback = "{OTHER}"\n' + second_model(made))
    process = begin(made, "--selfopt-cycle")
    assert process.stdout is not None
    for line in process.stdout:
        if "selfopt: proves" in line:
            break
    asked = made.server.seen.asked
    wait(lambda: made.server.seen.asked > asked + 2)
    output = end(made, process, terminate)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, output
    assert "the proof did not finish (status 2); the next cycle continues it" in output


def test_termination_of_a_batch(project: Make) -> None:
    made = project({"rules": right(), "latency": 0.3})
    made.configure(f'[tool.selfopt.tiers]\nmine = ["{MODEL}"]')
    command = ["batch", "mine", "--suite", "items.jsonl", "--runs", "20", "--yes"]
    process = subprocess.Popen(
        [warm.python(), "-m", "pytest_selfopt.cli", *command],
        cwd=made.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    wait(lambda: len(made.server.seen.requests) > 10)
    answered = len(made.server.seen.requests) - made.server.seen.in_flight
    output = end(made, process, hang_up)
    assert process.returncode == 2, output
    assert "it was interrupted" in output
    assert finished_calls(made.path) >= answered
