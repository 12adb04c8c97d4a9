"""The hooks that take evidence from reports and judge it when the session ends, in the process that decides."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_selfopt import clock
from pytest_selfopt.console.output import leave_closed_terminal
from pytest_selfopt.cycle.build_gate import gate_status
from pytest_selfopt.cycle.exit_status import EXIT_DECIDED, EXIT_NOT_ENOUGH_EVIDENCE, exit_status
from pytest_selfopt.cycle.phase_run import EvidenceProblem
from pytest_selfopt.cycle.proof import ProofRun
from pytest_selfopt.cycle.result import CycleResult
from pytest_selfopt.cycle.running_cycle import RunningCycle
from pytest_selfopt.deferred_signals import undisturbed
from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.execution.replies import one_line
from pytest_selfopt.planning.session_plan import SkippedTrials
from pytest_selfopt.routing.atomic_files import described, timestamp
from pytest_selfopt.session import memory
from pytest_selfopt.session.ci_outputs import annotate, build_outcome, write_outputs
from pytest_selfopt.session.hidden_failures import HiddenFailures, may_be_replaced, was_cut_short
from pytest_selfopt.session.options import mode_of, terminal_of
from pytest_selfopt.session.report_evidence import from_evidence, get_evidence, is_part, is_unanswered, set_evidence
from pytest_selfopt.session.terminal.summary import write_gate, write_summary, write_warmups
from pytest_selfopt.session.terminal.writer import StyledText, TerminalWriter
from pytest_selfopt.settings import Mode
from pytest_selfopt.trial import ErrorKind, Outcome, Trial

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

    from pytest_selfopt.report.publish import PublishedReport


_CATEGORIES = {
    Outcome.PASS: "passed",
    Outcome.MISS: "missed",
    Outcome.ERROR: "without answer",
}
"""The categories under which pytest counts the answers of a cycle."""
_NO_ROOM = (OSError, MemoryError, ImportError)
"""What Python raises where this process may open no more files, or use no more memory: modules are imported late."""
_EXPECTED = {Outcome.PASS: "xpassed", Outcome.MISS: "xfailed"}
"""Those of the answers to cases that are expected to fail."""


class VerdictHooks:
    """The hooks from a report to the verdict; `running` gives the cycle, once its calls have begun."""

    def __init__(
        self,
        config: pytest.Config,
        running: Callable[[], RunningCycle | None],
        lock: Callable[[], AbstractContextManager[None]] = lambda: undisturbed,
    ) -> None:
        """Judge for a session; evidence is taken in under its `lock`."""
        self._config = config
        self._lock = lock
        self._running = running
        self._result: CycleResult | None = None
        """The result of the session, once it has ended."""
        self._page: Path | None = None
        """The page of the report on the session."""
        self._judges = mode_of(config) is not Mode.PLAIN
        self._failures = 0
        """The number of failures that are no judged misses: no verdict hides them."""
        self._hidden = HiddenFailures(config)
        self._interrupted = False
        """Whether the session was interrupted; pytest may fail before it sets its status."""
        self._outcome: dict[str, Any] = {}
        """The outcome for build servers, once the session has ended."""
        self._skips: Counter[str] = Counter()
        """How many trials their tests skipped, by reason."""
        self._file = ""
        """The file of the item that was begun last."""
        self.nothing_on_trial = False
        self.nothing_asked: Sequence[SkippedTrials] = ()
        """The selected trials, if marks skip all of them."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, None, None]:
        """Take in the evidence on a report, and drop what is not read later."""
        evidence = get_evidence(report)
        running = self._running()
        if evidence is None or running is None or not self._judges:
            failed = report.failed
            if report.skipped and report.when != "teardown" and hasattr(report, "selfopt"):
                self._skips[_reason_of(report)] += 1
            printed = report.when == "call" or not report.passed
        else:
            with self._lock():
                failed = printed = self._take(running, evidence, failed=report.failed)
        self._failures += failed
        if printed and running is not None:
            running.make_room()
        with self._hidden.counting(hidden=evidence is not None and not failed):
            yield
        if is_unanswered(report):
            memory.mark_as_error(self._config, report)
        if hasattr(report, "selfopt"):
            self._shrink(report)

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logstart(self, nodeid: str) -> None:
        """Erase the progress line before pytest writes the name of the next file."""
        file = nodeid.partition("::")[0]
        running = self._running()
        if running is not None and file != self._file:
            running.make_room()
        self._file = file

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_runtestloop(self) -> Generator[None, object, object]:
        """Erase the progress line before pytest ends its own line, even after an interruption."""
        try:
            ended = yield
            self.take_off_hidden_failures()
            return ended
        finally:
            running = self._running()
            if running is not None:
                running.make_room()

    def take_off_hidden_failures(self) -> None:
        """Take the failures that a verdict stands for off pytest's count, once all items were run."""
        self._hidden.take_off()

    def _shrink(self, report: pytest.TestReport) -> None:
        """Drop what is not read of a report, which pytest's terminal keeps until the end."""
        terminal = terminal_of(self._config)
        uneventful = get_evidence(report) is None and not report.sections
        # Zero asks for the durations of all reports.
        without_durations = self._config.getoption("durations", None) is None
        if terminal is not None and uneventful and without_durations:
            memory.drop_from_terminal(terminal, report)
        set_evidence(report, None)
        if report.passed:
            memory.drop_keywords(report)

    def _take(self, running: RunningCycle, evidence: str, *, failed: bool) -> bool:
        """Take in evidence; return whether it is a failure that no verdict hides."""
        trial = _parse_evidence(evidence)
        if trial is None:
            running.note_problem(EvidenceProblem.UNREADABLE)
            return failed
        running.take(trial)
        return _is_never_hidden(trial, failed=failed)

    def _skip_notes(self, running: RunningCycle) -> list[str]:
        """Return a sentence on each reason for which tests skipped trials that were asked."""
        notes: list[str] = []
        for reason, number in self._skips.items():
            if reason != running.stopped_because:
                notes.append(
                    f"{number:,} trials were skipped by their test, after they were asked ({reason}); "
                    "a mark skip or skipif leaves them out before"
                )
        return notes

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        """Note that something could not be collected."""
        self._failures += report.failed

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.CollectReport | pytest.TestReport) -> tuple[str, str, str] | None:
        """Count a cycle's wrong answers as data, and print no failure for them; elsewhere no answer is an error."""
        evidence = get_evidence(report)
        if is_part(report):
            return "", "", ""
        if not self._judges and is_unanswered(report):
            return "error", "E", "ERROR"
        if evidence is None or not self._judges:
            return None
        trial = _parse_evidence(evidence)
        if trial is None or _is_never_hidden(trial, failed=report.failed):
            return None
        word = ""
        if self._config.get_verbosity() > 0:
            word = trial.outcome.upper()
        if hasattr(report, "wasxfail") and trial.outcome in _EXPECTED:
            return _EXPECTED[trial.outcome], "", word
        return _CATEGORIES[trial.outcome], "", word

    @pytest.hookimpl(trylast=True)
    def pytest_keyboard_interrupt(self) -> None:
        """Note that the session was interrupted, maybe because its terminal was closed."""
        self._interrupted = True
        # After pytest's capturing, which restores the streams here.
        leave_closed_terminal()

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Judge the evidence, write the results, and set the exit status."""
        undisturbed.finish()
        if self.nothing_on_trial and session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            session.exitstatus = EXIT_DECIDED
        if self.nothing_asked and self._judges and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = EXIT_NOT_ENOUGH_EVIDENCE
        running = self._running()
        if not self._judges or running is None:
            return
        interrupted = self._interrupted or was_cut_short(session)
        try:
            with undisturbed:
                self._result = running.finish(interrupted=interrupted)
        except (SelfoptError, *_NO_ROOM) as problem:
            self._result = running.fail(_sentence(problem))
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
            return
        self._result = replace(self._result, notes=(*self._result.notes, *self._skip_notes(running)))
        others = self._failures or not self._hidden.are_all_of(session)
        if not interrupted and not others and may_be_replaced(session):
            session.exitstatus = _status_of(self._result)

    @pytest.hookimpl(specname="pytest_sessionfinish", trylast=True)
    def pytest_sessionfinish_outputs(self, session: pytest.Session) -> None:
        """Write the outputs for build servers, after pytest has written its own report."""
        result = self._result
        if result is None:
            return
        with undisturbed:
            self._outcome = build_outcome(result, int(session.exitstatus))
            # From now on trials are read from the ledger.
            result = replace(result, phases={})
            notes: list[str] = []
            page = None
            try:
                published = _publish(result)
                if published is not None:
                    notes.append(published.problem)
                    page = published.page
                notes += write_outputs(self._outcome, published, self._config, os.environ)
            except _NO_ROOM as problem:
                notes.append(f"not all reports were written: {_sentence(problem)}; selfopt report writes them later")
            self._page = page
            self._result = replace(result, notes=(*result.notes, *filter(None, notes)))

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Print the decision."""
        if self.nothing_on_trial:
            line = "selfopt: nothing is on trial, so there is nothing to prove"
            writer = TerminalWriter(terminalreporter)
            writer.write_lines([StyledText(line)])
        if self.nothing_asked and self._judges:
            writer = TerminalWriter(terminalreporter)
            writer.write_lines(_nothing_asked(self.nothing_asked))
        running = self._running()
        if not self._judges and running is not None:
            write_warmups(terminalreporter, running.warmups)
        if self._result is None:
            return
        annotate(self._outcome, terminalreporter)
        if self._config.getoption("no_summary"):
            return
        if self._result.settings.mode is Mode.GATE:
            write_gate(terminalreporter, self._result)
        else:
            write_summary(terminalreporter, self._result, self._page)

    @property
    def proof(self) -> ProofRun | None:
        """The proof that a following session is to run."""
        if self._result is None:
            return None
        return self._result.proof


