"""The cycle of a session, from the first plan to its end, whether the session is distributed or not."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import pytest

from pytest_selfopt.bench.loading.suites import Suite
from pytest_selfopt.cycle.cycle_calls import StartRequest
from pytest_selfopt.cycle.planned_cycle import PlannedCycle
from pytest_selfopt.cycle.running_cycle import RunningCycle
from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.planning.plan import PhasePlan, PlannedTrial
from pytest_selfopt.planning.session_plan import SessionPlan
from pytest_selfopt.session.extensions import plan_cycle
from pytest_selfopt.session.options import command_of, lookahead_of, settings_of, terminal_of
from pytest_selfopt.session.project import SessionProject
from pytest_selfopt.session.subsessions import note_history
from pytest_selfopt.session.terminal.reporter import ProgressReporter
from pytest_selfopt.settings import Settings
from pytest_selfopt.specs.variants import Variant


class SessionCycle:
    """The cycle of a session: planned on first use, then running."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._planned: PlannedCycle | None = None
        self.session_plan = SessionPlan(self._plan_phase, self._variant)
        """The plan so far."""
        self.project = SessionProject(config)
        """The project of the session, claimed by its first benchmark."""
        self.started: RunningCycle | None = None
        """The cycle whose calls are being made; None before they begin."""

    @cached_property
    def settings(self) -> Settings:
        """The checked settings of the session.

        Raises:
            SettingsError: on first use, when something is configured wrongly.
        """
        return settings_of(self._config, self.project.choice)

    @property
    def planned(self) -> PlannedCycle:
        """The cycle before its calls begin, made on first use."""
        if self._planned is None:
            self._planned = plan_cycle(self._config, self.settings)
        return self._planned

    @property
    def running(self) -> RunningCycle:
        """The cycle whose items are being run.

        Raises:
            SelfoptError: if items are run although no calls were begun.
        """
        if self.started is None:
            raise SelfoptError("the session makes no calls, because of an earlier error")
        return self.started

    @property
    def seed(self) -> int:
        """The seed of the order of specs; 0 where nothing was planned."""
        if self._planned is None:
            return 0
        return self._planned.seed

    def _variant(self, name: str) -> Variant:
        return self.settings.variant(name)

    def _plan_phase(self, _test: str, phase: str, suite: Suite) -> PhasePlan:
        return self.planned.plan(phase, suite)

    def start(self, selected: Sequence[PlannedTrial]) -> None:
        """Begin to make the calls of the selected trials.

        Raises:
            SelfoptError: if calls cannot be made.
        """
        reporter = ProgressReporter(terminal_of(self._config))
        note = self.project.unused_note
        if note:
            reporter.warn(note)
        request = StartRequest(
            session_plan=self.session_plan,
            selected=selected,
            command=command_of(self._config),
            lookahead=lookahead_of(self._config),
            observer=reporter,
        )
        note_history(self.settings.state_dir)
        self.started = self.planned.start(request)
        # Only now, so that an interruption finds the cycle of all calls that were made.
        self.started.begin_calls()

    def stop(self) -> None:
        """Make no more calls and stop the servers; doing it twice is harmless."""
        if self.started is not None:
            self.started.stop()

    def close(self) -> None:
        """Release servers, ledger and lock; doing it twice is harmless."""
        self.stop()
        if self._planned is not None:
            self._planned.close()
