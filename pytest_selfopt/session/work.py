"""The work behind a session: servers, calls and evidence between the first plan and the conclusion."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from pytest_selfopt.bench.suites import Suite
from pytest_selfopt.errors import SettingsError, StateError
from pytest_selfopt.ledger.ledger import CycleStatus, Warmup
from pytest_selfopt.loop.cycle import Conclusion
from pytest_selfopt.loop.gates import EXTENDED, OwnGates, no_own_gates
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.routing.config import peek
from pytest_selfopt.runners.budget import Budget
from pytest_selfopt.runners.local import LocalRunner
from pytest_selfopt.runners.runner import Finished
from pytest_selfopt.session.calls import CallBook
from pytest_selfopt.session.closing import close_cycle, note_stop
from pytest_selfopt.session.collection import Collection
from pytest_selfopt.session.dispatch import Dispatcher, Pass
from pytest_selfopt.session.dry_run import dry_run
from pytest_selfopt.session.gating import Gated, gate, gate_announcement
from pytest_selfopt.session.opening import baseline_of
from pytest_selfopt.session.phases import Flaw, PhaseRun
from pytest_selfopt.session.planned import PhasePlan, PlannedTrial, TrialKey
from pytest_selfopt.session.progress import Progress
from pytest_selfopt.session.proving import Proof, proof_of
from pytest_selfopt.session.serving import Serving
from pytest_selfopt.session.state import State
from pytest_selfopt.session.summary import announcement, pass_line, race_lines
from pytest_selfopt.settings import Mode, Settings
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.trial import CallResult, Trial

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


OUTCOMES_AT_ONCE = 256
"""Outcomes are stored so many at a time: they follow from the stored replies, so none is lost with the process."""


class Work:
    """Everything a session does outside of pytest; it starts with the first plan and ends with `close`.

    A session that only looks (`makes_calls` is False) takes no lock and writes no file.
    """

    def __init__(self, settings: Settings, *, makes_calls: bool, own_gates: OwnGates = no_own_gates) -> None:
        self.settings = settings
        self._own_gates = own_gates
        self._writes = makes_calls and settings.mode is Mode.CYCLE
        self._state: State | None = None
        self._serving: Serving | None = None
        self._dispatcher: Dispatcher | None = None
        self._progress: Progress | None = None
        self._book: CallBook | None = None
        self._passes: dict[tuple[str, int], Pass] = {}
        self._pass: tuple[str, int] | None = None
        """Phase and run of the pass that is replayed."""
        self._said_stopped: dict[str, frozenset[str]] = {}
        """The candidates that were last said to be stopped, by phase."""
        self.cycle = 0
        self.partial = False
        self.began = 0.0
        self.phases: dict[str, PhaseRun] = {}
        self.status: CycleStatus = "running"
        self.conclusions: tuple[Conclusion, ...] = ()
        self.gated: tuple[Gated, ...] = ()
        """How the phases stand against the bars of a build."""
        self.following: Mapping[str, PhasePlan] = {}
        """The plans of the next cycle, by phase."""
        self.took_s = 0.0
        self.notes: list[str] = []
        """Sentences for the summary that belong to no phase."""
        self.counts: dict[str, int] = {}
        """How many calls of an undecided session ended in each outcome."""
        self.warmups: tuple[Warmup, ...] = ()
        self.stopped_because = ""
        """Why the session made no more calls, when its budget was used up."""
        self.flaws: Counter[Flaw] = Counter()
        """What is wrong with the evidence that came in, or did not."""
        self._judged: list[tuple[str, Trial]] = []
        self._budget: Budget | None = None
        self.proof: Proof | None = None
        """What this session has put on trial, to be proven by one that follows it."""
        self.problem = ""
        """Why the session could not be concluded; empty when it was."""

    @property
    def proven_next(self) -> tuple[str, ...]:
        """The phases whose rule on trial is proven right after this session."""
        return self.proof.phases if self.proof is not None else ()

    @property
    def started(self) -> bool:
        """Whether calls were begun."""
        return self._dispatcher is not None

    @property
    def resumed_seed(self) -> int | None:
        """The seed of the cycle that is gone on with; None when none is."""
        cut_off = self._state.cut_off if self._state is not None else None
        return cut_off.seed if cut_off is not None else None

    def plan(self, phase: str, suite: Suite) -> PhasePlan:
        """The plan of a phase, from settings, routing configuration and ledger.

        Raises:
            SelfoptError: when it cannot be made.
        """
        if self._state is None:
            # What can be refused without touching the disk is refused first.
            model = baseline_of(phase, self.settings, peek(self.settings.routing_path))[0].model
            Serving([self.settings.model(model)], None).check()
            self._state = State(self.settings, writes=self._writes, own_gates=self._own_gates)
            self.notes += self._state.notes
        return self._state.plan(phase, suite)

    def dry_run(self, collection: Collection) -> list[str]:
        """What a cycle would do.

        Raises:
            SelfoptError: when the ledger cannot be read.
        """
        return dry_run(collection, self.settings, self._state.ledger if self._state is not None else None)

    def start(
        self,
        collection: Collection,
        selected: Sequence[PlannedTrial],
        *,
        seed: int,
        command: str,
        ahead: bool,
        careful: bool,
        terminal: TerminalReporter | None,
    ) -> None:
        """Start servers, book the cycle, and begin to make calls.

        A `careful` session may end at any item: no more calls are made ahead than are under way at a time.

        Raises:
            SelfoptError: when a model cannot be served or the cycle cannot be booked.
        """
        self.began = time.time()
        self.partial = len(selected) < len(collection.planned)
        names = dict.fromkeys(spec.model for plan in collection.plans.values() for spec in plan.specs)
        models = [self.settings.model(name) for name in names]
        if self.settings.mode is not Mode.PLAIN:
            check_prices(self.settings, models)
        self._serving = Serving(models, self.settings.state_dir if self._writes else None)
        self._serving.check()
        clients = self._serving.start()
        stored = self._book_cycle(collection, seed=seed, command=command) if self._writes else {}
        if self.settings.mode is Mode.PLAIN:
            self._log_routings(collection, terminal)
        if self.settings.mode is Mode.GATE:
            assert self._state is not None
            self.phases = self._state.gate_phases(collection)
        judges = self.settings.mode is not Mode.PLAIN
        self._progress = Progress.on(terminal) if judges and terminal is not None else None
        self._budget = self._make_budget()
        slots = self._serving.slots()
        runner = LocalRunner(
            clients, slots, rng=random.Random(), budget=self._budget, sequence=next_in_lanes(stored.values())
        )
        self._book = CallBook(self.cycle, collection.planned, self.settings)
        passes = self._make_passes(collection, selected)
        self._passes = {(one.phase, one.run): one for one in passes}
        self._dispatcher = Dispatcher(
            runner=runner,
            passes=passes,
            call_for=self._book.call,
            id_of=self._book.id_of,
            on_results=self._record,
            stored=stored,
            ahead=ahead,
            window=max(slots.most(name) for name in names) if careful else None,
        )
        self._announce(collection, resumed=len(stored))
        self._dispatcher.start()

    def _log_routings(self, collection: Collection, terminal: TerminalReporter | None) -> None:
        """Log the routings of a plain session; tests do not fail because a log cannot be written."""
        assert self._state is not None
        try:
            for plan in collection.plans.values():
                self._state.log_routing(plan)
        except StateError as problem:
            if terminal is not None:
                terminal.write_line(f"selfopt: a routing is not logged: {problem}", yellow=True)

    def _book_cycle(self, collection: Collection, *, seed: int, command: str) -> Mapping[str, CallResult]:
        """Book the cycle; the results that are there already, by call id, when one is gone on with."""
        assert self._state is not None
        self.cycle, self.phases = self._state.book(collection, seed=seed, command=command, partial=self.partial)
        if self._state.cut_off is None or self._state.ledger is None:
            return {}
        return self._state.ledger.results(self.cycle)

    def result(self, key: TrialKey) -> CallResult:
        """The result of a trial's call, waited for.

        Raises:
            SelfoptError: when calls cannot be recorded any more.
        """
        self._enter_pass(key)
        return self.answer(key, lambda: self.show_progress(key))

    def answer(self, key: TrialKey, while_waiting: Callable[[], None]) -> CallResult:
        """The result of a trial's call, waited for on whatever thread asks; see `result`."""
        assert self._dispatcher is not None
        result = self._dispatcher.result(key, while_waiting)
        if self._budget is not None and result.cancelled:
            self.stopped_because = self._budget.spent
        return result

    def begin(self, planned: PlannedTrial) -> bool:
        """Whether an item is to be run; waits until its call is under way.

        Raises:
            SelfoptError: when a gate of the project's own fails.
        """
        goes_on = self.goes_on(planned)
        if goes_on:
            self.wait_until_begun(planned.key)
        return goes_on

    def wait_until_begun(self, key: TrialKey) -> None:
        """Wait until a trial's call is under way, or will not be made any more."""
        assert self._dispatcher is not None
        self._dispatcher.wait_until_begun(key)

    def result_if_there(self, key: TrialKey) -> CallResult | None:
        """The result of a trial's call, if it has come."""
        assert self._dispatcher is not None
        return self._dispatcher.result_if_there(key)

    def let_go(self, key: TrialKey) -> None:
        """Forget the result of a trial whose item is done."""
        if self._dispatcher is not None:
            self._dispatcher.let_go(key)

    def depends(self, key: TrialKey) -> bool:
        """Whether the trials before a trial's pass decide who is asked in it."""
        phase = self.phases.get(key.phase)
        return phase is not None and not self.partial and phase.depends(key.run)

    def live_in(self, key: TrialKey) -> frozenset[str] | None:
        """The specs that are asked in a trial's pass; None where that is not settled, because calls have stopped."""
        one = self._passes.get((key.phase, key.run))
        settled = one is not None and one.released.is_set() and not self.stopped_because
        return one.live if one is not None and settled else None

    @property
    def in_flight(self) -> int:
        """How many calls are under way."""
        return self._dispatcher.in_flight if self._dispatcher is not None else 0

    def give_up(self, key: TrialKey) -> None:
        """End a trial's call, because nobody waits for it any more."""
        if self._dispatcher is not None:
            self._dispatcher.give_up(key)

    def goes_on(self, planned: PlannedTrial) -> bool:
        """Whether an item is still to be run, or the race has stopped its spec."""
        if self.stopped_because:
            assert self._dispatcher is not None
            return self._dispatcher.was_answered(planned.key)
        phase = self.phases.get(planned.key.phase)
        if phase is None:
            return True
        run = planned.key.run
        going_on = phase.live(run) if run < phase.plan.least_passes or not self.partial else frozenset()
        one = self._passes.get((planned.key.phase, run))
        if one is not None:
            one.release(going_on)
        return planned.key.spec in going_on

    def decide_next(self, key: TrialKey) -> None:
        """Decide who goes on after a trial's pass, which has ended.

        Raises:
            SelfoptError: when a gate of the project's own fails.
        """
        phase = self.phases.get(key.phase)
        one = self._passes.get((key.phase, key.run + 1))
        if phase is not None and one is not None and not self.partial and not self.stopped_because:
            one.release(phase.live(one.run))

    def book(self, trial: Trial) -> None:
        """Take a judged trial into the evidence and the ledger."""
        assert self._book is not None
        key = TrialKey(trial.phase, trial.spec, trial.case, trial.run)
        if not self._book.knows(key):
            self.flaws[Flaw.FOREIGN] += 1
            return
        if not self.phases[trial.phase].add(trial):
            self.flaws[Flaw.TWICE] += 1
            return
        self._judged.append((self._book.id_of(key), trial))
        if len(self._judged) >= OUTCOMES_AT_ONCE:
            self._store_outcomes()

    def finish(self, *, interrupted: bool) -> None:
        """Conclude the cycle and write what follows; an interrupted or partial one only records how it ended.

        Raises:
            StateError: when something cannot be written.
        """
        self.stop()
        assert self._state is not None
        if self.settings.mode is Mode.GATE:
            self._finish_gate(interrupted=interrupted)
            return
        assert self._state.ledger is not None
        self._store_outcomes()
        self.warmups = self._state.ledger.warmups(self.cycle)
        if interrupted:
            self.flaws.clear()
        if interrupted or self.partial or self.stopped_because or self.flaws:
            # A part of a cycle that is gone on with leaves the cycle as it was: cut off.
            partial: CycleStatus = "partial" if self._state.cut_off is None else "interrupted"
            cut_off = interrupted or bool(self.flaws)
            self.status = "interrupted" if cut_off else partial if self.partial else "stopped"
            self.counts = self._state.ledger.counts(self.cycle)
            self._state.ledger.finish_cycle(self.cycle, ended=time.time(), status=self.status)
            if self.status == "stopped":
                self.notes += note_stop(
                    self._state, tuple(self.phases.values()), self.stopped_because, cycle=self.cycle, began=self.began
                )
            return
        closed = close_cycle(self._state, tuple(self.phases.values()), cycle=self.cycle, began=self.began)
        self.conclusions, self.following, self.status = closed.conclusions, closed.following, "decided"
        self.took_s = time.time() - self.began
        cases = {name: len(phase.cases) for name, phase in self.phases.items()}
        spent = self._state.ledger.spent(self.cycle)
        self.proof, waits = proof_of(closed.conclusions, closed.following, cases, self.settings, spent=spent)
        self.notes += [*closed.notes, *filter(None, [waits])]

    def _finish_gate(self, *, interrupted: bool) -> None:
        """Hold what was measured against the bars; a part of it, or evidence that is not whole, decides nothing."""
        assert self._state is not None
        if interrupted:
            self.flaws.clear()
            self.status = "interrupted"
        elif self.partial or self.stopped_because or self.flaws:
            self.status = "stopped" if self.stopped_because else "partial"
        else:
            self.gated = tuple(gate(phase, self._state) for phase in self.phases.values())
            self.status = "decided"
        self.took_s = time.time() - self.began

    def stop(self) -> None:
        """Make no more calls and end the servers; doing it twice is harmless."""
        self._say_pass()
        self._pass = None
        if self._progress is not None:
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

    def _record(self, finished: Sequence[Finished]) -> None:
        """Store finished calls before anybody reads their replies; runs on the dispatcher's thread.

        A call that was cancelled is not finished: it may be made again.
        """
        assert self._book is not None
        assert self._state is not None
        if self._writes and self._state.ledger is not None:
            records = [self._book.record(one.call, one.result) for one in finished if not one.result.cancelled]
            self._state.ledger.record_calls(self.cycle, records)

    def _store_outcomes(self) -> None:
        """Write how calls were judged; should it be cut off before, a resumed cycle judges the stored replies again."""
        assert self._state is not None
        judged, self._judged = self._judged, []
        if self._writes and self._state.ledger is not None and judged:
            self._state.ledger.record_outcomes(judged)

    def _make_budget(self) -> Budget | None:
        settings = self.settings
        # A plain session is a test run: leaving tests out and calling it green would be no bound but a lie.
        if settings.mode is Mode.PLAIN or (settings.max_calls is None and settings.max_cost_usd is None):
            return None
        assert self._state is not None
        ledger = self._state.ledger
        calls, cost_usd = ledger.spent(self.cycle) if ledger is not None and self._writes else (0, 0.0)
        assert self._serving is not None
        return Budget(
            self._serving.models,
            max_calls=settings.max_calls,
            max_cost_usd=settings.max_cost_usd,
            calls=calls,
            cost_usd=cost_usd,
        )

    def _make_passes(self, collection: Collection, selected: Sequence[PlannedTrial]) -> list[Pass]:
        """The passes in the order of the items, which is that of the replay; the first ones need no word."""
        assert self._book is not None
        keys: dict[tuple[str, int], list[TrialKey]] = {}
        for trial in selected:
            keys.setdefault((trial.key.phase, trial.key.run), []).append(trial.key)
        passes: list[Pass] = []
        begun: set[str] = set()
        for (phase, run), of_pass in keys.items():
            plan = collection.plans[phase]
            overlap = all(self.settings.model(spec.model).overlap for spec in plan.specs)
            one = Pass(
                phase=phase,
                run=run,
                keys=tuple(of_pass),
                warmups=self._book.warmups(plan, run) if phase not in begun or plan.begins_turn(run) else (),
                overlap=overlap and not plan.turns,
                prepare=partial(self._unload, plan.specs_in(run)) if plan.begins_turn(run) else None,
            )
            begun.add(phase)
            # A spec of nothing but wrong answers may be out after its first pass: the others wait for the word.
            if run == 0 or (run < plan.least_passes and phase != EXTENDED):
                one.release(frozenset(spec.id for spec in plan.specs_in(run)))
            passes.append(one)
        return passes

    def _unload(self, specs: Sequence[Spec]) -> None:
        """Make the models of these specs cold; runs on the dispatcher's thread, between passes."""
        assert self._serving is not None
        for name in {spec.model for spec in specs}:
            self._serving.unload(name)

    def _announce(self, collection: Collection, *, resumed: int) -> None:
        if self._progress is not None:
            for plan in collection.plans.values():
                cases = len(collection.cases(plan.phase))
                if self.settings.mode is Mode.GATE:
                    self._progress.say_all(gate_announcement(plan, cases, partial=self.partial))
                    continue
                outlooks = self.phases[plan.phase].outlooks()
                self._progress.say_all(announcement(plan, cases, self.cycle, outlooks, partial=self.partial))
            if resumed:
                self._progress.say(f"  resumed: {resumed:,} calls are in the ledger and are not made again")

    def _enter_pass(self, key: TrialKey) -> None:
        """Store and say how the pass before went when the replay comes to a new one."""
        here = (key.phase, key.run)
        if self._pass != here:
            self.end_pass()
            self._pass = here

    def end_pass(self, phase: str = "", run: int = 0) -> None:
        """Store and say how a pass went: this one, or the one that is replayed."""
        self._pass = (phase, run) if phase else self._pass
        self._store_outcomes()
        self._say_pass()
        self._pass = None

    def _say_pass(self) -> None:
        if self._progress is not None and self._pass is not None:
            name, run = self._pass
            phase = self.phases[name]
            self._progress.say(pass_line(phase, run))
            self._progress.say_all(race_lines(phase, self._said_stopped.get(name, ())))
            self._said_stopped[name] = frozenset(phase.stopped)

    def show_progress(self, key: TrialKey) -> None:
        """Show how far the pass of a trial is, if it is time to; on the main thread only."""
        assert self._dispatcher is not None
        if self._progress is not None and self._progress.due:
            released = [one for one in self._passes.values() if one.released.is_set()]
            total = sum(sum(known.spec in one.live for known in one.keys) for one in released)
            self._progress.tick(
                label=f"{key.phase} pass {key.run + 1}",
                done=self._dispatcher.done,
                total=total,
                in_flight=self._dispatcher.in_flight,
            )


def check_prices(settings: Settings, models: Iterable[ModelConfig]) -> None:
    """Refuse to bound what cannot be known.

    Raises:
        SettingsError: when there is a budget in USD and a model without prices.
    """
    for model in models:
        if settings.max_cost_usd is not None and not model.free and None in (model.price_in, model.price_out):
            raise SettingsError(
                f"--selfopt-max-cost: model {model.id!r} has no price, so nobody can tell what it costs; set price_in "
                "and price_out (USD per million tokens; 0 when it is free), or bound the calls by --selfopt-max-calls"
            )


def next_in_lanes(results: Iterable[CallResult]) -> dict[str, int]:
    """The next sequence number of each lane, after what an earlier session recorded."""
    found: Counter[str] = Counter()
    for result in results:
        found[result.lane] = max(found[result.lane], result.lane_seq + 1)
    return dict(found)
