"""A batch: specs are asked suites once or more, every answer is judged and recorded, nothing is decided."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import accumulate, groupby
from operator import attrgetter

from pytest_selfopt import clock
from pytest_selfopt.bench.grading.judgement import BrokenGrader
from pytest_selfopt.deferred_signals import undisturbed
from pytest_selfopt.errors import SettingsError, SpecError
from pytest_selfopt.execution.backends import CallBackend, RunnerPurpose, make_backend
from pytest_selfopt.execution.calls import CallFactory, case_texts
from pytest_selfopt.execution.copies import CopyWatch
from pytest_selfopt.execution.dispatcher import MOST_TOGETHER, TICK_S
from pytest_selfopt.execution.replies import Received, make_trial, parse_reply
from pytest_selfopt.execution.reply_notes import ReplyNotes
from pytest_selfopt.execution.wait_announcer import WaitAnnouncer
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.ledger.steps import hold_state
from pytest_selfopt.models.client import Client
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.planning.batch_questions import Questions
from pytest_selfopt.planning.budget import make_budget, require_prices
from pytest_selfopt.planning.plan import PlannedTrial, TrialKey
from pytest_selfopt.planning.swarms import resolve_members
from pytest_selfopt.runners.quota import spent_sentence
from pytest_selfopt.runners.runner import Finished, Holding, Runner, as_stored
from pytest_selfopt.settings import RUNNERS, Settings
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.swarm.execution_state import MARK
from pytest_selfopt.threads import no_thread_reported
from pytest_selfopt.trial import CallResult, ErrorKind, Json, Outcome, Trial

INTERRUPTED = "it was interrupted"
Verdict = tuple[Outcome, ErrorKind | None, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchResult:
    """The result of a batch: its trials, and the trials of swarm members."""

    cycle: int
    trials: tuple[Trial, ...]
    parts: Mapping[str, tuple[Trial, ...]]
    """The members' first answers to a swarm's trials, by the id of the swarm's spec, in order of arrival."""
    votes: int
    """The number of answers that were found by counting votes, without a call."""
    calls: int
    cost_usd: float | None
    """The cost of all calls, including those without a usable answer; None if any cost is unknown."""
    took_s: float
    planned: int
    most_in_flight: int = 0
    """The most calls in flight at a time."""
    expected: tuple[Trial, ...] = ()
    """The trials of cases that are expected to fail, which are no part of `trials` and `planned`."""
    stopped: str = ""
    interrupted: bool = False
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class BatchRun:
    """A batch under way; `say` gets the numbers of trials with an answer, of all trials, and of errors.

    `announce` gets a sentence on each wait that a server asks for.
    """

    settings: Settings
    questions: Questions
    command: str
    say: Callable[[int, int, int], None]
    announce: Callable[[str], None]
    _trials: list[Trial] = field(default_factory=list)
    _expected: list[Trial] = field(default_factory=list)
    _parts: dict[str, list[Trial]] = field(default_factory=dict)
    _votes: int = 0
    _calls: int = 0
    _errors: int = 0
    _spans: list[tuple[float, float]] = field(default_factory=list)
    """The start and the end of each call that was sent, in seconds since the epoch."""
    _costs: list[float | None] = field(default_factory=list)
    _notes: ReplyNotes = field(default_factory=ReplyNotes)

    def run(self) -> BatchResult:
        """Make all calls; Ctrl-C or an exhausted budget ends the batch early, and keeps its answers.

        Raises:
            SelfoptError: if a model, a server or the ledger cannot be used.
        """
        began = clock.now()
        planned = self.questions.planned(self.settings)
        names = list(dict.fromkeys(spec.model for spec in self.questions.specs))
        models = resolve_members(self.settings, names)
        require_prices(self.settings, models)
        backend = make_backend(self.settings, names, self.settings.state_dir, _no_such_runner)
        with ExitStack() as held:
            state = held.enter_context(hold_state(self.settings.state_dir, self.settings.routing_path))
            ledger = held.enter_context(Ledger(self.settings.ledger_path))
            held.callback(backend.stop)
            backend.begin()
            cycle = self._enter(ledger, began)
            stopped = self._ask(backend, ledger, cycle, planned, models)
            # What is written at the end needs the descriptors of the calls.
            backend.stop()
            ledger.finish_cycle(cycle, ended=clock.now(), status="partial")
        return BatchResult(
            cycle=cycle,
            trials=tuple(self._trials),
            parts={spec: tuple(parts) for spec, parts in self._parts.items()},
            votes=self._votes,
            calls=self._calls,
            cost_usd=_total(self._costs),
            took_s=clock.now() - began,
            planned=_counted(planned),
            most_in_flight=most_at_once(self._spans),
            expected=tuple(self._expected),
            stopped=stopped,
            interrupted=stopped == INTERRUPTED,
            notes=(*state.notes, *backend.notes(), *self._notes.lines()),
        )

    def _enter(self, ledger: Ledger, began: float) -> int:
        """Enter the batch into the ledger as partial from the start: an interrupted batch is never resumed."""
        specs: list[Json] = [spec.id for spec in self.questions.specs]
        survey: Json = {"specs": specs, "runs": self.questions.runs}
        cycle = ledger.start_cycle(
            started=began,
            seed=0,
            command=self.command,
            plan={"survey": survey},
        )
        ledger.finish_cycle(cycle, ended=began, status="partial")
        ledger.record_questions(case_texts(self.questions.suites))
        return cycle

    def _ask(
        self,
        backend: CallBackend,
        ledger: Ledger,
        cycle: int,
        planned: Mapping[TrialKey, PlannedTrial],
        models: Sequence[ModelConfig],
    ) -> str:
        """Make the calls; return why the batch ended early, or an empty text.

        Runs overlap, so that limits are used up: nothing is decided between them. The calls of a model stay in order.
        """
        factory = CallFactory(cycle, planned, self.settings)
        budget = make_budget(self.settings, models, spent=(0, 0.0))
        watch = CopyWatch(partial(ledger.answered, outside=cycle))
        by_id = {factory.id_of(key): trial for key, trial in planned.items()}
        spent: list[str] = []
        counted = _counted(planned)

        def take(finished: Sequence[Finished]) -> None:
            done = [answer for answer in watch.mark(finished) if _was_asked(answer)]
            spent.extend(filter(None, map(_spent_quota, finished)))
            records = [factory.record(answer.call, answer.result) for answer in done]
            stored = as_stored(done, ledger.record_calls(cycle, records))
            ledger.record_outcomes(self._outcomes(stored, by_id))
            self.say(len(self._trials), counted, self._errors)

        purpose = RunnerPurpose(cycle=ledger.name_of(cycle), budget=budget, stored={}, on_parts=take)
        runner = backend.runner(purpose)

        def make_calls() -> str:
            for keys in self._groups(planned):
                runner.run_batch(list(map(factory.call, keys)), take)
                if budget is not None and budget.spent:
                    return budget.spent
                if spent:
                    return spent[0]
            return ""

        waits = WaitAnnouncer()

        def announce_wait() -> None:
            if not isinstance(runner, Holding):
                return
            waiting = waits.next_line(runner.held, clock.now())
            if waiting:
                self.announce(waiting)

        return _until_interrupted(make_calls, runner.cancel, announce_wait)

    def _groups(self, planned: Iterable[TrialKey]) -> Iterator[list[TrialKey]]:
        """Yield the trials of whole runs that are called together: as many as may be held at a time."""
        calls_of = {spec.id: self._calls_of(spec) for spec in self.questions.specs}
        group: list[TrialKey] = []
        size = 0
        for _, of_run in groupby(planned, key=attrgetter("run")):
            keys = list(of_run)
            calls = sum(calls_of[key.spec] for key in keys)
            if group and size + calls > MOST_TOGETHER:
                yield group
                group, size = [], 0
            group += keys
            size += calls
        if group:
            yield group

    def _calls_of(self, spec: Spec) -> int:
        """Return the calls of a trial of a spec: one, or those of the stages of a swarm."""
        swarm = self.settings.swarm(spec.model)
        if swarm is None:
            return 1
        return sum(swarm.topology.stages)

    def _outcomes(self, answers: Iterable[Finished], by_id: Mapping[str, PlannedTrial]) -> list[tuple[str, Trial]]:
        """Judge answers, and note what was seen of them; return the trials with the ids of their calls."""
        outcomes: list[tuple[str, Trial]] = []
        for answer in answers:
            self._notes.add(answer.call, answer.result)
            trial = self._judge(answer, by_id)
            if trial is not None:
                outcomes.append((answer.call.id, trial))
        return outcomes

    def _judge(
        self,
        answer: Finished,
        by_id: Mapping[str, PlannedTrial],
    ) -> Trial | None:
        """Judge an answer and return its trial; the trials of swarm members are kept apart.

        A member's answer to a case that is expected to fail has no trial, which statistics would count.
        """
        call = answer.call
        swarm_call, mark, position = call.id.rpartition(MARK)
        planned = by_id[swarm_call or call.id]
        received, verdict = _verdict(planned, answer.result)
        model = self.settings.model(call.model)
        trial = make_trial(planned, received, verdict, model)
        if mark or not self.settings.swarm(call.model):
            self._calls += answer.result.attempts
            self._spans.append((answer.result.started, answer.result.ended))
            self._costs.append(trial.cost_usd)
        if planned.case.expected_failure:
            if mark:
                return None
            self._expected.append(trial)
        elif not mark:
            self._trials.append(trial)
            self._errors += trial.outcome is Outcome.ERROR
        elif call.model == planned.spec.model:
            self._votes += 1
        elif position.startswith("0."):
            parts = self._parts.setdefault(planned.spec.id, [])
            parts.append(replace(trial, spec=call.model))
        return trial


