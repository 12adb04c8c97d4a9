"""Judging: evidence is booked as reports come in, and the session's end decides. Runs in the process that decides."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import pytest

from pytest_selfopt.cycle.cycle_run import Work
from pytest_selfopt.cycle.exit_status import EXIT_DECIDED, EXIT_NOT_ENOUGH_EVIDENCE, exit_status
from pytest_selfopt.cycle.gate import gate_status
from pytest_selfopt.cycle.phase_run import EvidenceProblem
from pytest_selfopt.deferred_signals import undisturbed
from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.routing.atomic_files import timestamp
from pytest_selfopt.session.ci_outputs import annotate, build_outcome, write_outputs
from pytest_selfopt.session.options import mode_of, terminal_of
from pytest_selfopt.session.report_evidence import NO_KEYWORDS, from_evidence, get_evidence, set_evidence
from pytest_selfopt.session.terminal.summary import write_gate, write_summary
from pytest_selfopt.session.terminal.writer import StyledText, TerminalWriter
from pytest_selfopt.settings import Mode
from pytest_selfopt.trial import ErrorKind, Outcome, Trial

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


class VerdictHooks:
    """The hooks from a report to the verdict; `work` gives what the session works with, once there is something."""

    def __init__(
        self,
        config: pytest.Config,
        work: Callable[[], Work | None],
        turn: Callable[[], AbstractContextManager[None]] = lambda: undisturbed,
    ) -> None:
        """Judge for a session; evidence is booked in its `turn`."""
        self._config = config
        self._turn = turn
        self._work = work
        self._judges = mode_of(config) is not Mode.PLAIN
        self._unmasked = 0
        """Failures that are no judged misses: no verdict hides them."""
        self._outcome: dict[str, Any] = {}
        """What is written for machines, once the session has ended."""
        self._file = ""
        """That of the item that was begun last."""
        self.nothing_on_trial = False

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, None, None]:
        """Book the evidence that a report carries, and let go of what nobody reads after that."""
        evidence, work = get_evidence(report), self._work()
        if evidence is None or work is None or not self._judges:
            unmasked, printed = report.failed, report.when == "call" or not report.passed
        else:
            with self._turn():
                unmasked = printed = self._book(work, evidence, failed=report.failed)
        self._unmasked += unmasked
        if printed and work is not None:
            work.clear_live_line()
        yield
        if hasattr(report, "selfopt"):
            self._let_go(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Take the line of progress away when pytest comes to the next file, whose name it writes."""
        file, work = nodeid.partition("::")[0], self._work()
        if work is not None and file != self._file:
            work.clear_live_line()
        self._file = file

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Take the line of progress away before pytest ends its own, also when it is interrupted."""
        try:
            return (yield)
        finally:
            work = self._work()
            if work is not None:
                work.clear_live_line()

    def _let_go(self, report: pytest.TestReport) -> None:
        """Make a report small: pytest's terminal reporter keeps all of them until the end, three for each item."""
        evidence = get_evidence(report)
        uneventful = evidence is None and not report.sections and not self._config.option.durations
        terminal = terminal_of(self._config) if uneventful else None
        kept = terminal.stats.get("") if terminal is not None else None
        if kept and kept[-1] is report:
            kept.pop()
        set_evidence(report, None)
        if report.passed:
            report.keywords = NO_KEYWORDS

    def _book(self, work: Work, evidence: str, *, failed: bool) -> bool:
        """Take evidence in; whether it stands for a failure that no verdict hides."""
        trial = _readable(evidence)
        if trial is None:
            work.flaws[EvidenceProblem.UNREADABLE] += 1
            return failed
        work.book(trial)
        return trial.error_kind is ErrorKind.TEST

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note that something could not be collected."""
        self._unmasked += report.failed

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.CollectReport | pytest.TestReport) -> tuple[str, str, str] | None:
        """In a cycle a wrong answer is data: counted, not printed as a failure."""
        evidence = get_evidence(report)
        trial = _readable(evidence) if evidence is not None and self._judges else None
        if trial is None or trial.error_kind is ErrorKind.TEST:
            return None
        names = {Outcome.PASS: "passed", Outcome.MISS: "missed", Outcome.ERROR: "without answer"}
        loud = self._config.get_verbosity() > 0
        return names[trial.outcome], "", trial.outcome.upper() if loud else ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Judge what was measured, write what follows, and set the exit status."""
        if self.nothing_on_trial and session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            session.exitstatus = EXIT_DECIDED
        work = self._work()
        if not self._judges or work is None or not work.started:
            return
        ended_well = session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        interrupted = not ended_well or bool(session.shouldfail) or bool(session.shouldstop)
        try:
            with undisturbed:
                work.finish(interrupted=interrupted)
        except SelfoptError as problem:
            work.problem = str(problem)
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
            return
        if interrupted or self._unmasked:
            return
        if work.stopped_because or work.flaws:
            session.exitstatus = EXIT_NOT_ENOUGH_EVIDENCE
        elif work.settings.mode is Mode.GATE:
            session.exitstatus = gate_status(work.gated) if work.gated else EXIT_NOT_ENOUGH_EVIDENCE
        else:
            session.exitstatus = exit_status(work.conclusions, proven_next=work.proven_next)

    @pytest.hookimpl(specname="pytest_sessionfinish", trylast=True)
    def pytest_sessionfinish_and_tell(self, session: pytest.Session) -> None:
        """Write for machines, after pytest has written its own report."""
        work = self._work()
        if self._judges and work is not None and work.started:
            with undisturbed:
                self._outcome = build_outcome(work, int(session.exitstatus))
                work.discard()
                _publish(work)
                work.notes += write_outputs(self._outcome, work.published, self._config, os.environ)

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Print the decision."""
        if self.nothing_on_trial:
            TerminalWriter(terminalreporter).write_lines(
                [StyledText("selfopt: nothing is on trial, so there is nothing to prove")]
            )
        work = self._work()
        if self._judges and work is not None and work.started:
            annotate(self._outcome, terminalreporter)
            if not self._config.getoption("no_summary"):
                (write_gate if work.settings.mode is Mode.GATE else write_summary)(terminalreporter, work)


def _publish(work: Work) -> None:
    """Write the report on a cycle that is over, whatever came of it."""
    if work.cycle and work.settings.reports:
        from pytest_selfopt.report.publish import publish

        work.published = publish(work.settings, work.cycle, now=timestamp(time.time()))
        work.notes += filter(None, [work.published.problem])


def _readable(evidence: str) -> Trial | None:
    try:
        return from_evidence(evidence)
    except ValueError:
        return None
