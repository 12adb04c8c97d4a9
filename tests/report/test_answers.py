"""All answers of a cycle, packed for a page, and as the page shows them."""

from __future__ import annotations

import base64
import json
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.console.sanitize import visible
from pytest_selfopt.ledger.answers import StoredAnswer, each_answer
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.ledger.records import CallRecord, Question
from pytest_selfopt.report.answers.pack import BLOCK, MOST_ANSWER, PackedAnswers, pack_answers
from pytest_selfopt.trial import CallError, CallResult, ErrorKind, Outcome, Reply, ToolCall, Trial
from tests.report.samples import HOSTILE

SPEC = "desk/model/atomic/native_api/t60/r1/i0"


def answer(place: int, text: str = "yes", **changes: Any) -> StoredAnswer:
    values: dict[str, Any] = {
        "spec": SPEC,
        "run": place,
        "case": "items/a",
        "case_hash": "h",
        "outcome": "miss",
        "reason": "expected no",
        "error_kind": "",
        "finish_reason": "stop",
        "latency_s": 0.123456,
        "tokens_in": 7,
        "tokens_out": None,
        "cost_usd": None,
        "attempts": 1,
    }
    return StoredAnswer(**{**values, **changes}, reply=json.dumps({"text": text}), error=None)


def unpacked(text: str) -> Any:
    return json.loads(zlib.decompress(base64.b64decode(text)))


def texts_of(packed: PackedAnswers) -> list[Any]:
    return [row for block in packed.blocks for row in unpacked(block)]


def question(hashes: object) -> dict[str, Question]:
    return {"h": Question(case_hash="h", prompt="Is it so?", expected='exactly "no"')}


@given(st.lists(st.text(max_size=30) | st.just(HOSTILE), min_size=1, max_size=2 * BLOCK))
def test_every_answer_comes_back(texts: list[str]) -> None:
    packed = pack_answers((answer(place, text) for place, text in enumerate(texts)), question)
    numbers = unpacked(packed.numbers)
    assert numbers["run"] == list(range(len(texts)))
    assert numbers["outcome"] == "M" * len(texts)
    assert texts_of(packed) == [[visible(text), "expected no", len(text)] for text in texts]
    assert unpacked(packed.questions) == [["items/a", "Is it so?", 'exactly "no"']]
    assert (packed.specs, packed.left) == ((SPEC,), 0)


def test_long_answers_are_cut_and_say_so() -> None:
    packed = pack_answers([answer(0, "a" * (MOST_ANSWER + 5))], question)
    assert texts_of(packed) == [["a" * MOST_ANSWER, "expected no", MOST_ANSWER + 5]]


def test_what_does_not_fit_is_left_out_and_counted() -> None:
    answers = [answer(place, f"{place}") for place in range(3 * BLOCK)]
    first = len(pack_answers(answers[:BLOCK], question).blocks[0])
    packed = pack_answers(answers, question, room=first + 1)
    assert len(packed.blocks) == 1
    assert packed.left == 2 * BLOCK
    assert len(unpacked(packed.numbers)["run"]) == 3 * BLOCK


def test_a_damaged_answer_is_said_to_be_so() -> None:
    damaged = replace(answer(0), reply='{"text": "ha')
    texts = texts_of(pack_answers([damaged, answer(1)], question))
    assert texts[0][0].startswith("the ledger's row of this answer is damaged (JSONDecodeError: ")
    assert texts[1][0] == "yes"


def test_answers_are_read_in_words(tmp_path: Path) -> None:
    replies = [
        CallResult(reply=Reply(text="Hello", latency_s=1.5), started=0.0, ended=1.0),
        CallResult(reply=Reply(tool_calls=(ToolCall(name="go", arguments={"to": "sea"}),)), started=0.0, ended=1.0),
        CallResult(error=CallError(kind=ErrorKind.TIMEOUT, message="no answer in 60 s"), started=0.0, ended=1.0),
    ]
    outcomes = [Outcome.PASS, Outcome.MISS, Outcome.ERROR]
    path = tmp_path / "ledger.sqlite"
    with Ledger(path) as ledger:
        cycle = ledger.start_cycle(started=0.0, seed=1, command="pytest", plan={})
        for run, (result, outcome) in enumerate(zip(replies, outcomes, strict=True)):
            record = CallRecord(
                id=str(run), purpose="trial", phase="atomic", spec=SPEC, case="items/a", case_hash="h", run=run,
                restraint=False, result=result,
            )  # fmt: skip
            trial = Trial(
                phase="atomic", spec=SPEC, case="items/a", run=run, outcome=outcome, case_hash="h",
                error_kind=ErrorKind.TIMEOUT if outcome is Outcome.ERROR else None,
            )  # fmt: skip
            ledger.record_calls(cycle, [record])
            ledger.record_outcomes([(str(run), trial)])
        found = list(each_answer(path, cycle, "atomic"))
    assert [(one.outcome, one.error_kind) for one in found] == [("pass", ""), ("miss", ""), ("error", "timeout")]
    assert [one.text for one in found] == ["Hello", "go(to='sea')", "no answer in 60 s"]
    assert found[0].latency_s == 1.5
