"""The session of one process: benchmarks are collected, called, replayed and judged here."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from pytest_selfopt.console.sanitize import visible
from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.planning.plan import PlannedTrial, TrialKey
from pytest_selfopt.session.collection import BenchmarkCollector, arrange
from pytest_selfopt.session.options import looks_only, mode_of, terminal_of
from pytest_selfopt.session.runtest import RuntestHooks
from pytest_selfopt.session.session_cycle import SessionCycle
from pytest_selfopt.session.stash import PLANNED
from pytest_selfopt.session.subsessions import run_proof
from pytest_selfopt.session.terminal.writer import StyledText, TerminalWriter
from pytest_selfopt.session.verdict import VerdictHooks
from pytest_selfopt.settings import Mode, Settings
from pytest_selfopt.trial import CallResult


class SelfoptSession:
    """Everything of one pytest session that has benchmarks in it and is not distributed."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._mode = mode_of(config)
        self._cycle = SessionCycle(config)
        self._plan = self._cycle.session_plan
        self._collector = BenchmarkCollector(self._plan)
        self._begun: TrialKey | None = None
        """The trial whose item was begun last; it may be begun again."""
        self._judging = VerdictHooks(config, lambda: self._cycle.started)
        config.pluginmanager.register(self._judging, "selfopt-judging")
        config.pluginmanager.register(RuntestHooks(config, self), "selfopt-replaying")

    @property
    def settings(self) -> Settings:
        """The checked settings of this session; see `SessionCycle.settings`."""
        return self._cycle.settings

    @property
    def stopped_because(self) -> str:
        """Why no more calls are made; empty while they are."""
        return self._cycle.running.stopped_because

    def begin(self, planned: PlannedTrial) -> bool:
        """Whether an item is to be run; see `RunningCycle.begin`."""
        if self._begun is not None and self._begun != planned.key:
            self._cycle.running.dispatcher.discard(self._begun)
        self._begun = planned.key
        return self._cycle.running.begin(planned)

    def result(self, key: TrialKey) -> CallResult:
        """The result of a trial's call; see `RunningCycle.result`."""
        return self._cycle.running.result(key)

    def give_up(self, key: TrialKey) -> None:
        """End a trial's call; see `Dispatcher.give_up`."""
        self._cycle.running.dispatcher.give_up(key)

    def generate(self, metafunc: pytest.Metafunc, marker: pytest.Mark) -> None:
        """Parametrize a marked test."""
        self._collector.parametrize(metafunc, marker)

    def run_proof(self, status: int) -> int:
        """Prove what this session has put on trial, in a session that follows it; the status of both."""
        return run_proof(self._judging.proof, self._config, status)

    def close(self) -> None:
        """Release servers, ledger and lock; doing it twice is harmless."""
        self._cycle.close()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, None, None]:
        """Refuse what is wrong, and order the items after every other plugin has had its say."""
        self._collector.stash_planned(items)
        if self._mode is not Mode.PLAIN:
            self._collector.refuse_reruns(items)
        self._collector.refuse_problems()
        if self._config.option.selfopt_prove:
            plans = self._plan.plans.items()
            idle = [phase for phase, plan in plans if not plan.trial]
            dropped = self._collector.deselect_phases(idle, items)
            self._judging.nothing_on_trial = bool(dropped) and not self._plan.plans
            self._config.hook.pytest_deselected(items=dropped)
        yield
        arrange(items, self._cycle.seed)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Make the calls while pytest's own loop runs."""
        if self._config.option.selfopt_dry_run:
            self._show_dry_run()
            # Nothing is to be run, and pytest's own loop would.
            session.items.clear()
            return (yield)
        selected = [item.stash[PLANNED] for item in session.items if PLANNED in item.stash]
        failed = session.testsfailed and not self._config.option.continue_on_collection_errors
        if looks_only(self._config) or not selected or failed:
            return (yield)
        try:
            self._cycle.start(selected)
            return (yield)
        except SelfoptError as problem:
            raise pytest.UsageError(visible(str(problem))) from None
        finally:
            self._cycle.stop()

    def _show_dry_run(self) -> None:
        try:
            lines = self._cycle.planned.dry_run(self._plan)
        except SelfoptError as problem:
            raise pytest.UsageError(visible(str(problem))) from None
        terminal = terminal_of(self._config)
        if terminal is not None:
            writer = TerminalWriter(terminal)
            writer.write_lines(map(StyledText, lines))
