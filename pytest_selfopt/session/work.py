"""The edge of a session: lock, ledger, routing, servers and calls; it decides nothing itself."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING

from pytest_selfopt.bench.suites import Suite
from pytest_selfopt.ledger.ledger import CallRecord, Ledger
from pytest_selfopt.loop.cycle import Conclusion
from pytest_selfopt.routing.config import RoutingConfig, load_config, read_config
from pytest_selfopt.routing.lock import hold_lock
from pytest_selfopt.routing.records import prepare_state_dir
from pytest_selfopt.runners.runner import Call, RunnerOptions
from pytest_selfopt.session.closing import close_cycle
from pytest_selfopt.session.collection import Collection
from pytest_selfopt.session.dispatch import Dispatcher, Pass
from pytest_selfopt.session.opening import plan_phase, suite_address
from pytest_selfopt.session.phases import PhaseRun
from pytest_selfopt.session.planned import PhasePlan, PlannedTrial, TrialKey
from pytest_selfopt.session.progress import Progress
from pytest_selfopt.session.replay import cost_of
from pytest_selfopt.session.serving import Serving
from pytest_selfopt.settings import Mode, Settings
from pytest_selfopt.specs.request import ChatRequest, Message
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.specs.variants import build_request
from pytest_selfopt.trial import CallResult, Trial

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter

WARMUP_PROMPT = "What is 2+2?"
WARMUP_TIMEOUT_S = 10.0


class Work:
    """What a session holds and does outside of pytest.

    `read_only` sessions look at the configuration and make no call, lock or file.
    """

    def __init__(self, settings: Settings, *, read_only: bool) -> None:
        self.settings = settings
        self._read_only = read_only
        self._held = ExitStack()
        self._ledger: Ledger | None = None
        self._routing: RoutingConfig | None = None
        self._serving: Serving | None = None
        self._dispatcher: Dispatcher | None = None
        self._planned: dict[TrialKey, PlannedTrial] = {}
        self._passes: dict[tuple[str, int], Pass] = {}
        self.cycle = 0
        self.seed = 0
        self.partial = False
        self.began = 0.0
        self.phases: dict[str, PhaseRun] = {}
        self.conclusions: tuple[Conclusion, ...] = ()
        self.notes: list[str] = []
        """Sentences for the summary that belong to no phase, such as a configuration that was set aside."""
        self.problem = ""
        """Why the session could not be concluded; empty when it was."""
        self.status = ""

    @property
    def started(self) -> bool:
        """Whether calls were begun."""
        return self._dispatcher is not None

    def plan(self, phase: str, suite: Suite) -> PhasePlan:
        """The plan of a phase, from settings, routing configuration and ledger.

        Raises:
            SelfoptError: when it cannot be made; nothing was written then.
        """
        if self._routing is None:
            self._open()
        assert self._routing is not None
        return plan_phase(phase, suite, settings=self.settings, routing=self._routing, ledger=self._ledger)

    def _open(self) -> None:
        """Take the lock before anything is read that a second cycle could change."""
        writes = self.settings.mode is Mode.CYCLE and not self._read_only
        if not writes:
            self._routing = read_config(self.settings.routing_path)
            return
        state_dir = self.settings.state_dir
        prepare_state_dir(state_dir)
        self._held.enter_context(hold_lock(state_dir))
        self._ledger = self._held.enter_context(Ledger(state_dir / "ledger.sqlite"))
        self._routing = load_config(self.settings.routing_path)
        if self._routing.problem:
            self.notes.append(self._routing.problem)

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
        self.seed, self.began = seed, time.time()
        self._planned = collection.planned
        self.partial = len(selected) < len(collection.planned)
        models = {spec.model: None for plan in collection.plans.values() for spec in plan.specs}
        self._serving = Serving([self.settings.model(name) for name in models], self._log_dir)
        self._serving.check()
        runner = self._serving.start()
        self._held.callback(self._serving.stop)
        if self._ledger is not None:
            self._book_cycle(collection, self._ledger, command)
        passes = self._make_passes(collection, selected)
        self._passes = {(one.phase, one.run): one for one in passes}
        self._progress = Progress.on(terminal)
        self._dispatcher = Dispatcher(
            runner=runner, passes=passes, call_for=self._call, on_result=self._record, ahead=ahead
        )
        self._announce(collection)
        self._release_first_passes()
        self._dispatcher.start()

    def result(self, key: TrialKey) -> CallResult:
        """The result of a trial's call, waited for.

        Raises:
            SelfoptError: when calls cannot be made or recorded any more.
        """
        assert self._dispatcher is not None
        return self._dispatcher.result(key, self._tick)

    def goes_on(self, planned: PlannedTrial) -> bool:
        """Whether an item is still to be run, or the race has stopped its spec."""
        phase = self.phases.get(planned.key.phase)
        if phase is None:
            return True
        run = planned.key.run
        live = phase.live(run) if not self.partial or run < phase.plan.least_passes else frozenset()
        one = self._passes.get((planned.key.phase, run))
        if one is not None and not one.released.is_set():
            one.release(live)
            self._announce_pass(phase, run, live)
        return planned.key.spec in live

    def book(self, trial: Trial) -> None:
        """Take a judged trial into the evidence and the ledger."""
        self.phases[trial.phase].add(trial)
        if self._ledger is not None:
            key = TrialKey(trial.phase, trial.spec, trial.case, trial.run)
            self._ledger.record_outcome(key.call_id(self.cycle, trial.case_hash), trial)

    def finish(self, *, interrupted: bool) -> None:
        """Conclude the cycle and write what follows; an interrupted or partial one only records how it ended.

        Raises:
            StateError: when something cannot be written.
        """
        self.stop()
        assert self._ledger is not None
        assert self._routing is not None
        if interrupted or self.partial:
            self.status = "interrupted" if interrupted else "partial"
            self._ledger.finish_cycle(self.cycle, ended=time.time(), status=self.status)
            return
        self.conclusions = close_cycle(
            tuple(self.phases.values()),
            cycle=self.cycle,
            began=self.began,
            settings=self.settings,
            ledger=self._ledger,
            routing=self._routing,
        )
        self.status = "decided"

    def stop(self) -> None:
        """Make no more calls and end the servers; doing it twice is harmless."""
        if self._dispatcher is not None:
            self._dispatcher.stop()
        if self._serving is not None:
            self._serving.stop()

    def close(self) -> None:
        """Let go of everything."""
        self.stop()
        self._held.close()

    @property
    def _log_dir(self) -> Path | None:
        return self.settings.state_dir if self._ledger is not None else None

    def _book_cycle(self, collection: Collection, ledger: Ledger, command: str) -> None:
        """Book the cycle and its comparisons; a partial selection opens none, because it cannot promote."""
        plan: dict[str, Json] = {
            name: {"baseline": plan.baseline.id, "candidates": [spec.id for spec in plan.specs[1:]]}
            for name, plan in collection.plans.items()
        }
        self.cycle = ledger.start_cycle(started=self.began, seed=self.seed, command=command, plan=plan)
        for name, phase_plan in collection.plans.items():
            address = " ".join(sorted(suite_address(suite) for suite in collection.suites(name)))
            comparisons = {} if self.partial else self._open_comparisons(ledger, phase_plan, address)
            earlier = {
                cycle for comparison in comparisons.values() for cycle in comparison.cycles if cycle != self.cycle
            }
            self.phases[name] = PhaseRun(
                plan=phase_plan,
                cases=collection.cases(name),
                limits=self.settings.phase(name).limits,
                comparisons=comparisons,
                earlier=ledger.trials(sorted(earlier), name),
            )

    def _open_comparisons(self, ledger: Ledger, plan: PhasePlan, address: str) -> dict[str, Comparison]:
        return {
            candidate.spec.id: ledger.open_comparison(
                phase=plan.phase,
                baseline=plan.baseline.id,
                candidate=candidate.spec.id,
                suite_hash=address,
                cycle=self.cycle,
            )
            for candidate in plan.candidates
        }

    def _make_passes(self, collection: Collection, selected: Sequence[PlannedTrial]) -> list[Pass]:
        """The passes in the order of the items, which is the order of the replay."""
        keys: dict[tuple[str, int], list[TrialKey]] = {}
        for trial in selected:
            keys.setdefault((trial.key.phase, trial.key.run), []).append(trial.key)
        first = {phase: min(run for name, run in keys if name == phase) for phase, _ in keys}
        return [
            Pass(
                phase=phase,
                run=run,
                keys=tuple(of_pass),
                warmups=self._warmups(collection.plans[phase]) if run == first[phase] else (),
            )
            for (phase, run), of_pass in keys.items()
        ]

    def _release_first_passes(self) -> None:
        """Passes that every spec gets need no word from the race."""
        for (name, run), one in self._passes.items():
            phase = self.phases.get(name)
            if phase is None:
                one.release(frozenset(key.spec for key in one.keys))
            elif run < phase.plan.least_passes:
                one.release(phase.live(run))

    def _call(self, key: TrialKey) -> Call:
        trial = self._planned[key]
        return Call(
            id=key.call_id(self.cycle, trial.case.content_hash),
            model=trial.spec.model,
            request=build_request(trial.case, trial.suite.examples, trial.spec),
            options=RunnerOptions(timeout_s=trial.spec.timeout_s, retries=trial.spec.retries),
            lane=trial.spec.model,
        )

    def _warmups(self, plan: PhasePlan) -> tuple[Call, ...]:
        """One call for each spec that asks for it, before the first pass."""
        return tuple(
            Call(
                id=f"{self.cycle}-warmup-{spec.id}",
                model=spec.model,
                request=ChatRequest(messages=(Message(role="user", content=WARMUP_PROMPT),)),
                options=RunnerOptions(timeout_s=WARMUP_TIMEOUT_S, retries=0),
                lane=spec.model,
            )
            for spec in plan.specs
            if spec.warmup
        )

    def _record(self, call: Call, result: CallResult) -> None:
        """Store a finished call; runs on the threads that make the calls, one at a time."""
        if self._ledger is None:
            return
        self._ledger.record_call(self.cycle, self._call_record(call, result))
