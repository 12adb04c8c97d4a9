"""Files of the state directory are their owner's, and no link in it is followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from pytest_selfopt.errors import StateError
from pytest_selfopt.execution.dev_servers import DevServer
from pytest_selfopt.ledger.decision_log import append_decision
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.ledger.steps import change_state, hold_state
from pytest_selfopt.models.config import EMBEDDED_MODELS
from pytest_selfopt.models.embedded import EmbeddedServer
from pytest_selfopt.routing.atomic_files import write_atomically
from pytest_selfopt.routing.decision_chain import verify_log
from pytest_selfopt.routing.history import REPORTS, load_history, prepare_state_dir, read_history
from pytest_selfopt.routing.lock import Lease, hold_lock
from pytest_selfopt.routing.state_change import read_journal
from tests.routing.test_state_files import decision


@contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def log(folder: Path) -> str:
    return append_decision(folder, None, decision(1))


def lock(folder: Path) -> None:
    with hold_lock(folder):
        pass


def change(folder: Path) -> None:
    with hold_lock(folder) as lease, closing(Ledger(folder / "ledger.sqlite")) as ledger:
        _change(folder, ledger, lease, folder / "harness_feedback.json")


def _change(folder: Path, ledger: Ledger, lease: Lease, path: Path) -> None:
    with change_state(folder, ledger, "a test", lease) as written:
        written.replace(path, "{}")


def open_ledger(folder: Path) -> None:
    with closing(Ledger(folder / "ledger.sqlite")) as ledger:
        ledger.start_cycle(started=0.0, seed=1, command="pytest", plan={})


@pytest.mark.parametrize("mask", [0, 0o022, 0o077])
def test_only_the_owner_can_read_the_state(tmp_path: Path, mask: int) -> None:
    state = tmp_path / "state"
    with (
        umask(mask),
        hold_state(state, tmp_path / "routing_config.json") as held,
        closing(Ledger(state / "ledger.sqlite")) as ledger,
    ):
        ledger.start_cycle(started=0.0, seed=1, command="pytest", plan={})
        log(state)
        _change(state, ledger, held.lease, state / "harness_feedback.json")
        write_atomically(state / "reports" / "index.html", "", state=True)
        write_atomically(tmp_path / "exports" / "trials.csv", "")
        names = {path.name for path in state.rglob("*")}
        assert names >= {"lock", "ledger.sqlite-wal", "ledger.sqlite-shm", "routing_decisions.jsonl", "index.html"}
        for path in (state, *state.rglob("*")):
            assert mode(path) == (0o700 if path.is_dir() else 0o600) & ~mask
    assert mode(tmp_path / "exports" / "trials.csv") == 0o666 & ~mask


def test_an_older_state_is_closed_to_others(tmp_path: Path) -> None:
    state = tmp_path / "state"
    prepare_state_dir(state)
    open_ledger(state)
    log(state)
    lock(state)
    state.chmod(0o755)
    for path in state.iterdir():
        path.chmod(0o644)
    prepare_state_dir(state)
    open_ledger(state)
    log(state)
    lock(state)
    assert mode(state) == 0o700
    assert {path.name for path in state.iterdir() if mode(path) != 0o600} == set()


def test_a_folder_of_the_users_stays_open(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    (tmp_path / ".gitignore").write_text("*.pyc\n")
    reports = tmp_path / REPORTS
    reports.mkdir()
    reports.chmod(0o755)
    prepare_state_dir(tmp_path)
    open_ledger(tmp_path)
    assert (mode(tmp_path), mode(tmp_path / "ledger.sqlite")) == (0o755, 0o600)
    assert mode(reports) == 0o700, "An earlier version's pages in it can be read by others."


def test_a_file_outside_keeps_its_mode(tmp_path: Path) -> None:
    (tmp_path / "routing_config.json").write_text("{}")
    (tmp_path / "routing_config.json").chmod(0o640)
    prepare_state_dir(tmp_path / "state")
    state = tmp_path / "state"
    with hold_lock(state) as lease, closing(Ledger(state / "ledger.sqlite")) as ledger:
        _change(state, ledger, lease, tmp_path / "routing_config.json")
    assert mode(tmp_path / "routing_config.json") == 0o640


@pytest.mark.parametrize(
    ("name", "use"),
    [
        ("routing_decisions.jsonl", log),
        ("routing_decisions.jsonl", lambda folder: verify_log(folder / "routing_decisions.jsonl")),
        ("meta_loop_history.json", lambda folder: load_history(folder / "meta_loop_history.json")),
        ("meta_loop_history.json", lambda folder: read_history(folder / "meta_loop_history.json")),
        ("journal.json", lambda folder: read_journal(folder, folder.parent / "routing_config.json")),
        ("harness_feedback.json", change),
        ("ledger.sqlite", open_ledger),
        ("ledger.sqlite-wal", open_ledger),
        ("ledger.sqlite-journal", open_ledger),
        (".gitignore", prepare_state_dir),
        ("nats", lambda folder: DevServer(command=("true",), address="", port=0, log=folder / "nats" / "log").start()),
        ("embedded.log", lambda folder: _start(folder / "embedded.log")),
    ],
)
def test_no_link_is_followed(tmp_path: Path, name: str, use: Callable[[Path], object]) -> None:
    state, target = tmp_path / "state", tmp_path / "target"
    prepare_state_dir(state)
    target.write_text("precious")
    target.chmod(0o644)
    (state / name).unlink(missing_ok=True)
    (state / name).symlink_to(target)
    with pytest.raises(
        StateError, match=f"{name} is a symbolic link, and links in the state directory are not followed"
    ):
        use(state)
    assert (target.read_text(), mode(target)) == ("precious", 0o644)
    (state / name).unlink()
    (state / name).symlink_to(tmp_path / "nowhere")
    with pytest.raises(StateError, match="is a symbolic link"):
        use(state)
    assert not (tmp_path / "nowhere").exists()


def _start(log_path: Path) -> None:
    with EmbeddedServer(next(iter(EMBEDDED_MODELS.values())), log_path=log_path):
        pass


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    "use", [lock, log, lambda folder: read_history(folder / "meta_loop_history.json"), open_ledger]
)
def test_a_pipe_in_place_of_a_file_is_refused(tmp_path: Path, use: Callable[[Path], object]) -> None:
    for name in ("lock", "routing_decisions.jsonl", "meta_loop_history.json", "ledger.sqlite"):
        os.mkfifo(tmp_path / name)
    with pytest.raises(StateError, match=r"is no (regular )?file; move it away"):
        use(tmp_path)


def test_the_directory_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    state = tmp_path / "state"
    state.symlink_to(tmp_path / "disk")
    with hold_state(state, tmp_path / "routing_config.json"):
        open_ledger(state)
    change(state)
    assert {"lock", "ledger.sqlite", "harness_feedback.json"} <= {path.name for path in (tmp_path / "disk").iterdir()}