def _until_interrupted(make_calls: Callable[[], str], cancel: Callable[[], None], on_tick: Callable[[], None]) -> str:
    """Make calls on a thread of their own, which no signal interrupts; an interruption cancels them.

    Meanwhile `on_tick` is called now and then. Return why they ended early. What was answered before an interruption is
    taken.
    """
    with ThreadPoolExecutor(1, thread_name_prefix="selfopt-batch") as pool, undisturbed:
        with no_thread_reported():
            made = pool.submit(make_calls)
        try:
            while not made.done():
                wait([made], TICK_S)
                on_tick()
                undisturbed.heed()
        except BaseException as interruption:
            cancel()
            made.result()
            if not isinstance(interruption, KeyboardInterrupt):
                raise
            return INTERRUPTED
        return made.result()


def most_at_once(spans: Iterable[tuple[float, float]]) -> int:
    """Return how many of the calls with these starts and ends were under way at a time, at most."""
    moments: list[tuple[float, int]] = []
    for started, ended in spans:
        moments += [(started, 1), (ended, -1)]
    # At the same moment, a call ends before another begins.
    moments.sort()
    return max(accumulate(change for _, change in moments), default=0)


def _was_asked(finished: Finished) -> bool:
    """Whether a call was made: not if it was cancelled, or its model's quota was used up before."""
    result = finished.result
    if result.error is not None and result.error.kind is ErrorKind.QUOTA:
        return result.in_flight > 0
    return not result.cancelled


