"""The Ollama and Anthropic formats over real HTTP, and what all formats have in common."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.bench.tools import Message
from pytest_selfopt.errors import ModelError
from pytest_selfopt.models.anthropic import AnthropicWire
from pytest_selfopt.models.client import HttpClient
from pytest_selfopt.models.config import ModelConfig, ProviderConfig, WireName
from pytest_selfopt.models.http import HttpReply
from pytest_selfopt.models.ollama import OllamaWire
from pytest_selfopt.models.openai import OpenAIWire
from pytest_selfopt.models.scripted import ScriptedServer
from pytest_selfopt.models.wire_format import Sent, Wire, read_answer
from pytest_selfopt.redaction.redactor import Redactor
from pytest_selfopt.specs.request import ChatRequest, Sampling
from pytest_selfopt.trial import CallError, ErrorKind, Reply, ToolCall
from tests.bench.hostile import damaged

HELLO = ChatRequest(messages=(Message(role="user", content="Hello"),))
TOOL: dict[str, Any] = {"name": "f", "description": "d", "parameters": {"type": "object"}}
RICH = ChatRequest(
    messages=(Message(role="system", content="Be brief."), Message(role="user", content="Hello")),
    tools=(TOOL,),
    answer_schema={"type": "object", "properties": {"a": {"type": "string", "maxLength": 5}}},
    sampling=Sampling(temperature=0.5, max_tokens=7, top_p=0.9),
)
WIRES: dict[WireName, Wire] = {"openai": OpenAIWire(), "ollama": OllamaWire(), "anthropic": AnthropicWire()}
OLLAMA: dict[str, Any] = {"model": "served", "done": True, "message": {"role": "assistant", "content": "Hi."}}
ANTHROPIC: dict[str, Any] = {"model": "served", "content": [{"type": "text", "text": "Hi."}]}


def client(server: ScriptedServer, wire: WireName, **change: Any) -> HttpClient:
    address = server.base_url if wire == "openai" else server.address
    provider = ProviderConfig(name="p", wire=wire, base_url=address)
    return HttpClient(ModelConfig(id="m", provider=provider, name="wire-name", **change))


def ask(wire: WireName, then: dict[str, Any], request: ChatRequest = HELLO, **change: Any) -> Reply | CallError:
    with ScriptedServer({"default": then}) as server:
        return client(server, wire, **change).ask(request, timeout_s=5)


def sent(wire: WireName, request: ChatRequest, **change: Any) -> dict[str, Any]:
    with ScriptedServer({}) as server:
        client(server, wire, **change).ask(request, timeout_s=5)
        return server.seen.requests[0]


def read(wire: WireName, value: object) -> Reply | CallError:
    answer = HttpReply(status=200, headers={}, body=json.dumps(value).encode())
    return read_answer(WIRES[wire], answer, Sent(redactor=Redactor(()), latency_s=1.0, at=0.0, sampling={}))


def reply(answer: Reply | CallError) -> Reply:
    assert isinstance(answer, Reply)
    return answer


def test_ollama_requests_are_unstreamed_and_native() -> None:
    assert sent("ollama", RICH, context=4096, keep_alive="30m") == {
        "model": "wire-name",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}],
        "stream": False,
        "options": {"temperature": 0.5, "num_predict": 7, "top_p": 0.9, "num_ctx": 4096},
        "tools": [{"type": "function", "function": TOOL}],
        "format": RICH.answer_schema,
        "keep_alive": "30m",
    }
    assert sent("ollama", HELLO)["options"] == {"temperature": 0.0, "num_predict": 4096}


def test_anthropic_gets_system_text_and_adapted_schema() -> None:
    assert sent("anthropic", RICH) == {
        "model": "wire-name",
        "max_tokens": 7,
        "messages": [{"role": "user", "content": "Hello"}],
        "temperature": 0.5,
        "system": "Be brief.",
        "top_p": 0.9,
        "tools": [{"name": "f", "description": "d", "input_schema": {"type": "object"}}],
        "output_config": {
            "format": {"type": "json_schema", "schema": {"type": "object", "properties": {"a": {"type": "string"}}}}
        },
    }


def test_anthropic_gets_turns_that_alternate() -> None:
    said = [("user", "One."), ("user", "Two."), ("assistant", "Three."), ("user", "Four.")]
    messages = tuple(Message(role=role, content=content) for role, content in said)
    assert sent("anthropic", ChatRequest(messages=messages))["messages"] == [
        {"role": "user", "content": "One.\n\nTwo."},
        {"role": "assistant", "content": "Three."},
        {"role": "user", "content": "Four."},
    ]


@pytest.mark.parametrize(
    ("sampling", "sentence"), [(Sampling(seed=1), "accepts no seed"), (Sampling(temperature=1.5), "up to 1, not 1.5")]
)
def test_an_unsupported_anthropic_request_makes_no_call(sampling: Sampling, sentence: str) -> None:
    with ScriptedServer({}) as server:
        error = client(server, "anthropic").ask(ChatRequest(messages=HELLO.messages, sampling=sampling), timeout_s=5)
        assert server.seen.asked == 0
    assert isinstance(error, CallError)
    assert error.kind is ErrorKind.REQUEST
    assert sentence in error.message


def test_an_ollama_reply_is_read_whole() -> None:
    durations = {"load_duration": 1_500_000_000, "prompt_eval_duration": 250_000_000, "eval_duration": 1}
    found = reply(
        read("ollama", {**OLLAMA, **durations, "done_reason": "stop", "prompt_eval_count": 5, "eval_count": 2})
    )
    assert (found.text, found.finish_reason, found.served_model) == ("Hi.", "stop", "served")
    assert (found.tokens_in, found.tokens_out, found.load_s, found.first_token_s) == (5, 2, 1.5, 1.75)


def test_an_anthropic_reply_is_read_whole() -> None:
    usage = {
        "input_tokens": 5,
        "cache_read_input_tokens": 3,
        "cache_creation_input_tokens": 2,
        "output_tokens": 4,
    }
    content = [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Hi"}, {"type": "text", "text": "."}]
    found = reply(
        read("anthropic", {**ANTHROPIC, "id": "msg_1", "content": content, "stop_reason": "max_tokens", "usage": usage})
    )
    assert (found.text, found.finish_reason, found.provider_id) == ("Hi.", "length", "msg_1")
    assert (found.tokens_in, found.tokens_out, found.tokens_cached) == (10, 4, 3)


@pytest.mark.parametrize("wire", WIRES)
def test_every_format_gives_the_same_reply(wire: WireName) -> None:
    words = reply(ask(wire, {"text": "Hi."}))
    assert (words.text, words.tool_calls, words.served_model) == ("Hi.", (), "wire-name")
    assert words.latency_s > 0
    calls = [{"name": "f", "arguments": {"x": [1]}}, {"name": "f", "arguments": {}}]
    called = reply(ask(wire, {"calls": calls}, ChatRequest(messages=HELLO.messages, tools=(TOOL,))))
    assert called.tool_calls == (ToolCall(name="f", arguments={"x": [1]}), ToolCall(name="f", arguments={}))


@pytest.mark.parametrize("wire", WIRES)
@pytest.mark.parametrize(
    ("then", "kind", "message"),
    [
        ({"status": 401, "message": "no such key"}, ErrorKind.AUTH, "HTTP status 401: no such key"),
        ({"status": 404, "message": "no such model"}, ErrorKind.REQUEST, "HTTP status 404: no such model"),
        ({"status": 429, "retry_after": 2}, ErrorKind.RATE_LIMIT, "HTTP status 429"),
        ({"status": 529, "message": "overloaded"}, ErrorKind.SERVER, "HTTP status 529: overloaded"),
        ({"body": ""}, ErrorKind.MALFORMED, "the reply is not JSON: (empty)"),
        ({"body": "<html>Bad gateway</html>"}, ErrorKind.MALFORMED, "the reply is not JSON: <html>"),
        ({"body": "[]"}, ErrorKind.MALFORMED, "of the wrong shape"),
        ({"body": "{}"}, ErrorKind.MALFORMED, "the reply is without"),
        ({"body": '{"error": "it broke"}'}, ErrorKind.SERVER, "an error in place of an answer: it broke"),
        ({"text": "cut off", "truncate": 20}, ErrorKind.CONNECTION, "broke before the reply was complete"),
        ({"drop": True}, ErrorKind.CONNECTION, ""),
    ],
)
def test_every_format_gives_the_same_error(wire: WireName, then: dict[str, Any], kind: ErrorKind, message: str) -> None:
    error = ask(wire, then)
    assert isinstance(error, CallError)
    assert error.kind is kind
    assert message in error.message
    assert error.retry_after_s == then.get("retry_after")


@pytest.mark.parametrize("wire", ["openai", "anthropic"])
def test_a_refusal_is_no_answer(wire: WireName) -> None:
    refused = ask(wire, {"refusal": "I will not."})
    assert isinstance(refused, CallError)
    assert refused.kind is ErrorKind.REFUSED


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        ("ollama", {**OLLAMA, "done": False}),
        ("ollama", {**OLLAMA, "message": {"tool_calls": [{}]}}),
        ("ollama", {**OLLAMA, "message": {"content": 3}}),
        ("anthropic", {"content": [3]}),
        ("anthropic", {"content": [{"type": "text"}]}),
        ("anthropic", {"content": [{"type": "tool_use"}]}),
    ],
)
def test_a_misshapen_reply_is_malformed(wire: WireName, value: object) -> None:
    error = read(wire, value)
    assert isinstance(error, CallError)
    assert error.kind is ErrorKind.MALFORMED


@pytest.mark.parametrize(
    ("wire", "value"),
    [
        ("ollama", {**OLLAMA, "message": {"tool_calls": [{"function": {"name": "f", "arguments": [1]}}]}}),
        ("anthropic", {"content": [{"type": "tool_use", "name": "f", "input": [1]}]}),
    ],
)
def test_invalid_arguments_are_the_models_mistake(wire: WireName, value: object) -> None:
    assert reply(read(wire, value)).undecodable == "calls f with arguments that are not an object"


@pytest.mark.parametrize("wire", ["anthropic", "ollama"])
def test_a_full_reply_is_cut_off(wire: WireName) -> None:
    limited = ChatRequest(messages=HELLO.messages, sampling=Sampling(max_tokens=3))
    assert reply(ask(wire, {"text": "Twelve chars"}, limited)).finish_reason == "length"
    assert reply(ask(wire, {"text": "Eight ch"}, limited)).finish_reason == "stop"


@pytest.mark.parametrize("wire", WIRES)
def test_half_a_call_is_no_call(wire: WireName) -> None:
    then = {"calls": [{"name": "f", "arguments": {}}], "finish": "max_tokens" if wire == "anthropic" else "length"}
    found = reply(ask(wire, then, ChatRequest(messages=HELLO.messages, tools=(TOOL,))))
    assert found.tool_calls == ()
    assert found.undecodable == "its call was cut off at the limit of 4096 tokens"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = {
    "ollama": ["message", "done", "done_reason", "model", "load_duration", "prompt_eval_duration", "eval_count"],
    "anthropic": ["content", "stop_reason", "usage", "model", "id"],
}


@given(st.sampled_from(["ollama", "anthropic"]), st.data(), JSON)
def test_any_field_value_is_handled(wire: WireName, data: st.DataObject, value: Any) -> None:
    good = OLLAMA if wire == "ollama" else ANTHROPIC
    field = data.draw(st.sampled_from(FIELDS[wire]))
    assert isinstance(read(wire, {**good, field: value}), Reply | CallError)


ARGUMENTS = {"x": 1, "names": ["a"]}
CALLING: dict[WireName, dict[str, Any]] = {
    "openai": {
        "model": "served",
        "choices": [
            {
                "finish_reason": "tool_calls",
                "message": {
                    "content": None,
                    "tool_calls": [
                        {"id": "1", "type": "function", "function": {"name": "f", "arguments": json.dumps(ARGUMENTS)}}
                    ],
                },
            }
        ],
        "usage": {"prompt_tokens": 1, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}},
    },
    "ollama": {
        "done": True,
        "done_reason": "stop",
        "message": {"content": "Hi.", "tool_calls": [{"function": {"name": "f", "arguments": ARGUMENTS}}]},
        "prompt_eval_count": 1,
        "load_duration": 5,
    },
    "anthropic": {
        "content": [
            {"type": "thinking", "thinking": "so", "signature": "s"},
            {"type": "tool_use", "id": "1", "name": "f", "input": ARGUMENTS},
        ],
        "stop_reason": "tool_use",
        "usage": {"input_tokens": 1, "output_tokens": 2},
    },
}


@given(st.sampled_from(list(WIRES)), st.data())
def test_a_damaged_call_is_handled(wire: WireName, data: st.DataObject) -> None:
    assert isinstance(read(wire, data.draw(damaged(CALLING[wire]))), Reply | CallError)


@given(st.sampled_from(list(WIRES)), st.integers(200, 599), st.binary(max_size=60))
def test_any_bytes_are_handled(wire: WireName, status: int, body: bytes) -> None:
    answer = HttpReply(status=status, headers={}, body=body)
    assert isinstance(
        read_answer(WIRES[wire], answer, Sent(redactor=Redactor(["sk-a/b+c"]), latency_s=1.0, at=0.0, sampling={})),
        Reply | CallError,
    )


@pytest.mark.parametrize("status", [200, 401])
@pytest.mark.parametrize("written", ["sk-a/b+c", "sk-a\\/b+c", "sk\\u002da/b\\u002bc"])
def test_a_key_is_redacted_in_any_json_spelling(status: int, written: str) -> None:
    said = f"You sent {written}."
    message = f'{{"role": "assistant", "content": "{said}", "tool_calls": null}}'
    body = f'{{"choices": [{{"message": {message}}}], "error": {{"message": "{said}"}}}}'.encode()
    answer = HttpReply(status=status, headers={}, body=body)
    found = read_answer(OpenAIWire(), answer, Sent(redactor=Redactor(["sk-a/b+c"]), latency_s=1.0, at=0.0, sampling={}))
    shown = found.text if isinstance(found, Reply) else found.message
    assert shown.endswith("You sent [key].")


@pytest.mark.parametrize("key", ["two words", "line\nend", "schlüssel"])
def test_an_unsendable_key_is_refused_unshown(monkeypatch: pytest.MonkeyPatch, key: str) -> None:
    monkeypatch.setenv("ODD_KEY", key)
    provider = ProviderConfig(name="p", wire="anthropic", base_url="http://127.0.0.1:9", api_key_env="ODD_KEY")
    error = HttpClient(ModelConfig(id="m", provider=provider, name="m")).ask(HELLO, timeout_s=1)
    assert isinstance(error, CallError)
    assert error.kind is ErrorKind.AUTH
    assert "ODD_KEY contains characters that no key has" in error.message
    assert key not in error.message


@pytest.mark.parametrize("address", ["", "ftp://x", "http://", "http://user:pass@host", "http://[::1", "127.0.0.1:80"])
def test_an_unusable_address_is_refused(address: str) -> None:
    provider = ProviderConfig(name="p", wire="openai", base_url=address)
    with pytest.raises(ModelError, match=r"^model 'm': base_url"):
        HttpClient(ModelConfig(id="m", provider=provider, name="m"))
