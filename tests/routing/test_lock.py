"""The lock of a state directory: who holds it, when it is taken over, and that who lost it writes nothing more."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.errors import StateError
from pytest_selfopt.routing import lease, lock
from pytest_selfopt.routing.lease import Holder, parse_holder, silence_needed
from pytest_selfopt.routing.lock import LeaseLostError, LockHeldError, hold_lock
from tests import warm

ELSEWHERE = Holder(
    pid=7,
    created=1.0,
    host="elsewhere",
    boot="another-kernel",
    token="theirs",
    since=1.0,
    command="pytest --selfopt-cycle",
)
PROGRAM = """
import os, sys, time
from dataclasses import replace
from pathlib import Path
from pytest_selfopt.errors import StateError
from pytest_selfopt.routing import lease, lock
from pytest_selfopt.routing.lock import hold_lock

def say(*words):
    print(*words, flush=True)

def wait():
    sys.stdin.readline()

folder = Path(sys.argv[1])
"""
HOLDS = """
try:
    with hold_lock(folder) as held:
        say("held", os.getpid())
        wait()
        held.check()
        say("holds")
except StateError as problem:
    say(problem)
"""
SEEMS_ELSEWHERE = """
ourselves = lock._ourselves
lock._ourselves = lambda: replace(ourselves(), boot="another-kernel", host="elsewhere")
"""
LEAVES_A_CHILD = """
with hold_lock(folder):
    if not os.fork():
        time.sleep(600)
    say("held", os.getpid())
    wait()
"""
CHILD_FAILS = """
with hold_lock(folder) as held:
    child = os.fork()
    if child:
        os.waitpid(child, 0)
        held.check()
        say("holds", (folder / "lock").stat().st_size > 0)
"""


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases that do not last long."""
    monkeypatch.setattr(lease, "LEASE_S", 0.4)
    monkeypatch.setattr(lease, "SHORTEST_SILENCE_S", 0.2)
    monkeypatch.setattr(lease, "BEAT_S", 0.05)


@pytest.fixture
def start(tmp_path: Path) -> Any:
    """Start a process that knows the lock; it goes on when it is written a line, and ends with the test at latest."""
    with ExitStack() as started:

        def begin(*parts: str) -> subprocess.Popen[str]:
            command = [warm.python(), "-c", "\n".join((PROGRAM, *parts)), str(tmp_path)]
            process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            started.enter_context(process)
            started.callback(process.kill)
            return process

        yield begin


Start = Callable[..., subprocess.Popen[str]]


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def go_on(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def refusal(folder: Path) -> str:
    with pytest.raises(LockHeldError) as refused, hold_lock(folder):
        pass
    return str(refused.value)


def take_over(folder: Path) -> str:
    with hold_lock(folder) as held:
        assert json.loads((folder / "lock").read_text())["pid"] == os.getpid()
        return held.note


def replace_lock(folder: Path, holder: Holder) -> None:
    """Let another host take the lock over."""
    other = folder / "other"
    other.write_bytes(holder.to_text())
    other.rename(folder / "lock")


def test_of_twenty_at_once_one_holds_and_nineteen_name_it(tmp_path: Path, start: Start) -> None:
    processes = [start(HOLDS) for _ in range(20)]
    lines = [line(process) for process in processes]
    (holder,) = [one.split()[1] for one in lines if one.startswith("held")]
    assert sum(f"another cycle is running in {tmp_path} (process {holder} on " in one for one in lines) == 19


def test_a_refusal_names_the_live_holder(tmp_path: Path, start: Start) -> None:
    _, pid = line(start(HOLDS)).split()
    said = refusal(tmp_path)
    assert f"process {pid} on " in said
    assert "running `" in said
    stop(int(pid))
    assert f"it is stopped: continue it by `kill -CONT {pid}`, or end it" in refusal(tmp_path)
    os.kill(int(pid), signal.SIGKILL)
    while is_running(int(pid)):
        time.sleep(0.01)
    assert take_over(tmp_path) == ""
    assert (tmp_path / "lock").read_text() == ""


def stop(pid: int) -> None:
    os.kill(pid, signal.SIGSTOP)
    while psutil.Process(pid).status() != psutil.STATUS_STOPPED:
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    return Path(f"/proc/{pid}/fd/0").exists()


def test_an_error_frees_the_lock(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError), hold_lock(tmp_path):
        raise RuntimeError
    assert take_over(tmp_path) == ""
    assert "selfopt-lease" not in [thread.name for thread in threading.enumerate()]


@pytest.mark.parametrize("text", ["", '{"pid": 1, "host": "elsewhere"', "[]", '{"pid": "7"}', "\0" * 99, "[" * 99_999])
def test_an_unreadable_text_holds_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "lock").write_text(text)
    assert take_over(tmp_path) == ""


def make_link(path: Path) -> None:
    (path.parent / "target").write_text("kept")
    path.symlink_to("target")


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo, make_link], ids=["folder", "pipe", "link"])
def test_what_is_no_file_is_no_lock(tmp_path: Path, make: Callable[[Path], object]) -> None:
    make(tmp_path / "lock")
    with pytest.raises(StateError, match="it is no regular file; move it away"), hold_lock(tmp_path):
        pass
    if make is make_link:
        assert (tmp_path / "target").read_text() == "kept"


