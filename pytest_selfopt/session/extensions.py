"""The work of a session, with what the project's own hooks add to it."""

from __future__ import annotations

import pytest

from pytest_selfopt.cycle.cycle_run import Work
from pytest_selfopt.session.options import looks_only
from pytest_selfopt.session.own_gates import project_gates
from pytest_selfopt.session.own_runner import project_runner
from pytest_selfopt.settings import Settings


def new_work(config: pytest.Config, settings: Settings) -> Work:
    """The part of a session that touches files, servers and models; it touches none before its first plan."""
    return Work(
        settings,
        makes_calls=not looks_only(config),
        own_gates=project_gates(config),
        own_runner=project_runner(config),
    )
