"""Outcomes are stored with their calls, whichever comes first."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from pytest_selfopt.cycle.trial_recorder import TrialRecorder
from pytest_selfopt.execution.calls import CallFactory
from pytest_selfopt.execution.copies import CopyWatch
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.ledger.records import CallRecord
from pytest_selfopt.planning.plan import TrialKey
from pytest_selfopt.runners.runner import Call, Finished
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.trial import CallResult, Outcome, Reply, Trial
from tests.ledger.test_ledger import record, start, trial

CALL = Call(id="late", model="m", request=ChatRequest(messages=()))
RESULT = CallResult(reply=Reply(text="At last."), started=1.0, ended=2.0)


class Calls:
    """Names every call "late"."""

    def id_of(self, _key: TrialKey) -> str:
        return "late"

    def warmed_spec(self, _call: Call) -> None:
        return None

    def record(self, call: Call, result: CallResult) -> CallRecord:
        return record(call.id, result=result)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger.sqlite")


def outcomes(ledger: Ledger, cycle: int) -> list[Trial]:
    return list(ledger.trials([cycle], "atomic")[cycle])


def test_a_late_calls_outcome_is_kept(ledger: Ledger) -> None:
    cycle = start(ledger)
    recorder = TrialRecorder(ledger, cycle, cast(CallFactory, Calls()), copies=CopyWatch(lambda _: {}))
    recorder.record_outcome(trial(Outcome.MISS, "too late"))
    recorder.flush()
    assert outcomes(ledger, cycle) == []
    recorder.record_calls([Finished(call=CALL, result=RESULT)])
    recorder.flush()
    assert [found.outcome for found in outcomes(ledger, cycle)] == [Outcome.MISS]


def test_a_resumed_calls_outcome_is_stored(ledger: Ledger) -> None:
    cycle = start(ledger)
    ledger.record_calls(cycle, [record("late", result=RESULT)])
    recorder = TrialRecorder(ledger, cycle, cast(CallFactory, Calls()), stored=["late"], copies=CopyWatch(lambda _: {}))
    recorder.record_outcome(trial(Outcome.PASS))
    recorder.flush()
    assert [found.outcome for found in outcomes(ledger, cycle)] == [Outcome.PASS]