@given(
    st.binary(max_size=50)
    | st.dictionaries(
        st.sampled_from(["pid", "created", "host", "since", "token", "command", "renewals"]),
        st.integers() | st.floats() | st.text() | st.none() | st.booleans() | st.just(10**400),
    ).map(lambda value: json.dumps(value).encode())
)
def test_any_text_can_be_read_and_named(text: bytes) -> None:
    holder = parse_holder(text)
    if holder is not None:
        assert str(holder).isprintable()
        assert parse_holder(holder.to_text()) == holder


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("age_s", [0, 3600, 20 * 365 * 86_400, -3600, -20 * 365 * 86_400])
def test_a_host_that_is_gone_holds_nothing(tmp_path: Path, age_s: int) -> None:
    path = tmp_path / "lock"
    path.write_bytes(ELSEWHERE.to_text())
    renewed = time.time() - age_s
    os.utime(path, (renewed, renewed))
    assert "process 7 on elsewhere, since 1970-01-01T00:00:01Z, running `pytest --selfopt-cycle`" in take_over(tmp_path)


def test_a_fresh_lease_is_watched_longest() -> None:
    assert silence_needed(0) == silence_needed(-1e9) == lease.LEASE_S
    assert silence_needed(1e9) == lease.SHORTEST_SILENCE_S > 2 * lease.BEAT_S


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("age_s", [0, 3600, -3600])
def test_a_lease_that_is_renewed_is_kept(tmp_path: Path, age_s: int) -> None:
    """As where the kernel's lock does not reach the other host; whatever its clock says."""
    path = tmp_path / "lock"
    path.write_bytes(ELSEWHERE.to_text())
    ended = threading.Event()

    def renew() -> None:
        renewals = 0
        while not ended.wait(0.05):
            renewals += 1
            path.write_bytes(replace(ELSEWHERE, renewals=renewals).to_text())
            os.utime(path, (time.time() - age_s,) * 2)

    thread = threading.Thread(target=renew)
    thread.start()
    try:
        assert "process 7 on elsewhere, since 1970" in refusal(tmp_path)
    finally:
        ended.set()
        thread.join()


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("host", ["elsewhere", ""], ids=["other-host", "same-host"])
def test_the_same_pid_in_another_container_is_another_process(tmp_path: Path, host: str) -> None:
    ours = lock._ourselves()
    (tmp_path / "lock").write_bytes(replace(ours, pid_namespace="pid:[1]", host=host or ours.host).to_text())
    assert take_over(tmp_path) == ""


def test_a_pid_that_is_used_again_is_another_process() -> None:
    ours = lock._ourselves()
    assert lock._state_of(ours) == "running"
    assert lock._state_of(replace(ours, created=ours.created - 3600)) == ""


def test_renewals_show_a_holder_that_seems_gone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, start: Start) -> None:
    """The time at which a process began moves with the machine's clock."""
    _, pid = line(start("lease.BEAT_S = 0.05", HOLDS)).split()
    monkeypatch.setattr(lock, "_state_of", lambda _holder: "")
    assert f"process {pid} on " in refusal(tmp_path)


@pytest.mark.usefixtures("short")
def test_a_stopped_holder_notices_that_its_lease_was_taken(tmp_path: Path, start: Start) -> None:
    holder = start(SEEMS_ELSEWHERE, HOLDS)
    _, pid = line(holder).split()
    stop(int(pid))
    renewed = time.time() - 3600
    os.utime(tmp_path / "lock", (renewed, renewed))
    with hold_lock(tmp_path) as held:
        assert f"the lock of process {pid} on elsewhere" in held.note
        os.kill(int(pid), signal.SIGCONT)
        go_on(holder)
        said = line(holder)
        assert f"process {pid} has lost the lock {tmp_path / 'lock'}: process {os.getpid()} on " in said
        held.check()
    assert (tmp_path / "lock").read_text() == ""


@pytest.mark.parametrize("how", ["taken", "deleted", "emptied"])
def test_a_lost_lease_is_noticed_by_its_holder(tmp_path: Path, how: str) -> None:
    path = tmp_path / "lock"
    with hold_lock(tmp_path) as held:
        held.check()
        if how == "taken":
            replace_lock(tmp_path, ELSEWHERE)
        elif how == "deleted":
            path.unlink()
        else:
            path.write_text("")
        with pytest.raises(LeaseLostError, match="it changes nothing any more"):
            held.check()
    if how == "taken":
        assert parse_holder(path.read_bytes()) == ELSEWHERE


@pytest.mark.usefixtures("short")
def test_a_lease_is_renewed_until_its_end(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with hold_lock(tmp_path) as held:
        while json.loads(path.read_text())["renewals"] < 3:
            time.sleep(0.01)
        replace_lock(tmp_path, ELSEWHERE)
        while not held.lost:
            time.sleep(0.01)
        with pytest.raises(LeaseLostError, match="process 7 on elsewhere"):
            held.require()
    assert parse_holder(path.read_bytes()) == ELSEWHERE


@pytest.mark.usefixtures("short")
def test_a_holder_knows_that_it_stood_still(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A process that really is stopped for a minute: `python -m tests.performance.shared_machine`.
    moments = iter([0.0, 2.0, 4.0, 65.0, 67.0, 69.0])
    monkeypatch.setattr("pytest_selfopt.clock.monotonic", lambda: next(moments, 71.0))
    with hold_lock(tmp_path) as held:
        while not held.pause_note:
            time.sleep(0.01)
    assert "this process was stopped for 61 s" in held.pause_note


@pytest.mark.usefixtures("short")
def test_a_child_of_a_killed_holder_holds_nothing(tmp_path: Path, start: Start) -> None:
    _, pid = line(start(LEAVES_A_CHILD)).split()
    os.kill(int(pid), signal.SIGKILL)
    while is_running(int(pid)):
        time.sleep(0.01)
    assert f"the lock of process {pid} on " in take_over(tmp_path)


def test_a_forked_child_frees_nothing(start: Start) -> None:
    assert line(start(CHILD_FAILS)) == "holds True"
