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
from pytest_selfopt.routing.state import prepare_state_dir
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
