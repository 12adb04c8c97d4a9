"""The exception hierarchy, with one root, so that callers can catch everything this package raises on purpose."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_selfopt.bounded_text import bounded

if TYPE_CHECKING:
    from pathlib import Path


class SelfoptError(Exception):
    """A problem a person can fix; the message says what is wrong, where, and what to do, in lines of bounded length."""

    def __str__(self) -> str:
        return bounded(super().__str__())


class SettingsError(SelfoptError):
    """An option, ini key or `[tool.selfopt]` entry has a value that cannot be used."""


class SuiteError(SelfoptError):
    """A suite file cannot be read; the message names file, line and field."""


class SpecError(SelfoptError):
    """A spec id does not parse, or one of its values is impossible."""


class ModelError(SelfoptError):
    """A model cannot be reached or started at all (a single failed call is a `CallError` instead)."""


class StateError(SelfoptError):
    """A file of the state directory or the routing configuration cannot be read or written."""


class NothingRecordedError(StateError):
    """A command has nothing to read yet, because no cycle has run."""

    def __init__(self, what: str, state_dir: Path) -> None:
        super().__init__(f"there is no {what} in {state_dir}; run pytest with --selfopt-cycle first")


class RunnerError(SelfoptError):
    """Calls cannot be made in other processes: no server, no worker, or a message that cannot be read."""
