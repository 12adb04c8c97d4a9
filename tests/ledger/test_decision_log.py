"""The decisions log and what the ledger knows of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from pytest_selfopt import clock
from pytest_selfopt.cli import main
from pytest_selfopt.errors import StateError
from pytest_selfopt.ledger import decision_log
from pytest_selfopt.ledger.decision_log import append_decision, check_log, verify
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.ledger.log_anchors import LogAnchors
from pytest_selfopt.ledger.steps import change_state
from pytest_selfopt.loop.undo.logged import read_undo_log
from pytest_selfopt.routing.decision_chain import ChangedLogError
from pytest_selfopt.routing.decisions import Decision
from pytest_selfopt.routing.history import DECISIONS, LEDGER
from pytest_selfopt.routing.lock import hold_lock
from tests.ledger.changed_logs import CHANGES, FORGED, entries_of, write_chained
from tests.ledger_file import open_ledger

FALLBACK = "ollama/llama3.2:3b"


@pytest.fixture(scope="module")
def decided(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with three decisions of `selfopt enforce`."""
    folder = tmp_path_factory.mktemp("decided")
    for phase in ("atomic", "extended", "other"):
        enforced(folder, phase)
    return folder


@pytest.fixture
def project(decided: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    # Decisions of one second are taken back together.
    now = clock.now
    monkeypatch.setattr(clock, "now", lambda: now() + 60)
    return shutil.copytree(decided, tmp_path / "project")


def enforced(folder: Path, phase: str) -> int:
    recommendation = {
        "target": f"m::{phase}",
        "action": "disable_for_stateful",
        "reason": "0 of 7",
        "fallback": FALLBACK,
    }
    (folder / "feedback.json").write_text(json.dumps([recommendation]))
    return run(folder, "enforce", str(folder / "feedback.json"))


def run(folder: Path, *arguments: str) -> int:
    return main([*arguments, "--rootdir", str(folder)])


def note(kind: str = "route", reason: str = "because") -> Decision:
    return Decision(
        timestamp="2026-11-30T00:00:00Z",
        cycle=0,
        kind=kind,
        phase="atomic",
        model="m",
        effective="m",
        reason=reason,
        evidence={},
    )


@pytest.mark.parametrize("change", CHANGES.values(), ids=[name.replace(" ", "-") for name in CHANGES])
def test_a_changed_log_is_refused_until_accepted(
    project: Path, change: Callable[[Path], None], capsys: pytest.CaptureFixture[str]
) -> None:
    config, state = project / "routing_config.json", project / ".selfopt"
    before = config.read_bytes()
    assert run(project, "verify") == 0
    change(state)
    changed = {path.name: path.read_bytes() for path in state.glob("*.jsonl*")}
    assert run(project, "verify") == 1
    capsys.readouterr()
    for command in (("rollback",), ("rollback", "--dry-run"), ("rollback", "--redo")):
        assert run(project, *command) == 4
        assert 'selfopt verify --accept "why"' in capsys.readouterr().err
    assert enforced(project, "one_more") == 4
    assert config.read_bytes() == before
    assert {path.name: path.read_bytes() for path in state.glob("*.jsonl*")} == changed
    assert run(project, "verify", "--accept", " ") == 4
    assert run(project, "verify", "--accept", "we looked at it") == 0
    assert run(project, "verify") == 0
    last = entries_of(state)[-1]
    assert (last["kind"], last["reason"]) == ("accepted", "we looked at it")
    assert last["evidence"]["problem"].startswith(DECISIONS)
    assert enforced(project, "one_more") == 0
    assert run(project, "rollback") == 0
    assert run(project, "verify") == 0
    capsys.readouterr()
    assert run(project, "verify", "--accept", "again") == 4
    assert "there is nothing to accept" in capsys.readouterr().err


def test_a_forged_rule_before_never_comes_into_force(project: Path) -> None:
    CHANGES["last line edited"](project / ".selfopt")
    run(project, "rollback")
    assert FORGED not in (project / "routing_config.json").read_text()


def test_verify_tells_the_first_changed_line(project: Path) -> None:
    state = project / ".selfopt"
    CHANGES["first line edited, and all chained again"](state)
    found = verify(state)
    assert found.broken_line == 1
    assert "line 1 of 3 is not the one that was written there" in found.sentence
    CHANGES["deleted"](state)
    assert verify(state).sentence == f"{DECISIONS}: it is missing, and the ledger knows what stood in it (lines: 3)"


def test_a_change_during_a_cycle_is_found_at_its_end(project: Path) -> None:
    state = project / ".selfopt"
    with Ledger(state / LEDGER) as ledger:
        check_log(state, ledger)
        CHANGES["last line edited"](state)
        with (
            hold_lock(state) as lease,
            pytest.raises(ChangedLogError),
            change_state(state, ledger, "cycle 1", lease) as written,
        ):
            written.log(state / DECISIONS, note("promote"))


@pytest.mark.parametrize("unfinished", [b"", b'{"timestamp": "2026'], ids=["whole", "unfinished"])
def test_a_log_of_an_earlier_version_is_taken_over_once(
    project: Path, unfinished: bytes, capsys: pytest.CaptureFixture[str]
) -> None:
    state = project / ".selfopt"
    with open_ledger(state / LEDGER) as connection:
        connection.executescript("DROP TABLE log_line; PRAGMA user_version = 8;")
    with (state / DECISIONS).open("ab") as log:
        log.write(unfinished)
    assert run(project, "verify") == int(bool(unfinished))
    assert ("line 4 is unfinished" if unfinished else "no ledger knows the file yet") in capsys.readouterr().out
    assert run(project, "verify", "--accept", "it is old") == 4
    assert enforced(project, "one_more") == 0
    assert "takes over 3 lines" in capsys.readouterr().out
    assert run(project, "verify") == 0
    assert enforced(project, "and_another") == 0
    assert "takes over" not in capsys.readouterr().out
    CHANGES["last line cut"](state)
    assert run(project, "verify") == 1


def test_a_broken_log_of_an_earlier_version_is_accepted(project: Path) -> None:
    state = project / ".selfopt"
    CHANGES["a line edited"](state)
    with open_ledger(state / LEDGER) as connection:
        connection.executescript("DROP TABLE log_line; PRAGMA user_version = 8;")
    assert enforced(project, "one_more") == 4
    assert run(project, "verify", "--accept", "it was edited long ago") == 0
    assert enforced(project, "one_more") == 0
    assert run(project, "verify") == 0


def test_a_copied_state_directory_is_trusted(project: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(project, tmp_path / "copy")
    assert run(moved, "rollback") == 0


def test_notes_from_before_the_ledger_are_taken_over(tmp_path: Path) -> None:
    for _ in range(2):
        append_decision(tmp_path, None, note())
    with Ledger(tmp_path / LEDGER) as ledger:
        append_decision(tmp_path, ledger, note("forced"))
        (told,) = check_log(tmp_path, ledger, take_over=True).notes
        assert "takes over 3 lines" in told
        append_decision(tmp_path, None, note())
    write_chained(tmp_path, entries_of(tmp_path)[:-1])
    assert verify(tmp_path).broken_line == 4


def test_sessions_append_at_once_and_the_ledger_knows_all(tmp_path: Path) -> None:
    Ledger(tmp_path / LEDGER).close()
    with ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(lambda number: append_decision(tmp_path, None, note(reason=str(number))), range(40)))
    found = verify(tmp_path)
    assert (found.ok, found.lines) == (True, 40)


def test_accepted_lines_need_no_form(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = project / ".selfopt" / DECISIONS
    entries = entries_of(log.parent)
    rollback = {**entries[0], "kind": "rollback", "evidence": {"taken_back": [3], "rules_before": 7}}
    log.write_bytes(log.read_bytes() + b'\xff\xfe\n[]\n{"evidence": {}}\n' + json.dumps(entries[0]).encode() + b"\n")
    assert run(project, "why", "m::atomic") == 0
    assert "lines 4 to 7 are unknown to the ledger" in capsys.readouterr().err
    assert run(project, "verify", "--accept", "a disk was damaged") == 0
    assert run(project, "why", "m::atomic") == 0
    assert run(project, "rollback", "m::other") == 0
    log.write_bytes(log.read_bytes() + json.dumps(rollback).encode() + b"\n")
    assert run(project, "verify", "--accept", "again") == 0
    capsys.readouterr()
    assert run(project, "rollback") == 4
    assert "Traceback" not in capsys.readouterr().err


def test_lines_of_merged_branches_are_rolled_back_one_by_one(project: Path) -> None:
    state = project / ".selfopt"
    CHANGES["branches merged"](state)
    assert run(project, "verify", "--accept", "merged") == 0
    with Ledger(state / LEDGER) as ledger:
        log = read_undo_log(check_log(state, ledger).entries)
    assert len({change.id for change in log.standing}) == 4


def test_a_session_does_not_append_to_a_changed_log(project: Path) -> None:
    CHANGES["last line cut"](project / ".selfopt")
    with pytest.raises(ChangedLogError, match="the last line is missing: the ledger knows 3"):
        append_decision(project / ".selfopt", None, note())


@pytest.mark.parametrize("point", ["before", "half", "after"])
def test_a_killed_append_is_completed(tmp_path: Path, point: str, monkeypatch: pytest.MonkeyPatch) -> None:
    Ledger(tmp_path / LEDGER).close()
    append_decision(tmp_path, None, note())
    log = tmp_path / DECISIONS

    def kill(*_: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def write_half(path: Path, line: str) -> None:
        with path.open("a") as file:
            file.write(line[: len(line) // 2])
        kill()

    if point == "after":
        monkeypatch.setattr(LogAnchors, "arrived", kill)
    else:
        monkeypatch.setattr(decision_log, "append_lines", {"before": kill, "half": write_half}[point])
    child = os.fork()
    if not child:
        append_decision(tmp_path, None, note(reason="cut off"))
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    monkeypatch.undo()
    assert verify(tmp_path).ok
    append_decision(tmp_path, None, note())
    assert [entry["reason"] for entry in entries_of(tmp_path)] == ["because", "cut off", "because"]
    found = verify(tmp_path)
    assert (found.ok, found.lines) == (True, 3), log.read_text()


def test_a_failing_append_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Ledger(tmp_path / LEDGER).close()
    append_decision(tmp_path, None, note())

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(decision_log, "append_lines", fail)
        with pytest.raises(StateError, match="No space left on device"):
            append_decision(tmp_path, None, note())
    append_decision(tmp_path, None, note())
    found = verify(tmp_path)
    assert (found.ok, found.lines) == (True, 2)
