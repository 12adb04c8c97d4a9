"""Steps over several files and the ledger: whole or not at all, wherever they are interrupted."""

from __future__ import annotations

import errno
import json
import os
import signal
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from pytest_selfopt.errors import StateError
from pytest_selfopt.ledger import steps
from pytest_selfopt.ledger.decision_log import append_decision, verify
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.ledger.steps import change_state, settle, settle_before_reading
from pytest_selfopt.routing.decision_chain import hashes_of
from pytest_selfopt.routing.decisions import Decision
from pytest_selfopt.routing.history import DECISIONS
from pytest_selfopt.routing.lock import LeaseLostError, hold_lock
from pytest_selfopt.routing.state_change import StateChange
from tests.ledger_file import open_ledger

CALLS = ("replace", "link", "fsync", "unlink", "write", "open")
ADVICE = {
    errno.EROFS: "has to be on a file system that can be written to",
    errno.EMFILE: "has to be allowed more of them (ulimit -n)",
}
"""What is said of a failure that lasts."""
NAMES = ("routing_config.json", ".selfopt/new.json", ".selfopt/routing_decisions.jsonl")


def decision(number: int) -> Decision:
    return Decision(
        timestamp="2026-11-30T00:00:00Z",
        cycle=number,
        kind="trial",
        phase="atomic",
        model="m",
        effective="m",
        reason="because",
        evidence={},
    )


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project with a routing configuration, a log of one line, and a ledger with a cycle."""
    (tmp_path / ".selfopt").mkdir()
    (tmp_path / "routing_config.json").write_text("old")
    with Ledger(tmp_path / ".selfopt" / "ledger.sqlite") as ledger:
        append_decision(tmp_path / ".selfopt", ledger, decision(1))
        ledger.start_cycle(started=0.0, seed=0, command="pytest", plan={})
    return tmp_path


def settled(project: Path) -> list[str]:
    return settle_before_reading(project / ".selfopt", project / "routing_config.json")


def change(project: Path) -> None:
    state = project / ".selfopt"
    with (
        Ledger(state / "ledger.sqlite") as ledger,
        hold_lock(state) as lease,
        change_state(state, ledger, "cycle 1", lease) as written,
    ):
        ledger.finish_cycle(1, ended=1.0, status="decided")
        written.replace(project / "routing_config.json", "new")
        written.replace(state / "new.json", "new")
        written.log(state / "routing_decisions.jsonl", decision(2))


def state_of(project: Path) -> list[Any]:
    """Old or new, of each file and the ledger."""
    with Ledger(project / ".selfopt" / "ledger.sqlite") as ledger:
        status = ledger.cycles()[0]["status"]
    files = [(project / name).read_bytes() if (project / name).exists() else None for name in NAMES]
    return [*files, status]


def interrupting(at: int, interrupt: Callable[[], None], patch: pytest.MonkeyPatch) -> list[int]:
    """Interrupt the call number `at` of those that write; return a list that counts them."""
    seen = [0]

    def wrapped(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            seen[0] += 1
            if seen[0] == at:
                interrupt()
            return real(*arguments, **options)

        return call

    for name in CALLS:
        patch.setattr(os, name, wrapped(getattr(os, name)))
    return seen


def refusing(at: int, number: int, patch: pytest.MonkeyPatch) -> list[int]:
    """Let the call number `at` of those that write, and all after it, fail; return a list that counts them."""
    seen = [0]

    def wrapped(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            seen[0] += 1
            if seen[0] >= at and refuses(number, name, arguments):
                raise OSError(number, os.strerror(number))
            return real(*arguments, **options)

        return call

    for name in CALLS:
        patch.setattr(os, name, wrapped(name, getattr(os, name)))
    return seen


def fail() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def problem_of(project: Path, disturb: Callable[[pytest.MonkeyPatch], list[int]]) -> tuple[str, int]:
    """Make the change while it is disturbed; return the problem, empty if there is none, and the number of calls."""
    with pytest.MonkeyPatch.context() as patch:
        seen = disturb(patch)
        try:
            change(project)
        except StateError as error:
            return str(error), seen[0]
    return "", seen[0]


def killed(project: Path, at: int) -> bool:
    """Kill a process that makes the change at a call; whether it came so far."""
    child = os.fork()
    if not child:
        with pytest.MonkeyPatch.context() as patch:
            interrupting(at, lambda: os.kill(os.getpid(), signal.SIGKILL), patch)
            change(project)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL


def again(project: Path, old: list[Any]) -> None:
    """Bring back the old state, whichever there is."""
    for name, content in zip(NAMES, old, strict=False):
        if content is None:
            (project / name).unlink(missing_ok=True)
        else:
            (project / name).write_bytes(content)
    with Ledger(project / ".selfopt" / "ledger.sqlite") as ledger:
        ledger.resume_cycle(1)
        ledger.log.replace(hashes_of(old[2]))


def test_a_killed_step_is_old_or_new(project: Path) -> None:
    old, found, at = state_of(project), set[str](), 1
    while killed(project, at):
        assert (project / "routing_config.json").read_text() in ("old", "new"), at
        settled(project)
        state = state_of(project)
        assert state == old or (state[:2] == [b"new", b"new"] and state[3] == "decided"), at
        verified = verify(project / ".selfopt")
        assert (verified.ok, verified.lines) == (True, 1 if state == old else 2), at
        assert not (project / ".selfopt" / "journal.json").exists(), at
        found.add(state[3])
        again(project, old)
        at += 1
    assert found == {"running", "decided"}
    assert at > 20


def test_a_failing_step_leaves_the_old_state(project: Path) -> None:
    old, at = state_of(project), 1
    while True:
        problem, seen = problem_of(project, partial(interrupting, at, fail))
        state = state_of(project)
        assert (state == old) == bool(problem), (at, problem)
        if problem:
            assert "No space left on device" in problem
            assert not list(project.rglob("*.tmp")), at
        assert verify(project / ".selfopt").ok, at
        again(project, old)
        if seen < at:
            break
        at += 1
    assert at > 20


def refuses(number: int, name: str, arguments: Sequence[Any]) -> bool:
    """Whether a function of `os` fails on a read-only file system, or where no more files may be opened."""
    if name == "open":
        return number == errno.EMFILE or bool(arguments[1] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT))
    return number == errno.EROFS


@pytest.mark.parametrize("number", [errno.EROFS, errno.EMFILE], ids=errno.errorcode.get)
def test_a_lasting_failure_leaves_a_whole_state(project: Path, number: int) -> None:
    old, at = state_of(project), 1
    while True:
        problem, seen = problem_of(project, partial(refusing, at, number))
        settled(project)
        state = state_of(project)
        # What could not even be undone is undone now.
        assert (state == old) == bool(problem), (at, problem)
        if problem:
            assert os.strerror(number) in problem
            assert ADVICE[number] in problem or problem.startswith("cannot read")
            assert str(project) in problem
        again(project, old)
        if seen < at:
            break
        at += 1
    assert at > 20


@pytest.mark.parametrize(("what", "table"), [("UPDATE", "cycle"), ("INSERT", "step")])
def test_a_full_ledger_leaves_the_old_state(project: Path, what: str, table: str) -> None:
    old = state_of(project)
    with open_ledger(project / ".selfopt" / "ledger.sqlite") as connection:
        connection.execute(
            f"CREATE TRIGGER full BEFORE {what} ON {table} BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        )
    with pytest.raises(StateError, match=r"cannot write to the ledger .*: database or disk is full"):
        change(project)
    assert state_of(project) == old
    assert not list(project.rglob("*.tmp"))


def cut_off(project: Path) -> None:
    """Kill the change when all its files are in place, before the ledger commits."""
    at = 1
    old = state_of(project)
    while killed(project, at) and (project / ".selfopt" / "routing_decisions.jsonl").read_bytes() == old[2]:
        settled(project)
        at += 1
    assert (project / "routing_config.json").read_text() == "new"


def test_an_edit_after_a_crash_is_kept(project: Path) -> None:
    old = state_of(project)
    cut_off(project)
    (project / "routing_config.json").write_text("mine")
    told = settled(project)
    assert told == [
        f"cycle 1 was interrupted while it wrote routing_config.json, new.json, {DECISIONS}: that was undone",
        "routing_config.json was changed after that, and is kept as it is",
    ]
    assert state_of(project) == [b"mine", *old[1:]]


@pytest.mark.parametrize("moment", [Ledger, StateChange], ids=["before", "after"])
def test_whoever_has_lost_the_lock_changes_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch, moment: type[Ledger | StateChange]
) -> None:
    """A process that was stopped before or after its files were put in place leaves what the next holder wrote."""
    state, name = project / ".selfopt", {Ledger: "finish_cycle", StateChange: "apply"}[moment]
    real = getattr(moment, name)

    def write_and_lose(*arguments: Any, **options: Any) -> None:
        real(*arguments, **options)
        (state / "lock").unlink()
        with hold_lock(state):
            settle(state, project / "routing_config.json")
            (project / "routing_config.json").write_text("theirs")

    old = state_of(project)
    monkeypatch.setattr(moment, name, write_and_lose)
    # On one host the folder's lock keeps the next holder out as well.
    monkeypatch.setattr(steps, "held_log", lambda _folder: nullcontext())
    with pytest.raises(LeaseLostError, match="has lost the lock"):
        change(project)
    assert state_of(project) == [b"theirs", *old[1:]]
    assert not (state / "journal.json").exists()


def test_a_moved_project_is_settled(project: Path) -> None:
    old = state_of(project)
    cut_off(project)
    moved = project.rename(project.with_name("moved"))
    settled(moved)
    assert state_of(moved) == old


def test_a_reader_waits_for_a_step_under_way(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cut_off(project)
    state = project / ".selfopt"

    def complete() -> None:
        time.sleep(0.1)
        settle(state, project / "routing_config.json")

    with hold_lock(state):
        thread = threading.Thread(target=complete)
        thread.start()
        assert settled(project) == []
        thread.join()
    assert (project / "routing_config.json").read_text() == "old"
    cut_off(project)
    monkeypatch.setattr(steps, "PATIENCE_S", 0.05)
    with hold_lock(state):
        assert settled(project) == []
    assert (state / "journal.json").exists()


@pytest.mark.parametrize("content", ["{", "[]", '{"version": 1, "replaced": 3}'])
def test_an_unusable_journal_is_set_aside(project: Path, content: str) -> None:
    old = state_of(project)
    (project / ".selfopt" / "journal.json").write_text(content)
    (told,) = settled(project)
    assert "it was set aside as journal.json.corrupt-" in told
    assert state_of(project) == old


@pytest.mark.parametrize("field", ["path", "temporary", "backup"])
def test_a_journal_of_other_files_is_set_aside(project: Path, field: str) -> None:
    cut_off(project)
    other = project / "diary.txt"
    other.write_text("new")
    journal = project / ".selfopt" / "journal.json"
    document = json.loads(journal.read_text())
    document["replaced"][0][field] = "../diary.txt"
    journal.write_text(json.dumps(document))
    (told,) = settled(project)
    assert "it was set aside as journal.json.corrupt-" in told
    assert other.read_text() == "new"


def test_a_newer_journal_is_left_alone(project: Path) -> None:
    journal = project / ".selfopt" / "journal.json"
    journal.write_text(json.dumps({"version": 99, "what": "cycle 7"}))
    with pytest.raises(StateError, match=r"cycle 7 was interrupted, and its journal .* has version 99"):
        settled(project)
    assert journal.exists()


def test_an_older_step_without_a_ledger_is_undone(project: Path) -> None:
    cut_off(project)
    journal = project / ".selfopt" / "journal.json"
    document = json.loads(journal.read_text())
    with open_ledger(project / ".selfopt" / "ledger.sqlite") as connection:
        connection.execute("INSERT INTO step VALUES (?)", (document["id"],))
    journal.write_text(json.dumps({**document, "in_ledger": False}))
    assert settled(project)
    assert (project / "routing_config.json").read_text() == "old"


def test_a_symbolic_link_stays_one(project: Path) -> None:
    (project / "routing_config.json").rename(project / "elsewhere.json")
    (project / "routing_config.json").symlink_to("elsewhere.json")
    change(project)
    assert (project / "routing_config.json").is_symlink()
    assert (project / "elsewhere.json").read_text() == "new"
