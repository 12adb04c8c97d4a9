"""Whatever value a server, a client of the project or a worker sends: its call is stored, and so is every other."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.ledger.records import CallRecord
from pytest_selfopt.models.config import WireName
from pytest_selfopt.models.http import HttpReply
from pytest_selfopt.models.wire_format import Sent, read_answer
from pytest_selfopt.redaction.redactor import Redactor
from pytest_selfopt.session.report_evidence import from_evidence, to_evidence
from pytest_selfopt.trial import CallError, CallResult, ErrorKind, Outcome, Reply, ToolCall, Trial
from pytest_selfopt.trial_bounds import MOST_NAME, MOST_TOKENS, bounded_answer
from tests.models.hostile_replies import HOSTILE_HEADERS, WIRES, HostileReply, hostile_replies
from tests.models.test_wire_format import WIRES as READERS


def read(reply: HostileReply, status: int = 200) -> Reply | CallError:
    body = reply.body.encode("utf-8", "surrogatepass")
    answer = HttpReply(status=status, headers={}, body=body)
    return read_answer(
        READERS[reply.wire], answer, Sent(redactor=Redactor(["sk-1"]), latency_s=0.5, at=0.0, sampling={})
    )


def result_of(answer: Reply | CallError, **change: Any) -> CallResult:
    if isinstance(answer, Reply):
        return CallResult(reply=answer, started=1.0, ended=2.0, **change)
    return CallResult(error=answer, started=1.0, ended=2.0, **change)


def record_of(call_id: str, result: CallResult) -> CallRecord:
    return CallRecord(
        id=call_id,
        purpose="trial",
        phase="atomic",
        spec="m/atomic/schema/t60/r1/i0",
        case="suite/case",
        case_hash="abc",
        run=0,
        restraint=False,
        result=result,
    )


def stored(path: Path, results: dict[str, CallResult]) -> tuple[dict[str, CallResult], dict[str, CallResult]]:
    """What is stored in place of these results, and what is read again."""
    with Ledger(path / "ledger.sqlite") as ledger:
        cycle = ledger.start_cycle(started=0.0, seed=1, command="pytest", plan={})
        replaced = ledger.record_calls(cycle, [record_of(*each) for each in results.items()])
        return replaced, ledger.results(cycle)


@pytest.mark.parametrize("wire", WIRES)
def test_a_hostile_reply_is_stored_as_read(tmp_path: Path, wire: WireName) -> None:
    answers = {reply.name: read(reply) for reply in hostile_replies(wire)}
    results = {name: result_of(answer) for name, answer in answers.items()}
    replaced, again = stored(tmp_path, results)
    assert replaced == {}
    assert {name: replace(result, lane="") for name, result in again.items()} == results
    lost = [name for name, answer in answers.items() if isinstance(answer, CallError)]
    assert all("levels" in name for name in lost), lost
    for answer in answers.values():
        came = answer if isinstance(answer, Reply) else answer.reply
        if came is not None:
            assert (came.tokens_in or 0) <= 3 * MOST_TOKENS
            assert max(map(len, (came.served_model, came.provider_id, came.finish_reason))) <= MOST_NAME


@pytest.mark.parametrize("headers", HOSTILE_HEADERS, ids=map(str, range(len(HOSTILE_HEADERS))))
def test_a_hostile_wait_stays_a_rate_limit(headers: dict[str, str]) -> None:
    answer = HttpReply(status=429, headers=headers, body=b'{"error": "too many requests"}')
    error = read_answer(
        READERS["openai"], answer, Sent(redactor=Redactor(["sk-1"]), latency_s=0.5, at=1.7e9, sampling={})
    )
    assert isinstance(error, CallError)
    assert error.kind is ErrorKind.RATE_LIMIT
    assert error.retry_after_s is None or 0 <= error.retry_after_s <= 1e7


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


UNSTORABLE = {
    "2^63 tokens": result_of(Reply(text="a", tokens_in=2**63, tokens_out=4, cost_usd=0.25)),
    "10,000 levels": result_of(Reply(tool_calls=(ToolCall(name="f", arguments={"a": deep(10_000)}),), tokens_out=4)),
    "a set": result_of(Reply(tool_calls=(ToolCall(name="f", arguments={"a": {1}}),), tokens_out=4)),  # type: ignore[dict-item]  # as a project's client may
}


def test_an_unstorable_call_costs_no_other(tmp_path: Path) -> None:
    whole = {f"whole {number}": result_of(Reply(text=str(number)), lane="a\ud800") for number in range(4)}
    first, *others = whole.items()
    replaced, again = stored(tmp_path, dict([first, *UNSTORABLE.items(), *others]))
    assert set(replaced) == set(UNSTORABLE)
    assert set(again) == {*whole, *UNSTORABLE}
    assert [again[name].reply for name in whole] == [result.reply for result in whole.values()]
    for name, result in replaced.items():
        assert again[name] == result
        assert result.error is not None
        assert result.error.message.startswith("the answer cannot be stored: ")
        # What it cost is known all the same.
        assert result.received is not None
        assert (result.received.tokens_in, result.received.tokens_out) == (None, 4)


CLIENTS_ANSWERS: dict[str, Any] = {
    "none": None,
    "a text": "Paris",
    "no text": Reply(text=None),  # type: ignore[arg-type]  # as a project's client may
    "a list of calls": Reply(tool_calls=[ToolCall(name="f", arguments={})]),  # type: ignore[arg-type]  # the same
    "a set of arguments": Reply(tool_calls=(ToolCall(name="f", arguments={"a": {1}}),)),  # type: ignore[dict-item]  # the same
    "NaN in arguments": Reply(tool_calls=(ToolCall(name="f", arguments={"a": float("nan")}),)),
    "an unknown kind": CallError(kind="odd", message="no"),  # type: ignore[arg-type]  # the same
}


@pytest.mark.parametrize("name", CLIENTS_ANSWERS)
def test_no_answer_of_a_client_is_an_error(name: str) -> None:
    answer = bounded_answer(CLIENTS_ANSWERS[name])
    assert isinstance(answer, CallError)
    assert answer.kind is ErrorKind.MALFORMED


def test_numbers_of_a_client_have_bounds() -> None:
    numbers: dict[str, Any] = {"tokens_in": "12", "tokens_out": -1, "tokens_cached": True, "cost_usd": float("nan")}
    answer = bounded_answer(Reply(text="a", served_model="m" * 999, latency_s=float("inf"), load_s=1e300, **numbers))
    assert isinstance(answer, Reply)
    assert (answer.text, answer.served_model) == ("a", "m" * (MOST_NAME - 1) + "…")
    assert (answer.tokens_in, answer.tokens_out, answer.tokens_cached, answer.cost_usd) == (None,) * 4
    assert (answer.latency_s, answer.load_s) == (0.0, None)


def test_evidence_of_the_longest_names_is_read() -> None:
    longest = "😀" * 200
    trial = Trial(
        phase="atomic",
        spec="m/atomic/schema/t60/r1/i0",
        case="suite/case",
        run=0,
        outcome=Outcome.MISS,
        reason="😀" * 300,
        served_model=longest,
        finish_reason=longest,
        copied=longest[:60],
    )
    assert from_evidence(to_evidence(trial)) == trial
