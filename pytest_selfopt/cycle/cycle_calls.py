"""The calls of a cycle: the request that starts it, and the objects that make and record its calls."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from pytest_selfopt.cycle.observer import CycleObserver
from pytest_selfopt.cycle.phase_run import OpenedCycle
from pytest_selfopt.cycle.store import CycleStore, SessionStore
from pytest_selfopt.cycle.trial_recorder import TrialRecorder
from pytest_selfopt.execution.backends import CallBackend, RunnerPurpose, most_at_a_time
from pytest_selfopt.execution.call_meter import CallMeter
from pytest_selfopt.execution.calls import CallFactory
from pytest_selfopt.execution.copies import CopyWatch, Earlier
from pytest_selfopt.execution.dispatcher import Dispatcher, Lookahead, Pass
from pytest_selfopt.execution.model_pool import call_limits
from pytest_selfopt.execution.outage import OutageWatch
from pytest_selfopt.execution.passes import make_passes
from pytest_selfopt.execution.project_runner import is_project_runner
from pytest_selfopt.execution.time_left import CallLimits
from pytest_selfopt.planning.budget import make_budget
from pytest_selfopt.planning.plan import PlannedTrial
from pytest_selfopt.planning.session_plan import SessionPlan
from pytest_selfopt.planning.swarms import resolve_members
from pytest_selfopt.runners.budget import CallBudget
from pytest_selfopt.runners.runner import Runner
from pytest_selfopt.settings import Mode


@dataclass(frozen=True, slots=True, kw_only=True)
class StartRequest:
    """The request that starts a cycle; `selected` are the trials to make.

    Fewer trials than planned make a partial cycle, which decides nothing. `command` is the command line, for the
    ledger; `lookahead` says how far calls may run ahead of the items, and the `observer` gets the events.
    """

    session_plan: SessionPlan
    selected: Sequence[PlannedTrial]
    command: str
    lookahead: Lookahead
    observer: CycleObserver

    @property
    def partial(self) -> bool:
        """Whether fewer trials than planned are made."""
        return len(self.selected) < len(self.session_plan.planned)

    @property
    def models(self) -> list[str]:
        """The models that are asked, each once, in the order of the plans."""
        models: dict[str, None] = {}
        for plan in self.session_plan.plans.values():
            models.update((spec.model, None) for spec in plan.specs)
        return list(models)


@dataclass(frozen=True, slots=True, kw_only=True)
class CycleCalls:
    """The objects that make and record the calls of a cycle; the dispatcher is not started yet."""

    factory: CallFactory
    recorder: TrialRecorder
    budget: CallBudget | None
    passes: Sequence[Pass]
    dispatcher: Dispatcher
    meter: CallMeter
    outages: OutageWatch
    limits: CallLimits


def make_cycle_calls(
    store: SessionStore, opened: OpenedCycle, request: StartRequest, backend: CallBackend
) -> CycleCalls:
    """Prepare the calls of an opened cycle.

    Raises:
        SelfoptError: if calls cannot be made, or a budget cannot be kept.
    """
    settings = store.settings
    factory = CallFactory(opened.cycle, request.session_plan.planned, settings)
    recorder = _make_recorder(store, opened, factory)
    models = resolve_members(settings, request.models)
    budget = make_budget(settings, models, spent=store.spent(opened.cycle))
    passes = make_passes(request.session_plan, request.selected, factory, settings, backend.unload)
    purpose = RunnerPurpose(
        cycle=store.name_of(opened.cycle),
        budget=budget,
        stored=opened.stored,
        on_parts=recorder.record_calls,
    )
    runner = backend.runner(purpose)
    window = request.lookahead.window(most_at_a_time(models, backend.most))
    meter = CallMeter(request.session_plan.planned)
    outages = OutageWatch()
    if settings.mode is Mode.PLAIN:
        # A plain session is a test like any other: each fails by what it meets.
        outages = OutageWatch(None)
    dispatcher = _make_dispatcher(runner, passes, factory, recorder, opened, window, meter, outages)
    return CycleCalls(
        factory=factory,
        recorder=recorder,
        budget=budget,
        passes=passes,
        dispatcher=dispatcher,
        meter=meter,
        outages=outages,
        limits=call_limits(models, backend.most),
    )


def _make_recorder(store: SessionStore, opened: OpenedCycle, factory: CallFactory) -> TrialRecorder:
    """Make a recorder, which writes to the ledger only for a cycle."""
    ledger = None
    if isinstance(store, CycleStore):
        ledger = store.ledger
    watch = CopyWatch(_earlier_answers(store, opened), opened.stored.items())
    redacts = is_project_runner(store.settings)
    return TrialRecorder(ledger, opened.cycle, factory, stored=opened.stored, copies=watch, redacts=redacts)


def _earlier_answers(store: SessionStore, opened: OpenedCycle) -> Earlier:
    """Return the look-up of answers of earlier cycles, which a gate makes, too; without a ledger there are none."""
    if store.ledger is None:
        return lambda _: {}
    return partial(store.ledger.answered, outside=opened.cycle)


def _make_dispatcher(
    runner: Runner,
    passes: Sequence[Pass],
    factory: CallFactory,
    recorder: TrialRecorder,
    opened: OpenedCycle,
    window: int | None,
    meter: CallMeter,
    outages: OutageWatch,
) -> Dispatcher:
    return Dispatcher(
        runner=runner,
        passes=passes,
        call_for=factory.call,
        id_of=factory.id_of,
        on_results=recorder.record_calls,
        stored=opened.stored,
        window=window,
        candidates=_candidates(opened),
        meter=meter,
        outages=outages,
    )


def _candidates(opened: OpenedCycle) -> set[tuple[str, str]]:
    """Return phase and id of each candidate."""
    found: set[tuple[str, str]] = set()
    for name, phase in opened.phases.items():
        found.update((name, candidate.spec.id) for candidate in phase.plan.candidates)
    return found
