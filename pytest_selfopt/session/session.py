"""The session object: its methods are pytest's hooks, and they hand each event to the part it concerns."""

from __future__ import annotations

import random
import shlex
from collections.abc import Generator, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pytest

from pytest_selfopt.bench.suites import Suite
from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.session.closing import EXIT_DECIDED, EXIT_NOT_ENOUGH_EVIDENCE, exit_status
from pytest_selfopt.session.collection import Collection, arrange
from pytest_selfopt.session.own_gates import own_gates_of
from pytest_selfopt.session.planned import PLANNED, PhasePlan, PlannedTrial
from pytest_selfopt.session.proving import prove
from pytest_selfopt.session.replay import (
    CallFailed,
    Received,
    attach,
    attached,
    from_evidence,
    judged,
    receive,
    to_evidence,
    trial_of,
)
from pytest_selfopt.session.summary import write_summary
from pytest_selfopt.session.work import Work
from pytest_selfopt.settings import Mode, Overrides, Settings, load_settings
from pytest_selfopt.specs.variants import Variant
from pytest_selfopt.trial import CallResult, ErrorKind, Outcome

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


_NO_KEYWORDS: Mapping[str, Any] = MappingProxyType({})


class SelfoptSession:
    """Everything of one pytest session that has benchmarks in it."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._mode = Mode.CYCLE if config.getoption("selfopt_cycle") else Mode.PLAIN
        self._collection = Collection(self._plan_for, self._variant)
        self._unmasked = 0
        self._nothing_on_trial = False
        self._running: pytest.Item | None = None
        self._received: Received | None = None
        """What came back for the item that is being run."""
        self._work: Work | None = None

    @cached_property
    def settings(self) -> Settings:
        """The checked settings of this session.

        Raises:
            SettingsError: on first use, when something is configured wrongly.
        """
        option = self._config.getoption
        overrides = Overrides(
            baseline=option("selfopt_baseline"),
            state_dir=option("selfopt_state_dir"),
            max_candidates=option("selfopt_candidates"),
            seed=option("selfopt_seed"),
            warmup=option("selfopt_warmup"),
            max_calls=option("selfopt_max_calls"),
            max_cost_usd=option("selfopt_max_cost"),
            resume=option("selfopt_resume"),
            race=not option("selfopt_no_race"),
            profile=option("selfopt_profile"),
            model=option("selfopt_force_model"),
            promote=not option("selfopt_no_promote"),
            enforce=not option("selfopt_no_enforce"),
            only_prove=option("selfopt_prove"),
            prove_at_once=not option("selfopt_no_prove"),
        )
        return load_settings(self._config.rootpath, self._mode, overrides)

    @cached_property
    def seed(self) -> int:
        """The seed of this session's order of specs; plain sessions need no chance."""
        if self._mode is Mode.PLAIN:
            return 0
        if self._work is not None and self._work.resumed_seed is not None:
            return self._work.resumed_seed
        return self.settings.seed if self.settings.seed is not None else random.randrange(2**31)

    @property
    def work(self) -> Work:
        """The part that touches files, servers and models, made when it is first needed."""
        if self._work is None:
            self._work = Work(self.settings, makes_calls=not self._looks_only, own_gates=own_gates_of(self._config))
        return self._work

    @property
    def _looks_only(self) -> bool:
        option = self._config.option
        return bool(option.collectonly or option.setuponly or option.setupplan or option.selfopt_dry_run)

    def _variant(self, name: str) -> Variant:
        return self.settings.variant(name)

    def _plan_for(self, phase: str, suite: Suite) -> PhasePlan:
        return self.work.plan(phase, suite)

    def generate(self, metafunc: pytest.Metafunc, marker: pytest.Mark) -> None:
        """Parametrize a marked test."""
        self._collection.parametrize(metafunc, marker)

    def prove(self, status: int) -> int:
        """Prove what this session has put on trial, in a session that follows it; the status of both."""
        proof = self._work.proof if self._work is not None else None
        return status if proof is None else prove(proof, self._config, status)

    def close(self) -> None:
        """Let go of servers, ledger and lock; doing it twice is harmless."""
        if self._work is not None:
            self._work.close()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> Generator[None, None, None]:
        """Refuse what is wrong, and order the items after every other plugin has had its say."""
        self._collection.refuse_problems()
        self._collection.stash_planned(items)
        if self._config.option.selfopt_prove:
            idle = [phase for phase, plan in self._collection.plans.items() if not plan.trial]
            dropped = self._collection.leave_out(idle, items)
            self._nothing_on_trial = bool(dropped) and not self._collection.plans
            self._config.hook.pytest_deselected(items=dropped)
        yield
        arrange(items, self.seed)

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> Generator[None, object, object]:
        """Make the calls while pytest's own loop runs."""
        if self._config.option.selfopt_dry_run:
            self._show_dry_run()
            # Nothing is to be run, and pytest's own loop would.
            session.items.clear()
            return (yield)
        selected = [item.stash[PLANNED] for item in session.items if PLANNED in item.stash]
        if self._looks_only or not selected or session.testsfailed:
            return (yield)
        try:
            self.work.start(
                self._collection,
                selected,
                seed=self.seed,
                command=shlex.join(["pytest", *map(str, self._config.invocation_params.args)]),
                ahead=self._may_look_ahead,
                careful=bool(self._config.option.maxfail),
                logs=getattr(self._config, "workerinput", {"workerid": "gw0"})["workerid"] == "gw0",
                terminal=self._terminal,
            )
            return (yield)
        except SelfoptError as problem:
            raise pytest.UsageError(str(problem)) from None
        finally:
            self.work.stop()

    def _show_dry_run(self) -> None:
        try:
            lines = self.work.dry_run(self._collection)
        except SelfoptError as problem:
            raise pytest.UsageError(str(problem)) from None
        if self._terminal is not None:
            for line in lines:
                self._terminal.write_line(line)

    @property
    def _may_look_ahead(self) -> bool:
        """Not while somebody debugs, nor in an xdist worker, which gets only some of the items."""
        return not (hasattr(self._config, "workerinput") or self._config.option.usepdb)

    @property
    def _terminal(self) -> TerminalReporter | None:
        reporter: TerminalReporter | None = self._config.pluginmanager.get_plugin("terminalreporter")
        return reporter

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> bool | None:
        """Leave out items of specs that the race has stopped."""
        planned = item.stash.get(PLANNED, None)
        if planned is None or self._looks_only:
            return None
        self._let_go_of_item(item)
        try:
            return None if self.work.goes_on(planned) else True
        except SelfoptError as problem:
            pytest.exit(str(problem), returncode=pytest.ExitCode.USAGE_ERROR)

    def _let_go_of_item(self, following: pytest.Item) -> None:
        """Drop the parameters of the item before: pytest keeps all items until the end, and these are most of each."""
        done, self._running = self._running, following
        if isinstance(done, pytest.Function) and self._mode is Mode.CYCLE:
            del done.callspec

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, None, None]:
        """Wait for the item's reply and hand it to the test body."""
        planned = item.stash.get(PLANNED, None)
        if planned is not None:
            received = receive(planned, self._result(planned))
            if self.work.stopped_because and received.reply is None:
                pytest.skip(self.work.stopped_because)
            self._received = received
            if received.reply is None:
                assert received.result.error is not None
                raise CallFailed(received.result.error)
            if isinstance(item, pytest.Function) and "reply" in item.funcargs:
                item.funcargs["reply"] = received.reply
        yield

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put the trial on the report, which is what travels between processes."""
        report = yield
        planned = item.stash.get(PLANNED, None)
        if planned is None:
            return report
        received = self._received
        if call.when == "teardown":
            self._received = None
        if call.when != "call" and not report.failed:
            attach(report, None)
            return report
        outcome = judged(call)
        if call.when != "call":
            outcome = (
                Outcome.ERROR,
                ErrorKind.TEST,
                f"{call.when} failed: {call.excinfo and call.excinfo.value}",
            )
        if outcome is None or report.outcome == "skipped":
            return report
        trial = trial_of(planned, received, outcome, self.settings.model(planned.spec.model))
        attach(report, to_evidence(trial))
        if received is not None and call.when == "call":
            report.duration = received.result.ended - received.result.started
            if received.reply is not None and (report.failed or self._shows_passes):
                report.sections.append(("Captured reply call", received.reply.text))
        answered_by_call = call.excinfo is not None and isinstance(call.excinfo.value, CallFailed)
        if report.failed and (answered_by_call or (self._mode is Mode.CYCLE and outcome[1] is not ErrorKind.TEST)):
            report.longrepr = f"{planned.case.source}: {trial.reason}"
        return report

    @property
    def _shows_passes(self) -> bool:
        """Whether the user wants to read the output of passed tests, too (-rP, -rA)."""
        return bool({"P", "A"} & set(self._config.option.reportchars))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, None, None]:
        """Book the evidence that a report carries, and let go of what nobody reads after that."""
        self._book(report)
        yield
        if hasattr(report, "selfopt") and not hasattr(self._config, "workerinput"):
            self._let_go(report)

    def _let_go(self, report: pytest.TestReport) -> None:
        """Make a report small: pytest's terminal reporter keeps all of them until the end, three for each item."""
        evidence = attached(report)
        uneventful = evidence is None and not report.sections and not self._config.option.durations
        kept = self._terminal.stats.get("") if uneventful and self._terminal is not None else None
        if kept and kept[-1] is report:
            kept.pop()
        attach(report, None)
        if report.passed:
            report.keywords = _NO_KEYWORDS

    def _book(self, report: pytest.TestReport) -> None:
        evidence = attached(report)
        if evidence is not None and self._mode is Mode.CYCLE and not hasattr(self._config, "workerinput"):
            trial = from_evidence(evidence)
            if trial.error_kind is ErrorKind.TEST:
                self._unmasked += 1
            self.work.book(trial)
        elif report.failed:
            self._unmasked += 1

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.CollectReport | pytest.TestReport) -> tuple[str, str, str] | None:
        """In a cycle a wrong answer is data: counted, not printed as a failure."""
        evidence = attached(report)
        if evidence is None or self._mode is not Mode.CYCLE:
            return None
        trial = from_evidence(evidence)
        if trial.error_kind is ErrorKind.TEST:
            return None
        names = {Outcome.PASS: "passed", Outcome.MISS: "missed", Outcome.ERROR: "without answer"}
        loud = self._config.get_verbosity() > 0
        return names[trial.outcome], "", trial.outcome.upper() if loud else ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Judge what was measured, write what follows, and set the exit status."""
        if self._nothing_on_trial and session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED:
            session.exitstatus = EXIT_DECIDED
        if self._mode is Mode.PLAIN or self._work is None or not self._work.started:
            return
        ended_well = session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        interrupted = not ended_well or bool(session.shouldfail) or bool(session.shouldstop)
        try:
            self._work.finish(interrupted=interrupted)
        except SelfoptError as problem:
            self._work.problem = str(problem)
            session.exitstatus = pytest.ExitCode.USAGE_ERROR
            return
        if self._work.stopped_because and not interrupted and not self._unmasked:
            session.exitstatus = EXIT_NOT_ENOUGH_EVIDENCE
        elif not interrupted and not self._unmasked:
            session.exitstatus = exit_status(self._work.conclusions, proven_next=self._work.proven_next)

    def pytest_terminal_summary(self, terminalreporter: TerminalReporter) -> None:
        """Print the decision."""
        if self._nothing_on_trial:
            terminalreporter.write_line("selfopt: nothing is on trial, so there is nothing to prove")
        if self._mode is Mode.CYCLE and self._work is not None and self._work.started:
            write_summary(terminalreporter, self._work)

    def _result(self, planned: PlannedTrial) -> CallResult:
        """The result of an item's call; when calls can no longer be recorded the session ends at once."""
        try:
            return self.work.result(planned.key)
        except SelfoptError as problem:
            pytest.exit(str(problem), returncode=pytest.ExitCode.USAGE_ERROR)
