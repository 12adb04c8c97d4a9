"""Two users of a machine on one state directory: the second one is told whose it is."""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pytest_selfopt.errors import StateError
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.ledger.steps import hold_state, settle_before_reading
from pytest_selfopt.routing.atomic_files import read_text, write_atomically
from pytest_selfopt.routing.lock import hold_lock
from pytest_selfopt.routing.ownership import is_closed, reason

NOBODY = 65_534


@pytest.fixture
def state_dir() -> Iterator[Path]:
    """A state directory with files of ours, where other users can come to."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        Ledger(path / "ledger.sqlite").close()
        with hold_lock(path):
            pass
        yield path


@contextmanager
def another_user() -> Iterator[None]:
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


def settle(state_dir: Path) -> None:
    settle_before_reading(state_dir, state_dir.parent / "routing_config.json")


def begin(state_dir: Path) -> None:
    with hold_state(state_dir, state_dir.parent / "routing_config.json"):
        pass


def lock(state_dir: Path) -> None:
    with hold_lock(state_dir):
        pass


def read_ledger(state_dir: Path) -> None:
    Ledger(state_dir / "ledger.sqlite").close()


def write(state_dir: Path) -> None:
    write_atomically(state_dir / "journal.json", "{}")


def read(state_dir: Path) -> None:
    read_text(state_dir / "ledger.sqlite")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
@pytest.mark.parametrize("mode", [0o700, 0o755], ids=["closed", "readable"])
@pytest.mark.parametrize("use", [begin, lock, read_ledger, write])
def test_another_user_is_told_whose_it_is(state_dir: Path, mode: int, use: Callable[[Path], None]) -> None:
    state_dir.chmod(mode)
    with another_user(), pytest.raises(StateError, match=r"belongs to user root, and this is user \w+") as told:
        use(state_dir)
    assert f"{state_dir} and its files have to be writable for this user" in str(told.value)
    begin(state_dir)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be two users")
@pytest.mark.parametrize("use", [settle, read])
def test_another_user_cannot_read_a_closed_folder(state_dir: Path, use: Callable[[Path], None]) -> None:
    with another_user(), pytest.raises(StateError, match=r"cannot read .*Permission denied.* belongs to user root"):
        use(state_dir)


def test_our_own_folder_is_open(state_dir: Path) -> None:
    assert not is_closed(state_dir)
    assert not is_closed(state_dir / "missing")
    assert reason(PermissionError(errno.EACCES, "Permission denied"), state_dir) == "Permission denied"
