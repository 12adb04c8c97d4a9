"""A worker of a distributed session: it collects and runs items, and asks the controller for everything else."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from functools import cached_property

import pytest

from pytest_selfopt.bench.loading.suites import Suite
from pytest_selfopt.errors import SelfoptError, SuiteError
from pytest_selfopt.planning.plan import PhasePlan, PlannedTrial, TrialKey
from pytest_selfopt.planning.session_plan import SessionPlan
from pytest_selfopt.session.collection import BenchmarkCollector, arrange
from pytest_selfopt.session.options import looks_only, settings_of
from pytest_selfopt.session.project import SessionProject
from pytest_selfopt.session.runtest import RuntestHooks
from pytest_selfopt.session.stash import PLANNED
from pytest_selfopt.session.tag_selection import tags_as_marks
from pytest_selfopt.session.xdist.rpc import (
    INPUT,
    Abandon,
    Collected,
    ConnectionLost,
    EndSession,
    ErrorResponse,
    PlanRequest,
    PlanResponse,
    Request,
    Response,
    Result,
    ResultOf,
    RpcClient,
    StartTrial,
    StartTrialResponse,
)
from pytest_selfopt.settings import Settings
from pytest_selfopt.specs.variants import Variant
from pytest_selfopt.trial import CallError, CallResult, ErrorKind


class WorkerSession:
    """A worker's part of a session with benchmarks. It makes no call and writes no file."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        given = vars(config)["workerinput"]
        address, key = given[INPUT]
        self._client = RpcClient(address, key, given["workerid"])
        self._plan = SessionPlan(self._plan_for, self._variant)
        self._project = SessionProject(config)
        self._collector = BenchmarkCollector(self._plan, self._project)
        self._seed = 0
        self._ready: dict[TrialKey, CallResult] = {}
        """The results that arrived early, of the current item and those after it."""
        self._live: dict[tuple[str, int], frozenset[str]] = {}
        """The specs that are asked in a pass (phase and run), as far as the controller has decided."""
        self.stopped_because = ""
        config.pluginmanager.register(RuntestHooks(config, self), "selfopt-replaying")

    @cached_property
    def settings(self) -> Settings:
        """The checked settings of this session.

        Raises:
            SettingsError: on first use, when something is configured wrongly.
        """
        return settings_of(self._config, self._project.choice)

    def _variant(self, name: str) -> Variant:
        return self.settings.variant(name)

    def _plan_for(self, test: str, phase: str, suite: Suite) -> PhasePlan:
        answer = self._client.ask(PlanRequest(test, str(suite.path), phase, self._project.choice))
        if isinstance(answer, ErrorResponse):
            raise SelfoptError(answer.why)
        assert isinstance(answer, PlanResponse)
        if answer.suite_hash != suite.content_hash:
            raise SuiteError(f"{suite.path} was changed while the session began; start it again")
        self._seed = answer.seed
        return answer.plan

    def generate(self, metafunc: pytest.Metafunc, marker: pytest.Mark) -> None:
        """Parametrize a marked test."""
        self._collector.parametrize(metafunc, marker)

    def refuse(self, problems: Sequence[str]) -> None:
        """Let the controller end the session with problems of its items."""
        self._collector.problems += problems

    def run_proof(self, status: int) -> int:
        """Leave the proof to the controller."""
        return status

    def close(self) -> None:
        """Leave everything to the controller."""

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_collection_modifyitems(
        self, session: pytest.Session, items: list[pytest.Item]
    ) -> Generator[None, None, None]:
        """Sort the items after all other plugins."""
        self._collector.stash_planned(items)
        self._collector.refuse_plugins(self._config, items)
        self._collector.deselect_tags(session, items)
        if self._config.option.selfopt_prove:
            idle = [phase for phase, plan in self._plan.plans.items() if not plan.trial]
            self._config.hook.pytest_deselected(items=self._collector.deselect_phases(idle, items))
        with tags_as_marks(self._config, items):
            yield
        if not self._collector.problems:
            # Otherwise the same mistake could be told twice.
            self._collector.settle(self._config, items)
        arrange(items, self._seed)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_finish(self, session: pytest.Session) -> None:
        """Send the selected trials to the controller, before xdist sends the items' names."""
        selected = [(item.nodeid, item.stash[PLANNED].key) for item in session.items if PLANNED in item.stash]
        self._ask(Collected(tuple(selected), tuple(self._collector.skipped), tuple(self._collector.problems)))

    def begin(self, planned: PlannedTrial) -> bool:
        """Wait until an item's call is under way; return False if the race has stopped its spec."""
        key = planned.key
        live = self._live.get((key.phase, key.run))
        if live is not None and key.spec not in live:
            return False
        if key in self._ready:
            return True
        answer = self._ask(StartTrial(key))
        if isinstance(answer, ErrorResponse):
            # The controller ends the session with this sentence; until then the item has no answer.
            self._ready = {key: _no_result(answer.why)}
            return True
        assert isinstance(answer, StartTrialResponse)
        if answer.live is not None:
            self._live[key.phase, key.run] = answer.live
        self._ready = dict(answer.results)
        return answer.should_run

    def result(self, key: TrialKey) -> CallResult:
        """Wait for the result of a trial's call."""
        ready = self._ready.pop(key, None)
        if ready is not None:
            return ready
        answer = self._ask(ResultOf(key))
        if isinstance(answer, ErrorResponse):
            return _no_result(answer.why)
        assert isinstance(answer, Result)
        self.stopped_because = answer.stopped_because
        return answer.result

    def abandon(self, key: TrialKey) -> None:
        """Abandon a trial's call, because no item waits for it any more."""
        self._ask(Abandon(key))

    def end_session(self, why: str) -> None:
        """Let the controller end the session when it gets the next report."""
        self._ask(EndSession(why))

    def _ask(self, request: Request) -> Response:
        """Send a request to the controller; exit pytest if the connection is lost."""
        if looks_only(self._config) and not isinstance(request, Collected):
            return None
        try:
            return self._client.ask(request)
        except ConnectionLost as problem:
            pytest.exit(str(problem))


def _no_result(why: str) -> CallResult:
    return CallResult(error=CallError(kind=ErrorKind.TEST, message=why), started=0.0, ended=0.0)
