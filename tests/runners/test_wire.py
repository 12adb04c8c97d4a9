"""What travels to workers and back comes out as it went in, and only to those who have the key."""

from __future__ import annotations

import base64
import json
import time
import zlib
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.bench.case import Case, Example
from pytest_selfopt.bench.tools import Message, Tool
from pytest_selfopt.errors import RunnerError, SelfoptError
from pytest_selfopt.runners.cipher import KEY_VARIABLE, Cipher
from pytest_selfopt.runners.conversation import Dialogue
from pytest_selfopt.runners.message import (
    MOST_EXPANDED,
    EndsDisagreeError,
    MessageContext,
    MessageKind,
    UnusableMessageError,
    expanded,
    seal_within,
)
from pytest_selfopt.runners.runner import Call, RunnerOptions
from pytest_selfopt.runners.wire import (
    FORMAT,
    KEPT_S,
    Answer,
    answer_from_bytes,
    call_from_bytes,
    call_to_bytes,
    question_of,
    result_to_bytes,
)
from pytest_selfopt.specs.request import ChatRequest, Sampling
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.specs.variants import VARIANTS
from pytest_selfopt.trial import CallError, CallResult, Conversation, ErrorKind, FailedAttempt, Reply, Step, ToolCall
from pytest_selfopt.trial_bounds import MOST_MESSAGE, MOST_NAME
from tests.runners.hostile_messages import (
    ANSWERED,
    CALL_FIELDS,
    HELLO,
    NOISE,
    RESULT_FIELDS,
    SENT,
    WRONG_VALUES,
    about,
    hostile_texts,
    paths,
    spoilt,
)
from tests.runners.test_conversation import case

TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
TABLE = st.dictionaries(TEXT, JSON, max_size=3)
TOOL_CALLS = st.lists(st.builds(ToolCall, name=TEXT, arguments=TABLE), max_size=3).map(tuple)
MESSAGES = st.lists(st.builds(Message, role=TEXT, content=TEXT, calls=TOOL_CALLS, tool=TEXT), max_size=3).map(tuple)
TIMES = st.floats(min_value=0, max_value=2e9)
ERRORS = st.builds(CallError, kind=st.sampled_from(ErrorKind), message=TEXT, status=st.none() | st.integers(100, 599))
TOOLS = st.lists(st.builds(Tool, name=TEXT, description=TEXT, parameters=TABLE), max_size=2).map(tuple)
EXAMPLES = st.lists(
    st.builds(Example, messages=MESSAGES, tools=TOOLS, answer=TOOL_CALLS.filter(bool) | TEXT), max_size=2
).map(tuple)
TALKS = st.builds(
    Conversation,
    steps=st.lists(
        st.builds(
            Step, turn=st.integers(1, 9), text=TEXT, calls=TOOL_CALLS, results=st.lists(TEXT).map(tuple), id=TEXT
        ),
        max_size=2,
    ).map(tuple),
    states=st.lists(TABLE, min_size=1, max_size=2).map(tuple),
    unfinished=st.none() | st.integers(1, 3),
)
SPEC = Spec(model="m", phase="extended", variant="atomic")


def dialogues() -> st.SearchStrategy[Dialogue]:
    cases: st.SearchStrategy[Case] = st.lists(TEXT.filter(str.strip), min_size=1, max_size=3).map(
        lambda turns: case(turns=turns, expect={"state": {"notes": {}}})
    )
    return st.builds(Dialogue, case=cases, examples=EXAMPLES, spec=st.just(SPEC), variant=st.just(VARIANTS["atomic"]))


CALL = st.builds(
    Call,
    id=TEXT,
    model=TEXT,
    lane=TEXT,
    request=st.builds(
        ChatRequest,
        messages=MESSAGES,
        tools=st.lists(TABLE, max_size=2).map(tuple),
        answer_schema=st.none() | TABLE,
        sampling=st.builds(Sampling, temperature=st.floats(0, 2), seed=st.none() | st.integers()),
        fresh=st.booleans(),
    ),
    options=st.builds(RunnerOptions, timeout_s=st.floats(0.1, 600), retries=st.integers(0, 9)),
    dialogue=st.none() | dialogues(),
)
REPLIES = st.builds(Reply, text=TEXT, tool_calls=TOOL_CALLS, conversation=st.none() | TALKS, copied=TEXT)


