"""The session of one process: benchmarks are collected, called, replayed and judged here."""

from __future__ import annotations

from collections.abc import Generator, Sequence

import pytest

from pytest_selfopt.console.sanitize import harmless
from pytest_selfopt.deferred_signals import undisturbed
from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.models.blocked import find_block
from pytest_selfopt.planning.plan import PlannedTrial, TrialKey
from pytest_selfopt.session.collection import BenchmarkCollector, arrange
from pytest_selfopt.session.options import looks_only, terminal_of
from pytest_selfopt.session.runtest import RuntestHooks
from pytest_selfopt.session.session_cycle import SessionCycle
from pytest_selfopt.session.stash import PLANNED
from pytest_selfopt.session.subsessions import run_proof
from pytest_selfopt.session.tag_selection import tags_as_marks
from pytest_selfopt.session.terminal.messages import files_line
from pytest_selfopt.session.terminal.writer import StyledText, TerminalWriter
from pytest_selfopt.session.verdict import VerdictHooks
from pytest_selfopt.settings import Settings
from pytest_selfopt.trial import CallError, CallResult


class SelfoptSession:
    """A pytest session that has benchmarks and is not distributed."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._cycle = SessionCycle(config)
        self._plan = self._cycle.session_plan
        self._collector = BenchmarkCollector(self._plan, self._cycle.project)
        self._begun: TrialKey | None = None
        """The trial whose item was begun last; it may be begun again."""
        undisturbed.interrupt_when_ended()
        self._verdict = VerdictHooks(config, lambda: self._cycle.started)
        config.pluginmanager.register(self._verdict, "selfopt-judging")
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
        """Begin an item; see `RunningCycle.begin`."""
        if self._begun is not None and self._begun != planned.key:
            self._cycle.running.dispatcher.discard(self._begun)
        self._begun = planned.key
        return self._cycle.running.begin(planned)

    def result(self, key: TrialKey) -> CallResult:
        """Wait for the result of a trial's call; see `RunningCycle.result`.

        While an item is run, plugins and fixtures may forbid connections. Whether a call comes before or after that is
        chance, so no reply is handed out then.
        """
        error = self._find_block(key)
        if error is None:
            return self._cycle.running.result(key)
        return self._cycle.running.block(key, error)

    def _find_block(self, key: TrialKey) -> CallError | None:
        """Return the error of connections to a trial's model, if this process makes them and they are forbidden now."""
        model = self.settings.model(self._plan.planned[key].spec.model)
        if self.stopped_because or self.settings.runner != "local" or model.members or model.provider.client:
            return None
        return find_block(model.provider.base_url)

    def abandon(self, key: TrialKey) -> None:
        """Abandon a trial's call; see `Dispatcher.abandon`."""
        self._cycle.running.dispatcher.abandon(key)

    def end_session(self, why: str) -> None:
        """End the session at once."""
        pytest.exit(why, returncode=pytest.ExitCode.USAGE_ERROR)

    def generate(self, metafunc: pytest.Metafunc, marker: pytest.Mark) -> None:
        """Parametrize a marked test."""
        self._collector.parametrize(metafunc, marker)

    def refuse(self, problems: Sequence[str]) -> None:
        """End the session with problems of its items.

        Raises:
            pytest.UsageError: always.
        """
        raise pytest.UsageError(harmless("\n".join(problems)))

    def run_proof(self, status: int) -> int:
        """Prove the rules that this session put on trial, in a following session; return the status of both."""
        return run_proof(self._verdict.proof, self._config, status)

    def close(self) -> None:
        """Release servers, ledger and lock; doing it twice is harmless."""
        self._cycle.close()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        """Refuse problems, and sort the items after all other plugins."""
        self._collector.stash_planned(items)
        self._collector.refuse_plugins(self._config, items)
        self._collector.deselect_tags(session, items)
        self._collector.refuse_problems()
        if self._config.option.selfopt_prove:
            plans = self._plan.plans.items()
            idle = [phase for phase, plan in plans if not plan.trial]
            dropped = self._collector.deselect_phases(idle, items)
            self._verdict.nothing_on_trial = bool(dropped) and not self._plan.plans
            self._config.hook.pytest_deselected(items=dropped)
        with tags_as_marks(self._config, items):
            yield
        self._collector.settle(self._config, items)
        self._collector.refuse_problems()
        self._plan.leave_out(self._collector.skipped)
        if not any(PLANNED in item.stash for item in items):
            self._verdict.nothing_asked = self._collector.skipped
        arrange(items, self._cycle.seed)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Make the calls while pytest's own loop runs."""
        if self._config.option.selfopt_dry_run:
            self._show_dry_run()
            # No item is to be run, but pytest's own loop would run them.
            session.items.clear()
            return (yield)
        planned = [item.stash[PLANNED] for item in session.items if PLANNED in item.stash]
        # Once each: in a plain session, items may share a trial.
        selected = list({trial.key: trial for trial in planned}.values())
        failed = session.testsfailed and not self._config.option.continue_on_collection_errors
        if looks_only(self._config) or not selected or failed:
            return (yield)
        try:
            self._cycle.start(selected)
            return (yield)
        except SelfoptError as problem:
            raise pytest.UsageError(harmless(str(problem))) from None
        finally:
            self._cycle.stop()

    def _show_dry_run(self) -> None:
        try:
            lines = self._cycle.planned.dry_run(self._plan)
        except SelfoptError as problem:
            raise pytest.UsageError(harmless(str(problem))) from None
        terminal = terminal_of(self._config)
        if terminal is not None:
            writer = TerminalWriter(terminal)
            writer.write_lines(map(StyledText, [files_line(self.settings), *lines]))
