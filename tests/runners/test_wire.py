"""What travels to workers and back comes out as it went in, and only to those who have the key."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.bench.case import Case, Example
from pytest_selfopt.bench.tools import Message, Tool
from pytest_selfopt.errors import RunnerError
from pytest_selfopt.runners.cipher import KEY_VARIABLE, Cipher
from pytest_selfopt.runners.conversation import Dialogue
from pytest_selfopt.runners.runner import Call, RunnerOptions
from pytest_selfopt.runners.wire import FORMAT, call_from_bytes, call_to_bytes, result_from_bytes, result_to_bytes
from pytest_selfopt.specs.request import ChatRequest, Sampling
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.specs.variants import VARIANTS
from pytest_selfopt.trial import CallError, CallResult, Conversation, ErrorKind, FailedAttempt, Reply, Step, ToolCall
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
RESULT = st.builds(
    CallResult,
    reply=st.none() | st.builds(Reply, text=TEXT, tool_calls=TOOL_CALLS, conversation=st.none() | TALKS, copied=TEXT),
    error=st.none() | ERRORS,
    started=TIMES,
    ended=TIMES,
    failed_attempts=st.lists(st.builds(FailedAttempt, error=ERRORS, started=TIMES, ended=TIMES), max_size=2).map(tuple),
    answers=st.integers(1, 9),
    waited_s=TIMES,
    lane=TEXT,
)


@given(CALL)
def test_a_call_arrives_as_sent(call: Call) -> None:
    assert call_from_bytes(call_to_bytes(call), VARIANTS.__getitem__) == call


@given(RESULT)
def test_a_result_arrives_as_sent(result: CallResult) -> None:
    assert result_from_bytes(result_to_bytes(result)) == result


@given(st.binary(max_size=200))
def test_an_invalid_message_is_refused(data: bytes) -> None:
    with pytest.raises(RunnerError, match="not from pytest-selfopt"):
        result_from_bytes(data)


def test_another_format_is_refused_with_advice() -> None:
    value: dict[str, Any] = json.loads(result_to_bytes(CallResult(started=0.0, ended=1.0)))
    newer = json.dumps({**value, "format": FORMAT + 1}).encode()
    with pytest.raises(RunnerError, match=f"format {FORMAT + 1}, but this version supports format {FORMAT}; run the"):
        result_from_bytes(newer)


def key(letter: bytes) -> Cipher:
    return Cipher.of({KEY_VARIABLE: base64.b64encode(letter * 32).decode()})


@given(st.binary(max_size=500))
def test_only_the_same_key_opens_sealed_data(data: bytes) -> None:
    sealed = key(b"a").seal(data)
    assert key(b"a").open(sealed) == data
    assert key(b"a").seal(data) != sealed
    with pytest.raises(RunnerError, match="sealed with a key other than"):
        key(b"b").open(sealed)
    with pytest.raises(RunnerError, match="is not set here"):
        Cipher.of({}).open(sealed)
    with pytest.raises(RunnerError, match="a key other than"):
        key(b"a").open(sealed[:-1] + bytes([sealed[-1] ^ 1]))
    with pytest.raises(RunnerError, match="is not sealed"):
        key(b"a").open(b"{}")


@pytest.mark.parametrize("text", ["short", "c2hvcnQ=", "!" * 44])
def test_an_invalid_key_is_refused(text: str) -> None:
    with pytest.raises(RunnerError, match=f"{KEY_VARIABLE} is not a valid key; make 32 random bytes in base64"):
        Cipher.of({KEY_VARIABLE: text})


def test_messages_contain_no_address_or_key() -> None:
    call = Call(id="1", model="m", request=ChatRequest(messages=(Message(role="user", content="?"),)))
    names = set(json.loads(call_to_bytes(replace(call, lane="m"))))
    assert names == {"format", "id", "model", "lane", "options", "request"}