def results(**ends: st.SearchStrategy[Any]) -> st.SearchStrategy[CallResult]:
    return st.builds(
        CallResult,
        started=TIMES,
        ended=TIMES,
        failed_attempts=st.lists(st.builds(FailedAttempt, error=ERRORS, started=TIMES, ended=TIMES), max_size=2).map(
            tuple
        ),
        answers=st.integers(1, 9),
        waited_s=TIMES,
        lane=TEXT,
        **ends,
    )


RESULT = results(reply=REPLIES) | results(error=ERRORS)
ABOUT_CALL, ABOUT_RESULT = about(MessageKind.CALL), about(MessageKind.RESULT)


@given(CALL)
def test_a_call_arrives_as_sent(call: Call) -> None:
    there = about(MessageKind.CALL, call.id)
    arrived = call_from_bytes(call_to_bytes(call, there, SENT), there, VARIANTS.__getitem__)
    assert arrived == call
    assert question_of(arrived) == question_of(call)


@given(RESULT, TEXT)
def test_a_result_arrives_as_sent(result: CallResult, question: str) -> None:
    answer = answer_from_bytes(result_to_bytes(result, ABOUT_RESULT, question), ABOUT_RESULT)
    assert answer == Answer(result, question)


def test_an_answer_fits_only_its_question() -> None:
    other = replace(HELLO, model="other")
    twice = replace(HELLO, options=replace(HELLO.options, retries=9))
    answer = Answer(ANSWERED, question_of(HELLO))
    assert [answer.fits(question_of(call)) for call in (HELLO, twice, other)] == [True, True, False]
    unread = replace(ANSWERED, reply=None, error=CallError(kind=ErrorKind.REQUEST, message="cannot be read"))
    assert Answer(unread, "").fits(question_of(HELLO))
    assert not Answer(ANSWERED, "").fits(question_of(HELLO))


def read_result(data: bytes) -> bool:
    """Whether it is taken for a result; then it can be passed on and stored."""
    try:
        answer = answer_from_bytes(data, ABOUT_RESULT)
    except UnusableMessageError:
        return False
    result_to_bytes(answer.result, ABOUT_RESULT, answer.question)
    time.localtime(answer.result.started), time.localtime(answer.result.ended)
    return True


@given(hostile_texts(RESULT_FIELDS))
def test_any_result_is_read_or_refused(data: bytes) -> None:
    read_result(data)


@given(hostile_texts(CALL_FIELDS))
def test_any_call_is_read_or_refused(data: bytes) -> None:
    try:
        call = call_from_bytes(data, ABOUT_CALL, VARIANTS.__getitem__)
    except UnusableMessageError:
        return
    assert question_of(call_from_bytes(call_to_bytes(call, ABOUT_CALL, SENT), ABOUT_CALL, VARIANTS.__getitem__))


@given(dialogues().flatmap(lambda dialogue: hostile_texts(talk_fields(dialogue))))
def test_any_conversation_is_read_or_refused(data: bytes) -> None:
    with suppress(SelfoptError):
        call_from_bytes(data, ABOUT_CALL, VARIANTS.__getitem__)


def talk_fields(dialogue: Dialogue) -> dict[str, Any]:
    fields: dict[str, Any] = json.loads(call_to_bytes(replace(HELLO, dialogue=dialogue), ABOUT_CALL, SENT))
    return fields


@pytest.mark.parametrize("name", NOISE)
def test_noise_is_refused(name: str) -> None:
    assert read_result(json.dumps(RESULT_FIELDS).encode())
    assert not read_result(NOISE[name])


@pytest.mark.parametrize("path", paths(RESULT_FIELDS), ids=str)
def test_each_field_of_a_result_is_checked(path: tuple[str | int, ...]) -> None:
    """Of the values that are wrong in some field, some are refused in each."""
    free = path[:4] == ("reply", "tool_calls", 0, "arguments") and len(path) > 4
    refused = [value for value in WRONG_VALUES if not read_result(spoilt(RESULT_FIELDS, path, value))]
    assert free or refused


def test_values_of_a_worker_have_bounds() -> None:
    values = {"tokens_in": 2**52, "cost_usd": 1e9, "load_s": 1e9, "served_model": "m" * 1000}
    reply = {**RESULT_FIELDS["reply"], **values}
    failed = {
        "error": {"kind": "server", "message": "m" * 9000, "status": 7, "retry_after_s": 1e9},
        "started": 1.0,
        "ended": 1.5,
    }
    data = json.dumps({**RESULT_FIELDS, "reply": reply, "failed_attempts": [failed]}).encode()
    result = answer_from_bytes(data, ABOUT_RESULT).result
    assert result.reply is not None
    assert (result.reply.tokens_in, result.reply.cost_usd, result.reply.load_s) == (None, None, None)
    assert len(result.reply.served_model) == MOST_NAME
    (attempt,) = result.failed_attempts
    assert (attempt.error.status, attempt.error.retry_after_s) == (None, None)
    assert len(attempt.error.message) == MOST_MESSAGE


