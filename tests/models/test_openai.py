"""The OpenAI-compatible client over real HTTP: every kind of trouble has its name, and time is kept."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.bench.tools import Message
from pytest_selfopt.errors import ModelError
from pytest_selfopt.models.client import HttpClient
from pytest_selfopt.models.config import ModelConfig, ProviderConfig
from pytest_selfopt.models.http import MAX_REPLY_BYTES, HttpReply
from pytest_selfopt.models.openai import OpenAIWire
from pytest_selfopt.models.scripted import ScriptedServer
from pytest_selfopt.models.waits import retry_after
from pytest_selfopt.models.wire_format import Sent, read_answer
from pytest_selfopt.redaction.redactor import Redactor
from pytest_selfopt.specs.request import ChatRequest, Sampling
from pytest_selfopt.trial import CallError, ErrorKind, Reply, ToolCall

REQUEST = ChatRequest(messages=(Message(role="user", content="Hello"),))
GOOD: dict[str, Any] = {
    "id": "x-1",
    "model": "served",
    "choices": [{"message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 3}},
}


def config(base_url: str, api_key_env: str | None = None) -> ModelConfig:
    provider = ProviderConfig(name="p", wire="openai", base_url=base_url, api_key_env=api_key_env)
    return ModelConfig(id="m", provider=provider, name="wire-name")


def ask(then: dict[str, Any], *, timeout_s: float = 5.0, request: ChatRequest = REQUEST) -> Reply | CallError:
    with ScriptedServer({"default": then}) as server:
        return HttpClient(config(server.base_url)).ask(request, timeout_s=timeout_s)


def read(status: int, body: bytes) -> Reply | CallError:
    answer = HttpReply(status=status, headers={}, body=body)
    return read_answer(OpenAIWire(), answer, Sent(redactor=Redactor(()), latency_s=1.0, at=0.0, sampling={}))


def test_a_request_says_what_was_asked() -> None:
    request = ChatRequest(
        messages=REQUEST.messages,
        tools=({"name": "f", "description": "d", "parameters": {}},),
        answer_schema={"type": "object"},
        sampling=Sampling(temperature=0.5, max_tokens=7, top_p=0.9, seed=3),
    )
    with ScriptedServer({}) as server:
        HttpClient(config(server.base_url)).ask(request, timeout_s=5)
        (seen,) = server.seen.requests
    assert seen == {
        "model": "wire-name",
        "messages": [{"role": "user", "content": "Hello"}],
        "temperature": 0.5,
        "max_tokens": 7,
        "top_p": 0.9,
        "seed": 3,
        "tools": [{"type": "function", "function": {"name": "f", "description": "d", "parameters": {}}}],
        "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": {"type": "object"}}},
    }


def test_a_reply_is_read_whole() -> None:
    reply = ask({"body": json.dumps(GOOD)})
    assert isinstance(reply, Reply)
    assert (reply.text, reply.finish_reason, reply.served_model, reply.provider_id) == ("Hi.", "stop", "served", "x-1")
    assert (reply.tokens_in, reply.tokens_out, reply.tokens_cached) == (5, 2, 3)
    assert reply.latency_s > 0


@pytest.mark.parametrize("error", [None, "", {}, {"code": 0, "message": ""}])
def test_an_empty_error_is_none(error: Any) -> None:
    assert isinstance(ask({"body": json.dumps({**GOOD, "error": error})}), Reply)


def test_a_native_tool_call_is_read() -> None:
    request = ChatRequest(messages=REQUEST.messages, tools=({"name": "f"},))
    reply = ask({"call": {"name": "f", "arguments": {"x": [1]}}}, request=request)
    assert isinstance(reply, Reply)
    assert reply.tool_calls == (ToolCall(name="f", arguments={"x": [1]}),)


@pytest.mark.parametrize("arguments", [None, "", "null", " {} ", {}])
def test_missing_arguments_are_an_empty_object(arguments: object) -> None:
    message = {"content": None, "tool_calls": [{"function": {"name": "f", "arguments": arguments}}]}
    reply = ask({"body": json.dumps({"choices": [{"message": message}]})})
    assert isinstance(reply, Reply)
    assert reply.tool_calls == (ToolCall(name="f", arguments={}),)


@pytest.mark.parametrize("arguments", ["{", "[1]", "NaN", '{"x": NaN}'])
def test_broken_arguments_are_the_models_doing(arguments: str) -> None:
    message = {"content": None, "tool_calls": [{"function": {"name": "f", "arguments": arguments}}]}
    reply = ask({"body": json.dumps({"choices": [{"message": message}]})})
    assert isinstance(reply, Reply)
    assert reply.tool_calls == ()
    assert reply.undecodable.startswith("calls f with arguments that are")


@pytest.mark.parametrize(
    ("then", "kind", "message"),
    [
        ({"status": 401, "message": "no such key"}, ErrorKind.AUTH, "HTTP status 401: no such key"),
        ({"status": 403}, ErrorKind.AUTH, "HTTP status 403"),
        ({"status": 404}, ErrorKind.REQUEST, "HTTP status 404"),
        ({"status": 422}, ErrorKind.REQUEST, "HTTP status 422"),
        ({"status": 302}, ErrorKind.REQUEST, "HTTP status 302"),
        ({"status": 429}, ErrorKind.RATE_LIMIT, "HTTP status 429"),
        ({"status": 500}, ErrorKind.SERVER, "HTTP status 500"),
        ({"status": 504}, ErrorKind.TIMEOUT, "HTTP status 504"),
        ({"body": "<html>Bad gateway</html>"}, ErrorKind.MALFORMED, "the reply is not JSON: <html>Bad gateway</html>"),
        ({"body": ""}, ErrorKind.MALFORMED, "the reply is not JSON: (empty)"),
        ({"body": "{}"}, ErrorKind.MALFORMED, "the reply is without choices"),
        ({"body": '{"choices": []}'}, ErrorKind.MALFORMED, "the reply is without choices"),
        ({"body": '{"choices": [{"message": {"content": 3}}]}'}, ErrorKind.MALFORMED, "content should be a str"),
        ({"body": '{"choices": NaN}'}, ErrorKind.MALFORMED, "NaN is not a JSON number"),
        ({"body": "[" * 100_000}, ErrorKind.MALFORMED, "the reply is "),
        ({"drop": True}, ErrorKind.CONNECTION, ""),
        ({"body": "x" * (MAX_REPLY_BYTES + 1)}, ErrorKind.MALFORMED, "longer than 8 MiB"),
        (
            {"body": '{"choices": [{"message": {}, "finish_reason": "content_filter"}]}'},
            ErrorKind.REFUSED,
            "content filter",
        ),
    ],
)
def test_every_error_has_name_and_sentence(then: dict[str, Any], kind: ErrorKind, message: str) -> None:
    error = ask(then)
    assert isinstance(error, CallError)
    assert error.kind is kind
    assert message in error.message
    assert len(error.message) < 300
    assert error.message.isprintable()


@pytest.mark.parametrize("handled", [None, StopIteration(), OSError(28, "No space left on device")])
def test_a_server_that_is_not_there(handled: Exception | None) -> None:
    client = HttpClient(config("http://127.0.0.1:9/v1"))
    try:
        if handled:
            raise handled
        error = client.ask(REQUEST, timeout_s=5)
    except (StopIteration, OSError):
        error = client.ask(REQUEST, timeout_s=5)
    assert error == CallError(kind=ErrorKind.CONNECTION, message="cannot connect: Connection refused")


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    "then", [{"hang": True}, {"trickle": True, "text": "never ends" * 1_000}, {"latency": 600, "text": "late"}]
)
def test_a_deadline_ends_trickling_responses(then: dict[str, Any]) -> None:
    began = time.monotonic()
    error = ask(then, timeout_s=0.4)
    assert isinstance(error, CallError)
    assert error.kind is ErrorKind.TIMEOUT
    assert error.message == "no complete reply within 0.4 s"
    assert time.monotonic() - began > 0.35


def test_an_old_deadline_spares_a_reused_connection() -> None:
    with ScriptedServer({"default": {"text": "ok"}, "latency": 0.0}) as server:
        client = HttpClient(config(server.base_url))
        assert isinstance(client.ask(REQUEST, timeout_s=0.3), Reply)
        server.script = replace(server.script, latency=0.6)
        assert isinstance(client.ask(REQUEST, timeout_s=5), Reply)


def test_a_fresh_request_opens_a_new_connection() -> None:
    with ScriptedServer({}) as server:
        client = HttpClient(config(server.base_url))
        for fresh in (False, False, True, True):
            client.ask(ChatRequest(messages=REQUEST.messages, fresh=fresh), timeout_s=5)
        # Two connections of their own, one for the others, and one to ask whose server it is.
        assert server.seen.connections == 4


def test_a_key_appears_only_in_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_KEY", "sk-planted-123")
    with ScriptedServer({"default": {"status": 401, "message": "wrong key sk-planted-123"}}) as server:
        client = HttpClient(config(server.base_url, api_key_env="SECRET_KEY"))
        error = client.ask(REQUEST, timeout_s=5)
        assert server.seen.headers[0]["authorization"] == "Bearer sk-planted-123"
    assert isinstance(error, CallError)
    assert error.message == "HTTP status 401: wrong key [key]"
    assert "planted" not in repr(client) + repr(vars(client))


def test_a_missing_key_prevents_the_call(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SECRET_KEY", raising=False)
    with ScriptedServer({}) as server:
        error = HttpClient(config(server.base_url, api_key_env="SECRET_KEY")).ask(REQUEST, timeout_s=5)
        assert server.seen.requests == []
    assert error == CallError(kind=ErrorKind.AUTH, message="the environment variable SECRET_KEY is not set")


@pytest.mark.parametrize("url", ["ftp://x", "http://", "http://user:pass@host/v1", "host:80"])
def test_an_unusable_address_is_refused(url: str) -> None:
    with pytest.raises(ModelError, match="base_url must"):
        HttpClient(config(url))


@pytest.mark.parametrize(
    ("header", "seconds"),
    [("2", 2.0), ("0.5", 0.5), ("-3", 0.0), ("Thu, 01 Jan 1970 00:01:40 GMT", 10.0), ("soon", None), (None, None)],
)
def test_retry_after_is_seconds_or_date(header: str | None, seconds: float | None) -> None:
    assert retry_after(header, now=90.0) == seconds


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


@given(st.sampled_from(["id", "model", "choices", "usage", "timings"]), JSON)
def test_any_response_is_a_reply_or_error(field: str, value: Any) -> None:
    assert isinstance(read(200, json.dumps({**GOOD, field: value}).encode()), Reply | CallError)


@given(st.binary(max_size=200), st.integers(200, 599))
def test_any_bytes_are_a_reply_or_error(body: bytes, status: int) -> None:
    assert isinstance(read(status, body), Reply | CallError)
