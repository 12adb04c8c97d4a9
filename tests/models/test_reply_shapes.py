"""What providers and servers really reply, served over HTTP and read as an answer, a miss or an error."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from pytest_selfopt.bench.tools import Message
from pytest_selfopt.models.client import HttpClient
from pytest_selfopt.models.config import ModelConfig, ProviderConfig
from pytest_selfopt.models.scripted import ScriptedServer
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.specs.variants import VARIANTS, read_reply
from pytest_selfopt.trial import TRANSIENT, CallError, Reply
from tests.models.reply_shapes import SHAPES
from tests.models.reply_shapes.shape import Answer, Failure, Shape

MISSING = "no such member"
TOOL: dict[str, Any] = {
    "name": "get_weather",
    "description": "Tells the weather in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
HELLO = (Message(role="user", content="What is the weather in Paris?"),)
ANSWERS = [shape for shape in SHAPES if isinstance(shape.expected, Answer)]
FAILURES = [shape for shape in SHAPES if isinstance(shape.expected, Failure)]
PROVIDERS = Counter(shape.name.partition(":")[0] for shape in SHAPES)


def ask(shape: Shape) -> Reply | CallError:
    body, headers = shape.served()
    tools: tuple[dict[str, Any], ...] = ()
    if shape.tools:
        tools = (TOOL,)
    with ScriptedServer({"default": {"body": body, "status": shape.status, "headers": headers}}) as server:
        address = server.address
        if shape.wire == "openai":
            address = server.base_url
        provider = ProviderConfig(name="p", wire=shape.wire, base_url=address)
        client = HttpClient(ModelConfig(id="m", provider=provider, name="wire-name"))
        return client.ask(ChatRequest(messages=HELLO, tools=tools), timeout_s=5)


def kind_of(read: Reply | CallError) -> str:
    if isinstance(read, CallError):
        return read.kind.value
    return "answer"


def undecodable(read: Reply, shape: Shape) -> bool:
    if not shape.tools:
        return bool(read.undecodable)
    return bool(read.undecodable or read_reply(read, VARIANTS["native_api"]).undecodable)


@pytest.mark.parametrize("shape", ANSWERS, ids=lambda shape: shape.name)
def test_an_answer_is_read(shape: Shape) -> None:
    expected = shape.expected
    assert isinstance(expected, Answer)
    read = ask(shape)
    assert isinstance(read, Reply), read
    assert (undecodable(read, shape), (read.tokens_in, read.tokens_out)) == (expected.undecodable, expected.tokens)
    assert expected.text in (None, read.text)
    if not expected.undecodable:
        assert read.tool_calls == expected.calls
    assert {name: getattr(read, name, MISSING) for name in expected.fields} == dict(expected.fields)


@pytest.mark.parametrize("shape", FAILURES, ids=lambda shape: shape.name)
def test_a_failure_is_no_answer(shape: Shape) -> None:
    expected = shape.expected
    assert isinstance(expected, Failure)
    read = ask(shape)
    assert kind_of(read) == expected.kind, read
    assert isinstance(read, CallError)
    if expected.wait_s is not None:
        assert read.retry_after_s == pytest.approx(expected.wait_s, abs=expected.within_s)
    assert expected.retried in (None, read.kind in TRANSIENT)


def test_shapes_are_many_and_distinct() -> None:
    assert len(SHAPES) >= 90
    assert len({shape.name for shape in SHAPES}) == len(SHAPES)
    assert len(PROVIDERS) >= 22
    assert all(shape.source for shape in SHAPES)
