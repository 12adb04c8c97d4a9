"""The calls of a session: from a planned trial to a call, and from a finished call to a record of the ledger."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from pytest_selfopt.bench.case import Case
from pytest_selfopt.bench.describe import asked, expected
from pytest_selfopt.bench.loading.suites import Suite
from pytest_selfopt.bench.tools import Message
from pytest_selfopt.ledger.records import CallPurpose, CallRecord, Question
from pytest_selfopt.models.cost import cost_of_result
from pytest_selfopt.planning.plan import PhasePlan, PlannedTrial, TrialKey
from pytest_selfopt.runners.conversation import Dialogue
from pytest_selfopt.runners.runner import Call, RunnerOptions
from pytest_selfopt.settings import Settings
from pytest_selfopt.specs.request import ChatRequest, Sampling
from pytest_selfopt.specs.spec import Spec, parse_spec
from pytest_selfopt.specs.variants import build_request
from pytest_selfopt.swarm.execution_state import MARK
from pytest_selfopt.trial import CallResult

WARMUP_PROMPT = "What is 2+2?"
WARMUP_TIMEOUT_S = 10.0
WARMUP_MAX_TOKENS = 64
"""A warm-up is over with the first tokens, whatever a model that thinks has still to say."""


class CallFactory:
    """A factory of the calls of one cycle (0: a plain session), which remembers the purpose of each call."""

    def __init__(
        self,
        cycle: int,
        planned: Mapping[TrialKey, PlannedTrial],
        settings: Settings,
    ) -> None:
        self._cycle = cycle
        self._planned = planned
        self._settings = settings
        self._purposes: dict[str, TrialKey | Spec] = {}
        self._requests: dict[tuple[str, str], ChatRequest] = {}

    def id_of(self, key: TrialKey) -> str:
        """Return the id of a trial's call."""
        return key.call_id(self._cycle, self._planned[key].case.content_hash)

    def knows(self, key: TrialKey) -> bool:
        """Whether a trial was planned."""
        return key in self._planned

    def call(self, key: TrialKey) -> Call:
        """Make the call of a trial."""
        trial = self._planned[key]
        spec = trial.spec
        call = Call(
            id=self.id_of(key),
            model=spec.model,
            request=self._request(key, trial),
            options=RunnerOptions(timeout_s=spec.timeout_s, retries=spec.retries),
            lane=spec.model,
            dialogue=_dialogue(trial),
        )
        self._purposes[call.id] = key
        return call

    def _request(self, key: TrialKey, trial: PlannedTrial) -> ChatRequest:
        # All runs of a case send the same request; one for each run would take most of a session's memory.
        request = self._requests.get((key.spec, key.case))
        if request is None:
            examples = trial.suite.examples
            request = build_request(trial.case, examples, trial.spec, trial.variant)
            self._requests[key.spec, key.case] = request
        return request

    def warmups(self, plan: PhasePlan, run: int) -> tuple[Call, ...]:
        """Make a warm-up call for each spec of a run that asks for one; never part of the statistics."""
        suffix = ""
        if plan.block_passes:
            suffix = f"-run{run}"
        calls: list[Call] = []
        for spec in plan.specs_in(run):
            if spec.warmup:
                name = f"warmup-{self._cycle}-{spec.id}{suffix}"
                calls.append(_warmup(name, spec))
                self._purposes[name] = spec
        return tuple(calls)

    def warmed_spec(self, call: Call) -> Spec | None:
        """Return the spec whose warm-up a call is; None if it is no warm-up."""
        purpose = self._purposes.get(call.id)
        if isinstance(purpose, Spec):
            return purpose
        return None

    def record(self, call: Call, result: CallResult) -> CallRecord:
        """Return the ledger's record of a finished call, or of a finished call to a member of a swarm."""
        swarm_call, mark, _ = call.id.rpartition(MARK)
        purpose = self._purposes[swarm_call or call.id]
        cost = cost_of_result(result, self._settings.model(call.model))
        record = CallRecord(
            id=call.id,
            purpose="warmup",
            phase=purpose.phase,
            spec="",
            case="warmup",
            case_hash="",
            run=0,
            restraint=False,
            result=result,
            cost_usd=cost,
        )
        if isinstance(purpose, Spec):
            record = replace(record, spec=purpose.id)
        else:
            case = self._planned[purpose].case
            record = replace(
                record,
                purpose=_purpose_of(case),
                spec=purpose.spec,
                case=purpose.case,
                case_hash=case.content_hash,
                run=purpose.run,
                restraint=case.restraint,
                weight=case.weight,
            )
        if not mark:
            return record
        spec = replace(parse_spec(record.spec), model=call.model)
        return replace(record, purpose="stage", spec=spec.id)


def _purpose_of(case: Case) -> CallPurpose:
    """Return the purpose of a case's calls: what is expected to fail is no trial, which statistics would count."""
    if case.expected_failure:
        return "expected_failure"
    return "trial"


def _dialogue(trial: PlannedTrial) -> Dialogue | None:
    """Return the conversation of a trial of several turns; None for a single question."""
    if trial.case.world is None:
        return None
    return Dialogue(
        case=trial.case,
        examples=trial.suite.examples,
        spec=trial.spec,
        variant=trial.variant,
    )


def _warmup(name: str, spec: Spec) -> Call:
    """Make the warm-up call of a spec, with `name` as its id."""
    message = Message(role="user", content=WARMUP_PROMPT)
    options = RunnerOptions(
        timeout_s=WARMUP_TIMEOUT_S,
        retries=0,
        rate_limit_retries=0,
    )
    return Call(
        id=name,
        model=spec.model,
        request=ChatRequest(messages=(message,), sampling=Sampling(max_tokens=WARMUP_MAX_TOKENS)),
        options=options,
        lane=spec.model,
    )


def case_texts(suites: Iterable[Suite]) -> Iterator[Question]:
    """Yield the questions of all cases of the suites, in words."""
    for suite in suites:
        for case in suite.cases:
            yield Question(
                case_hash=case.content_hash,
                prompt=asked(case),
                expected=expected(case),
            )