def _sentence(problem: Exception) -> str:
    """Say what went wrong, where, and what to do."""
    if isinstance(problem, OSError):
        # A failed write does not say to which file.
        folder = Path(str(problem.filename or Path.cwd() / "a file")).parent
        return f"{problem.filename or 'a file'}: {described(problem, folder)}"
    if isinstance(problem, MemoryError):
        return "this process may use no more memory (ulimit -v)"
    return str(problem)


def _nothing_asked(skipped: Sequence[SkippedTrials]) -> list[StyledText]:
    lines = [StyledText("selfopt: no decision: marks skip every selected trial, so no model was asked", "yellow")]
    lines.extend(StyledText(str(trials), "yellow") for trials in skipped)
    return lines


def _reason_of(report: pytest.TestReport) -> str:
    """Return why a report is a skip."""
    if isinstance(report.longrepr, tuple):
        return one_line(report.longrepr[2].removeprefix("Skipped: "))
    return one_line(str(getattr(report, "wasxfail", "")))


def _is_never_hidden(trial: Trial, *, failed: bool) -> bool:
    """Whether a report is a failure that no verdict hides: of the test, or of a plugin that fails a right answer."""
    return trial.error_kind is ErrorKind.TEST or (failed and trial.outcome is Outcome.PASS)


def _status_of(result: CycleResult) -> int:
    """Return the exit status of a session that was judged."""
    if result.stopped_because or result.evidence_problems:
        return EXIT_NOT_ENOUGH_EVIDENCE
    if result.settings.mode is not Mode.GATE:
        status = exit_status(result.conclusions, proven_next=result.proven_next)
        if result.silent and status == EXIT_DECIDED:
            return EXIT_NOT_ENOUGH_EVIDENCE
        return status
    if not result.gated:
        return EXIT_NOT_ENOUGH_EVIDENCE
    return gate_status(result.gated)


def _publish(result: CycleResult) -> PublishedReport | None:
    """Write the report on a finished cycle, decided or not."""
    if not result.cycle or not result.settings.reports:
        return None
    from pytest_selfopt.report.publish import publish

    return publish(result.settings, result.cycle, now=timestamp(clock.now()))


def _parse_evidence(evidence: str) -> Trial | None:
    try:
        return from_evidence(evidence)
    except ValueError:
        return None