def _counted(planned: Mapping[TrialKey, PlannedTrial]) -> int:
    """Return the number of trials that count: all but those of expected failures."""
    return sum(not trial.case.expected_failure for trial in planned.values())


def _spent_quota(finished: Finished) -> str:
    """Say that a model's quota is used up, if that is what the call met."""
    error = finished.result.error
    if error is None or error.kind is not ErrorKind.QUOTA:
        return ""
    return spent_sentence(finished.call.model, error)


def _total(costs: Sequence[float | None]) -> float | None:
    """Return the sum of costs in USD; None if one of them is unknown."""
    if None in costs:
        return None
    return sum(filter(None, costs))


def _verdict(
    planned: PlannedTrial,
    result: CallResult,
) -> tuple[Received | None, Verdict]:
    unread = Received(result=result, reply=None)
    if result.reply is None:
        error = result.error
        assert error is not None
        return unread, (Outcome.ERROR, error.kind, error.message)
    try:
        received = parse_reply(planned, result)
        assert received.reply is not None
        judgement = planned.case.judge(received.reply)
    except (BrokenGrader, SpecError) as problem:
        return unread, (Outcome.ERROR, ErrorKind.TEST, str(problem))
    if judgement.passed:
        return received, (Outcome.PASS, None, "")
    return received, (Outcome.MISS, None, judgement.reason)


def _no_such_runner(name: str, clients: Mapping[str, Client]) -> Runner:
    del clients
    known = ", ".join(RUNNERS)
    raise SettingsError(f"unknown runner {name!r}; available: {known} (no conftest.py is read here)")
