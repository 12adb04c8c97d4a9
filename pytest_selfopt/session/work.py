"""The work behind a session: servers, calls and evidence between the first plan and the conclusion."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_selfopt.bench.suites import Suite
from pytest_selfopt.ledger.ledger import CycleStatus
from pytest_selfopt.loop.cycle import Conclusion
from pytest_selfopt.runners.runner import Call
from pytest_selfopt.session.calls import CallBook
from pytest_selfopt.session.closing import close_cycle
from pytest_selfopt.session.collection import Collection
from pytest_selfopt.session.dispatch import Dispatcher, Pass
from pytest_selfopt.session.opening import plan_phase
from pytest_selfopt.session.phases import PhaseRun
from pytest_selfopt.session.planned import PhasePlan, PlannedTrial, TrialKey
from pytest_selfopt.session.progress import Progress
from pytest_selfopt.session.serving import Serving
from pytest_selfopt.session.state import State
from pytest_selfopt.session.summary import announcement, pass_line
from pytest_selfopt.settings import Mode, Settings
from pytest_selfopt.trial import CallResult, ErrorKind, Trial

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


class Work:
    """Everything a session does outside of pytest; it starts with the first plan and ends with `close`.

    A session that only looks (`makes_calls` is False) takes no lock and writes no file.
    """

    def __init__(self, settings: Settings, *, makes_calls: bool) -> None:
        self.settings = settings
        self._writes = makes_calls and settings.mode is Mode.CYCLE
        self._state: State | None = None
        self._serving: Serving | None = None
        self._dispatcher: Dispatcher | None = None
        self._progress: Progress | None = None
        self._book: CallBook | None = None
        self._passes: dict[tuple[str, int], Pass] = {}
        self._announced: tuple[str, int] | None = None
        self.cycle = 0
        self.partial = False
        self.began = 0.0
        self.phases: dict[str, PhaseRun] = {}
        self.status: CycleStatus = "running"
        self.conclusions: tuple[Conclusion, ...] = ()
        self.following: Mapping[str, PhasePlan] = {}
        """The plans of the next cycle, by phase."""
        self.took_s = 0.0
        self.notes: list[str] = []
        """Sentences for the summary that belong to no phase."""
        self.counts: dict[str, int] = {}
        """How many calls of an undecided session ended in each outcome."""
        self.problem = ""
        """Why the session could not be concluded; empty when it was."""

    @property
    def started(self) -> bool:
        """Whether calls were begun."""
        return self._dispatcher is not None

    def plan(self, phase: str, suite: Suite) -> PhasePlan:
        """The plan of a phase, from settings, routing configuration and ledger.

        Raises:
            SelfoptError: when it cannot be made.
        """
        if self._state is None:
            # What can be refused without touching the disk is refused first.
            baseline = self.settings.phase(phase).baseline
            Serving([self.settings.model(baseline.model)], None).check()
            self._state = State(self.settings, writes=self._writes)
            self.notes += self._state.notes
        return plan_phase(phase, suite, settings=self.settings, routing=self._state.routing, ledger=self._state.ledger)

    def start(
        self,
        collection: Collection,
        selected: Sequence[PlannedTrial],
        *,
        seed: int,
        command: str,
        ahead: bool,
        terminal: TerminalReporter | None,
    ) -> None:
        """Start servers, book the cycle, and begin to make calls.

        Raises:
            SelfoptError: when a model cannot be served or the cycle cannot be booked.
        """
        assert self._state is not None
        self.began = time.time()
        self.partial = len(selected) < len(collection.planned)
        models = dict.fromkeys(spec.model for plan in collection.plans.values() for spec in plan.specs)
        log_dir = self.settings.state_dir if self._writes else None
        self._serving = Serving([self.settings.model(name) for name in models], log_dir)
        self._serving.check()
        runner = self._serving.start()
        if self._writes:
            self.cycle, self.phases = self._state.book(collection, seed=seed, command=command, partial=self.partial)
            self._progress = Progress.on(terminal) if terminal is not None else None
        self._book = CallBook(self.cycle, collection.planned, self.settings)
        passes = self._make_passes(collection, selected)
        self._passes = {(one.phase, one.run): one for one in passes}
        self._dispatcher = Dispatcher(
            runner=runner,
            passes=passes,
            call_for=self._book.call,
            id_of=self._book.id_of,
            on_result=self._record,
            ahead=ahead,
        )
        self._announce(collection)
        self._dispatcher.start()

    def result(self, key: TrialKey) -> CallResult:
        """The result of a trial's call, waited for.

        Raises:
            SelfoptError: when calls cannot be recorded any more.
        """
        assert self._dispatcher is not None
        self._announce_pass(key)
        return self._dispatcher.result(key, lambda: self._show_progress(key))

    def goes_on(self, planned: PlannedTrial) -> bool:
        """Whether an item is still to be run, or the race has stopped its spec."""
        phase = self.phases.get(planned.key.phase)
        if phase is None:
            return True
        run = planned.key.run
        going_on = phase.live(run) if run < phase.plan.least_passes or not self.partial else frozenset()
        one = self._passes.get((planned.key.phase, run))
        if one is not None:
            one.release(going_on)
        return planned.key.spec in going_on

    def book(self, trial: Trial) -> None:
        """Take a judged trial into the evidence and the ledger."""
        self.phases[trial.phase].add(trial)
        if self._state is not None and self._state.ledger is not None and self._book is not None:
            key = TrialKey(trial.phase, trial.spec, trial.case, trial.run)
            self._state.ledger.record_outcome(self._book.id_of(key), trial)

    def finish(self, *, interrupted: bool) -> None:
        """Conclude the cycle and write what follows; an interrupted or partial one only records how it ended.

        Raises:
            StateError: when something cannot be written.
        """
        self.stop()
        assert self._state is not None
        assert self._state.ledger is not None
        if interrupted or self.partial:
            self.status = "interrupted" if interrupted else "partial"
            self.counts = self._state.ledger.counts(self.cycle)
            self._state.ledger.finish_cycle(self.cycle, ended=time.time(), status=self.status)
            return
        closed = close_cycle(self._state, tuple(self.phases.values()), cycle=self.cycle, began=self.began)
        self.conclusions, self.following, self.status = closed.conclusions, closed.following, "decided"
        self.took_s = time.time() - self.began
        self.notes += closed.notes

    def stop(self) -> None:
        """Make no more calls and end the servers; doing it twice is harmless."""
        if self._progress is not None:
            self._announce_pass(None)
            self._progress.clear()
        if self._dispatcher is not None:
            self._dispatcher.stop()
        if self._serving is not None:
            self._serving.stop()

    def close(self) -> None:
        """Let go of everything."""
        self.stop()
        if self._state is not None:
            self._state.close()

    def _record(self, call: Call, result: CallResult) -> None:
        """Store a finished call before anybody reads its reply; runs on the threads that make the calls.

        A call that was cancelled is not finished: it may be made again.
        """
        assert self._book is not None
        assert self._state is not None
        cancelled = result.error is not None and result.error.kind is ErrorKind.CANCELLED
        if self._state.ledger is not None and not cancelled:
            self._state.ledger.record_call(self.cycle, self._book.record(call, result))

    def _make_passes(self, collection: Collection, selected: Sequence[PlannedTrial]) -> list[Pass]:
        """The passes in the order of the items, which is that of the replay; the first ones need no word."""
        assert self._book is not None
        keys: dict[tuple[str, int], list[TrialKey]] = {}
        for trial in selected:
            keys.setdefault((trial.key.phase, trial.key.run), []).append(trial.key)
        passes: list[Pass] = []
        warmed: set[str] = set()
        for (phase, run), of_pass in keys.items():
            plan = collection.plans[phase]
            warmups = () if phase in warmed else self._book.warmups(plan)
            warmed.add(phase)
            one = Pass(phase=phase, run=run, keys=tuple(of_pass), warmups=warmups)
            if run < plan.least_passes:
                one.release(frozenset(spec.id for spec in plan.specs))
            passes.append(one)
        return passes

    def _announce(self, collection: Collection) -> None:
        if self._progress is not None:
            for plan in collection.plans.values():
                cases = len(collection.cases(plan.phase))
                self._progress.say_all(announcement(plan, cases, self.cycle, partial=self.partial))

    def _announce_pass(self, key: TrialKey | None) -> None:
        """Say how the pass before went when the replay comes to a new one, or to its end (None)."""
        here = (key.phase, key.run) if key is not None else None
        if self._progress is not None and self._announced != here:
            if self._announced is not None:
                phase, run = self._announced
                self._progress.say(pass_line(self.phases[phase], run))
            self._announced = here

    def _show_progress(self, key: TrialKey) -> None:
        assert self._dispatcher is not None
        if self._progress is not None:
            released = [one for one in self._passes.values() if one.released.is_set()]
            total = sum(sum(known.spec in one.live for known in one.keys) for one in released)
            self._progress.tick(
                label=f"{key.phase} pass {key.run + 1}",
                done=self._dispatcher.done,
                total=total,
                in_flight=self._dispatcher.in_flight,
            )
