"""The replay of items: each gets the reply of its call, and its outcome travels on the report."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any, Protocol
from warnings import WarningMessage

import pytest

from pytest_selfopt.console.sanitize import harmless
from pytest_selfopt.deferred_signals import undisturbed
from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.execution.dispatcher import NoResultError
from pytest_selfopt.execution.replies import CallFailed, Received, make_trial, parse_reply
from pytest_selfopt.planning.plan import PlannedTrial, TrialKey
from pytest_selfopt.session import memory
from pytest_selfopt.session.neighbours.brief_failures import brief_failure
from pytest_selfopt.session.neighbours.item_runs import ItemRuns, SecondRunError, is_forked
from pytest_selfopt.session.neighbours.returned_values import returned_values_are_errors
from pytest_selfopt.session.neighbours.safe_reports import make_safe, make_warning_safe
from pytest_selfopt.session.neighbours.subtests import Subtests
from pytest_selfopt.session.options import looks_only, mode_of
from pytest_selfopt.session.report_evidence import (
    attach_trial,
    classify_outcome,
    classify_phase,
    portable,
    properties_of,
    set_evidence,
)
from pytest_selfopt.session.stash import LEFT_OUT, PLANNED
from pytest_selfopt.settings import Mode, Settings
from pytest_selfopt.trial import CallError, CallResult, ErrorKind, Outcome, Reply, Trial

if TYPE_CHECKING:
    from _pytest._code.code import TerminalRepr


class Source(Protocol):
    """The source of replies: this process, or the controller of a distributed session."""

    @property
    def settings(self) -> Settings:
        """The settings of the session."""

    @property
    def stopped_because(self) -> str:
        """Why no more calls are made; empty while they are."""

    def begin(self, planned: PlannedTrial) -> bool:
        """Wait until an item's call is under way; return False if the race has stopped its spec."""

    def result(self, key: TrialKey) -> CallResult:
        """Wait for the result of a trial's call."""

    def abandon(self, key: TrialKey) -> None:
        """Abandon a trial's call, because no item waits for it any more."""

    def end_session(self, why: str) -> None:
        """End the session with a sentence; it may first return, and end when the item does."""