def test_another_format_is_refused_with_advice() -> None:
    for version in (FORMAT - 1, FORMAT + 1):
        other = json.dumps({**RESULT_FIELDS, "format": version}).encode()
        with pytest.raises(
            EndsDisagreeError, match=f"format {version}, but this version supports format {FORMAT}; run"
        ):
            answer_from_bytes(other, ABOUT_RESULT)


def test_a_call_older_than_queues_keep_is_refused() -> None:
    old = {**CALL_FIELDS, "sent": time.time() - KEPT_S - 3600}
    with pytest.raises(UnusableMessageError, match="was sent 7 days ago, and calls are kept for 7: it is a copy"):
        call_from_bytes(json.dumps(old).encode(), ABOUT_CALL, VARIANTS.__getitem__)


def key(letter: bytes) -> Cipher:
    return Cipher.of({KEY_VARIABLE: base64.b64encode(letter * 32).decode()})


@given(st.binary(max_size=500), st.binary(max_size=50), st.binary(max_size=50))
def test_sealed_data_opens_with_its_key_and_place(data: bytes, there: bytes, elsewhere: bytes) -> None:
    sealed = key(b"a").seal(data, there)
    assert key(b"a").open(sealed, there) == data
    assert key(b"a").seal(data, there) != sealed
    with pytest.raises(EndsDisagreeError, match="sealed with a key other than"):
        key(b"b").open(sealed, there)
    with pytest.raises(EndsDisagreeError, match="is not set here"):
        Cipher.of({}).open(sealed, there)
    with pytest.raises(EndsDisagreeError, match="a key other than"):
        key(b"a").open(sealed[:-1] + bytes([sealed[-1] ^ 1]), there)
    with pytest.raises(EndsDisagreeError, match="is not sealed"):
        key(b"a").open(b"{}", there)
    with pytest.raises(EndsDisagreeError, match="by another version of pytest-selfopt; upgrade sessions and workers"):
        key(b"a").open(NOISE["old-sealed"], there)
    if elsewhere != there:
        with pytest.raises(EndsDisagreeError, match="or for another call"):
            key(b"a").open(sealed, elsewhere)


PARTS = st.builds(MessageContext, st.sampled_from(MessageKind), TEXT, TEXT, TEXT, TEXT)


@given(PARTS, PARTS)
def test_different_places_have_different_texts(one: MessageContext, other: MessageContext) -> None:
    assert (one.to_bytes() == other.to_bytes()) == (one == other)


@pytest.mark.parametrize("text", ["short", "c2hvcnQ=", "!" * 44])
def test_an_invalid_key_is_refused(text: str) -> None:
    with pytest.raises(RunnerError, match=f"{KEY_VARIABLE} is not a valid key; make 32 random bytes in base64"):
        Cipher.of({KEY_VARIABLE: text})


def test_messages_contain_no_address_or_key() -> None:
    assert set(CALL_FIELDS) == {"format", "about", "sent", "model", "lane", "options", "request"}


@given(st.binary(max_size=300).map(lambda data: b"{" + data), st.integers(0, 300))
def test_compressed_messages_come_out_whole(data: bytes, most: int) -> None:
    sealed = seal_within(data, bytes, most)
    assert expanded(sealed) == data
    assert (sealed == data) == (len(data) <= most)


def test_what_expands_without_end_is_refused() -> None:
    whole = seal_within(b"0" * MOST_EXPANDED, bytes, 1)
    assert len(expanded(whole)) == MOST_EXPANDED
    mark = whole[: -len(zlib.compress(b"0" * MOST_EXPANDED))]
    for damaged in (mark, mark + b"x", whole[:-1], mark + zlib.compress(b"0" * (MOST_EXPANDED + 1))):
        with pytest.raises(UnusableMessageError, match="a compressed message is damaged"):
            expanded(damaged)
    # Nobody would read it.
    assert seal_within(b"0" * (MOST_EXPANDED + 1), bytes, 1) == b"0" * (MOST_EXPANDED + 1)