class RuntestHooks:
    """The hooks around each item of a benchmark, where its body runs."""

    def __init__(self, config: pytest.Config, source: Source) -> None:
        self._config = config
        self._source = source
        undisturbed.watch()
        self._judges = mode_of(config) is not Mode.PLAIN
        self._runs = ItemRuns(judges=self._judges)
        self._problem = ""
        """Why the session has to end."""
        self._running: pytest.Item | None = None
        self._subtests = Subtests(judges=self._judges)
        self._judged: TrialKey | None = None
        """The trial of the current item, once it has given its evidence."""
        self._received: tuple[TrialKey, Received] | None = None
        """The trial of the current item, with its result and reply."""
        memory.gate_items(config, self._admits)

    def _admits(self, item: pytest.Item, nextitem: pytest.Item | None) -> bool:
        """Wait until the item's call is under way, outside any time limit on the item itself.

        Return False if the race has stopped its spec: pytest and its plugins never see such an item.
        """
        self._judged, self._received = None, None
        planned = item.stash.get(PLANNED, None)
        if planned is None or not self._runs.is_at_home or looks_only(self._config):
            return True
        self._shrink_previous(item)
        try:
            with undisturbed:
                should_run = self._source.begin(planned)
        except SelfoptError as problem:
            pytest.exit(harmless(str(problem)), returncode=pytest.ExitCode.USAGE_ERROR)
        if not should_run:
            self._judged = planned.key
            self._tear_down(item, nextitem)
        elif is_forked(item):
            self._result(planned)
        return should_run

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(self) -> Generator[None, object, object]:
        """Notice items that are run at a time, and end the session after one that was run twice."""
        with self._runs.item():
            outcome = yield
        if self._problem:
            # Whoever ran the item may have caught the exception that ends the session.
            self._source.end_session(self._problem)
        return outcome

    def _tear_down(self, item: pytest.Item, nextitem: pytest.Item | None) -> None:
        """Tear down what the item before has kept for an item that is not run, such as fixtures of its module."""
        call = memory.tear_down(item, nextitem)
        if call.excinfo is not None:
            report = item.ihook.pytest_runtest_makereport(item=item, call=call)
            item.ihook.pytest_runtest_logreport(report=report)

    def _shrink_previous(self, following: pytest.Item) -> None:
        """Drop the parameters of the item before."""
        done, self._running = self._running, following
        if done is not None and self._judges:
            memory.drop_parameters(done)

    @pytest.hookimpl(wrapper=True, tryfirst=True, specname="pytest_runtest_call")
    def pytest_runtest_call_with_subtests(self) -> Generator[None, None, None]:
        """Tell the reports of subtests from the item's own."""
        with self._subtests.body():
            yield

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        """Wait for the item's reply and hand it to the test body."""
        planned = item.stash.get(PLANNED, None)
        if planned is not None:
            self._begin_body(item)
            reply = self._reply(planned)
            if isinstance(item, pytest.Function) and "reply" in item.funcargs:
                item.funcargs["reply"] = reply
        elif LEFT_OUT in item.stash:
            # Its marks were evaluated at collection, and no call was made; by now a condition may say otherwise.
            pytest.skip(item.stash[LEFT_OUT])
        if planned is not None and self._judges:
            with returned_values_are_errors():
                yield
        else:
            yield

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> None:
        """Hold the place of the reply, so that pytest sets it up only for a fixture or body that asks for it."""
        if PLANNED in item.stash and isinstance(item, pytest.Function) and not looks_only(self._config):
            item.funcargs["reply"] = None

    @pytest.hookimpl(tryfirst=True)
    def pytest_fixture_setup(self, fixturedef: pytest.FixtureDef[Any], request: Any) -> Reply | None:
        """Give an item its reply before its body begins, if one of its fixtures takes it, by name or by its request."""
        if fixturedef.argname != "reply" or looks_only(self._config):
            return None
        item: pytest.Item = request.node
        if PLANNED not in item.stash:
            return None
        key = fixturedef.cache_key(request)
        try:
            reply = self._reply_in_time(item.stash[PLANNED])
        except (SelfoptError, pytest.skip.Exception) as problem:
            # pytest expects it of whoever sets a fixture up.
            fixturedef.cached_result = (None, key, (problem, problem.__traceback__))
            raise
        fixturedef.cached_result = (reply, key, None)
        return reply

    def _reply_in_time(self, planned: PlannedTrial) -> Reply:
        """Wait for the reply outside the body, where a time limit is one of the call as well; see `_reply`."""
        try:
            return self._reply(planned)
        except pytest.fail.Exception as problem:
            raise CallFailed(CallError(kind=ErrorKind.TIMEOUT, message=str(problem))) from None

    def _reply(self, planned: PlannedTrial) -> Reply:
        """Wait for the reply of the current item; the same one again for its body if a fixture has taken it.

        Raises:
            CallFailed: if there is none.
        """
        self._runs.require_alone()
        received = self._received_of(planned)
        if received is None:
            received = parse_reply(planned, self._result_for(planned))
            if self._source.stopped_because and received.reply is None:
                # No model was asked: neither an answer nor an error, and the item must not pass.
                pytest.skip(self._source.stopped_because)
            self._received = planned.key, received
        if received.reply is None:
            assert received.result.error is not None
            raise CallFailed(received.result.error)
        return received.reply

    def _received_of(self, planned: PlannedTrial) -> Received | None:
        """Return what was received for a trial; other plugins may run items that this one was not asked to admit."""
        if self._received is None or self._received[0] != planned.key:
            return None
        return self._received[1]

    def _begin_body(self, item: pytest.Item) -> None:
        """Note that an item's body begins; end the session if it is run again, although each run is evidence."""
        try:
            self._runs.begin_body(item)
        except SecondRunError as problem:
            self._problem = harmless(str(problem))
            self._source.end_session(self._problem)
            raise CallFailed(CallError(kind=ErrorKind.TEST, message=str(problem))) from None

    def _result_for(self, planned: PlannedTrial) -> CallResult:
        """Return the result of an item's call, the same one if the item is run again."""
        kept = self._runs.kept(planned.key)
        if kept is not None:
            return kept
        return self._result(planned)

    def _result(self, planned: PlannedTrial) -> CallResult:
        """Wait for the result of an item's call; end the session if calls can no longer be recorded."""
        # Each item may have its own signal handler, such as that of its time limit.
        undisturbed.watch()
        try:
            with undisturbed:
                result = self._source.result(planned.key)
        except NoResultError as problem:
            raise CallFailed(CallError(kind=ErrorKind.TEST, message=str(problem))) from None
        except SelfoptError as problem:
            pytest.exit(harmless(str(problem)), returncode=pytest.ExitCode.USAGE_ERROR)
        except pytest.fail.Exception:
            # The item's own limit is over (pytest-timeout): no test body will read the reply.
            with undisturbed:
                self._source.abandon(planned.key)
            raise
        self._runs.keep(planned.key, result)
        return result

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put the trial on the report, which travels between processes."""
        planned = item.stash.get(PLANNED, None)
        if planned is None:
            return (yield)
        report = yield from self._make_report(planned, item, call)
        make_safe(report, item.config)
        return report

    @pytest.hookimpl(tryfirst=True)
    def pytest_warning_recorded(self, warning_message: WarningMessage) -> None:
        """Show no text of a model that commands a terminal or a build server."""
        make_warning_safe(warning_message)

    def _make_report(
        self, planned: PlannedTrial, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        if self._subtests.is_next(call):
            report = yield
            self._subtests.take(call, report)
            return report
        brief = self._is_brief(call)
        suppressor: AbstractContextManager[None] = nullcontext()
        if brief:
            suppressor = memory.no_traceback(item, _brief(planned, call))
        with suppressor:
            report = yield
        trial = self._judge(planned, call, report)
        if call.when == "teardown":
            self._received = None
        if trial is None:
            self._clear_evidence(report)
            return report
        attach_trial(report, trial)
        if self._judges and self._config.getoption("xmlpath", None):
            # JUnit takes them from the report of the teardown, which gets them from the item.
            item.user_properties += properties_of(trial)
        self._judged = planned.key
        if call.when == "call":
            self._show_reply(planned, report)
        if report.passed and self._judges and trial.outcome is not Outcome.PASS:
            # Its body ended well, but a subtest did not.
            report.outcome, brief = "failed", True
        if report.failed and brief:
            reason = harmless(trial.reason)
            report.longrepr = brief_failure(planned.case.source, reason, self._subtests.traceback)
        if planned.case.expected_failure and trial.outcome is not Outcome.ERROR:
            _expect_failure(report, planned.case.expected_failure)
        return report

    def _judge(self, planned: PlannedTrial, call: pytest.CallInfo[None], report: pytest.TestReport) -> Trial | None:
        """Return the trial that a report ends; None if it ends none, or nothing was judged."""
        if call.when != "call" and (self._judged == planned.key or not report.failed):
            return None
        judgement = classify_phase(call)
        if call.when == "call":
            judgement = self._subtests.combine(judgement)
        if judgement is None:
            return None
        model = self._source.settings.model(planned.spec.model)
        return make_trial(planned, self._received_of(planned), judgement, model)

    def _clear_evidence(self, report: pytest.TestReport) -> None:
        """Mark a report as no trial: a failure after the body's outcome is a failure of the test."""
        set_evidence(report, None)
        if report.passed and self._judges:
            # The keywords of a passed set-up are not used, and a worker would send them all.
            memory.drop_keywords(report)

    def _show_reply(self, planned: PlannedTrial, report: pytest.TestReport) -> None:
        """Give a report the time of the call, and the reply if pytest is to show it."""
        received = self._received_of(planned)
        if received is None:
            return
        report.duration = received.result.ended - received.result.started
        if received.reply is not None and (report.failed or self._shows_passes):
            report.sections.append(("Captured reply call", portable(received.reply.text)))

    def _is_brief(self, call: pytest.CallInfo[None]) -> bool:
        """Whether an item failed because of its answer, or the lack of one, and not because of its test."""
        if call.excinfo is None:
            return False
        if isinstance(call.excinfo.value, CallFailed):
            return True
        outcome = classify_outcome(call)
        if outcome is None or call.when != "call":
            return False
        _, error_kind, _ = outcome
        return self._judges and error_kind is not ErrorKind.TEST

    @property
    def _shows_passes(self) -> bool:
        """Whether the user wants to read the output of passed tests, too (-rP, -rA)."""
        return bool({"P", "A"} & set(self._config.getoption("reportchars", "")))


def _brief(planned: PlannedTrial, call: pytest.CallInfo[None]) -> TerminalRepr:
    """Return what is shown instead of a traceback: the line of the case, and the reason."""
    judgement = classify_outcome(call)
    assert judgement is not None
    return brief_failure(planned.case.source, harmless(judgement[2]))


def _expect_failure(report: pytest.TestReport, reason: str) -> None:
    """Report a wrong answer as xfailed and a right one as xpassed, as pytest does for its own marker xfail."""
    if report.failed:
        report.outcome = "skipped"
    report.wasxfail = reason
