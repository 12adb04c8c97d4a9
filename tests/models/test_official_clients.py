"""The official clients of the three formats work against the scripted server, streamed and unstreamed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any, NamedTuple, Protocol

import anthropic
import httpx
import httpx2
import ollama
import openai
import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_selfopt.models.scripted import Script, ScriptedServer, Then
from pytest_selfopt.models.scripted.connection import TRICKLE_S

MESSAGES: Any = [{"role": "user", "content": "What is the weather in Paris and in Rome?"}]
PARAMETERS = {"type": "object", "properties": {"city": {"type": "string"}}}
TOOL: Any = {"name": "get_weather", "description": "d", "parameters": PARAMETERS}
CALLS: list[dict[str, Any]] = [
    {"name": "get_weather", "arguments": {"city": "Paris", "days": [1, 2.5, None]}},
    {"name": "get_weather", "arguments": {}},
]
BROKEN = (
    openai.APIConnectionError,
    anthropic.APIConnectionError,
    httpx.RemoteProtocolError,
    # Anthropic's client wraps only what fails before the stream begins.
    httpx2.RemoteProtocolError,
)


class Answer(NamedTuple):
    """What a client made of an answer."""

    text: str
    finish: str | None
    tokens: tuple[int | None, int | None]
    calls: list[dict[str, Any]]


class Client(Protocol):
    """An official client."""

    def ask(self, *, tools: bool = False) -> Answer: ...

    def stream(self, *, tools: bool = False) -> Answer: ...

    def close(self) -> None: ...


class OpenAIClient:
    def __init__(self, server: ScriptedServer) -> None:
        self.client = openai.OpenAI(base_url=server.base_url, api_key="key", max_retries=0)

    def close(self) -> None:
        self.client.close()

    def ask(self, *, tools: bool = False) -> Answer:
        return self._read(self.client.chat.completions.create(**self._request(tools=tools)))

    def stream(self, *, tools: bool = False) -> Answer:
        request = {**self._request(tools=tools), "stream_options": {"include_usage": True}}
        with self.client.chat.completions.stream(**request) as stream:
            return self._read(stream.get_final_completion())

    def _request(self, *, tools: bool) -> dict[str, Any]:
        request: dict[str, Any] = {"model": "m", "messages": MESSAGES}
        if tools:
            request["tools"] = [{"type": "function", "function": TOOL}]
        return request

    def _read(self, completion: Any) -> Answer:
        (choice,) = completion.choices
        usage = completion.usage
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
        calls = [
            {"name": call.function.name, "arguments": json.loads(call.function.arguments)}
            for call in choice.message.tool_calls or ()
        ]
        tokens = (usage.prompt_tokens, usage.completion_tokens)
        return Answer(choice.message.content or "", choice.finish_reason, tokens, calls)


class AnthropicClient:
    def __init__(self, server: ScriptedServer) -> None:
        self.client = anthropic.Anthropic(base_url=server.address, api_key="key", max_retries=0)

    def close(self) -> None:
        self.client.close()

    def ask(self, *, tools: bool = False) -> Answer:
        return self._read(self.client.messages.create(**self._request(tools=tools)))

    def stream(self, *, tools: bool = False) -> Answer:
        with self.client.messages.stream(**self._request(tools=tools)) as stream:
            return self._read(stream.get_final_message())

    def _request(self, *, tools: bool) -> dict[str, Any]:
        request: dict[str, Any] = {"model": "m", "messages": MESSAGES, "max_tokens": 64}
        if tools:
            request["tools"] = [{"name": "get_weather", "input_schema": PARAMETERS}]
        return request

    def _read(self, message: Any) -> Answer:
        texts = [block.text for block in message.content if block.type == "text"]
        calls = [
            {"name": block.name, "arguments": block.input} for block in message.content if block.type == "tool_use"
        ]
        tokens = (message.usage.input_tokens, message.usage.output_tokens)
        return Answer("".join(texts), message.stop_reason, tokens, calls)


class OllamaClient:
    def __init__(self, server: ScriptedServer) -> None:
        self.client = ollama.Client(server.address)

    def close(self) -> None:
        self.client.close()  # type: ignore[no-untyped-call]

    def ask(self, *, tools: bool = False) -> Answer:
        return self._read([self.client.chat("m", MESSAGES, tools=self._tools(tools=tools))])

    def stream(self, *, tools: bool = False) -> Answer:
        return self._read(list(self.client.chat("m", MESSAGES, tools=self._tools(tools=tools), stream=True)))

    def _tools(self, *, tools: bool) -> Any:
        if not tools:
            return None
        return [{"type": "function", "function": TOOL}]

    def _read(self, parts: list[ollama.ChatResponse]) -> Answer:
        last = parts[-1]
        assert [part.done for part in parts] == [False] * (len(parts) - 1) + [True]
        text = "".join(part.message.content or "" for part in parts)
        calls = [
            {"name": call.function.name, "arguments": dict(call.function.arguments)}
            for part in parts
            for call in part.message.tool_calls or ()
        ]
        return Answer(text, last.done_reason, (last.prompt_eval_count, last.eval_count), calls)


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer({}) as server:
        yield server


@pytest.fixture(scope="module")
def openai_client(server: ScriptedServer) -> Iterator[OpenAIClient]:
    with closing(OpenAIClient(server)) as client:
        yield client


@pytest.fixture(scope="module")
def anthropic_client(server: ScriptedServer) -> Iterator[AnthropicClient]:
    with closing(AnthropicClient(server)) as client:
        yield client


@pytest.fixture(scope="module")
def ollama_client(server: ScriptedServer) -> Iterator[OllamaClient]:
    with closing(OllamaClient(server)) as client:
        yield client


@pytest.fixture(params=["openai", "anthropic", "ollama"])
def client(request: pytest.FixtureRequest) -> Client:
    client: Client = request.getfixturevalue(f"{request.param}_client")
    return client


def test_a_rule_decides_finish_and_usage(server: ScriptedServer, client: Client) -> None:
    members = ("completion_tokens", "output_tokens", "eval_count")
    then = {"text": "It is", "finish": "abort", "usage": dict.fromkeys(members, 64)}
    server.play({"default": then})
    answer = client.ask()
    assert (answer.text, answer.finish, answer.calls) == ("It is", "abort", [])
    assert answer.tokens == (len(MESSAGES[0]["content"]) // 4, 64)
    assert client.stream() == answer


@given(text=st.text())
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_streamed_text_equals_the_unstreamed(server: ScriptedServer, client: Client, text: str) -> None:
    server.play(Script(default=Then(text=text)))
    answer = client.ask()
    assert answer.text == text
    assert client.stream() == answer


def test_calls_arrive_streamed_and_unstreamed(server: ScriptedServer, client: Client) -> None:
    server.play({"default": {"calls": CALLS}})
    answer = client.ask(tools=True)
    assert (answer.text, answer.calls) == ("", CALLS)
    assert client.stream(tools=True) == answer


def test_a_refusal_arrives_streamed_and_unstreamed(server: ScriptedServer, openai_client: OpenAIClient) -> None:
    server.play({"default": {"refusal": "I will not say that."}})
    create = openai_client.client.chat.completions.create
    answer = create(model="m", messages=MESSAGES)
    chunks = list(create(model="m", messages=MESSAGES, stream=True))
    assert answer.choices[0].message.refusal == "I will not say that."
    assert "".join(chunk.choices[0].delta.refusal or "" for chunk in chunks) == "I will not say that."
    assert all(chunk.usage is None for chunk in chunks)


def test_openai_lists_models(server: ScriptedServer, openai_client: OpenAIClient) -> None:
    server.play({"models": ["org/one", "two"], "digests": {"two": "sha", "three": "sha"}, "owned_by": "vllm"})
    openai_client.ask()
    models = openai_client.client.models
    listed = list(models.list())
    assert [model.id for model in listed] == ["org/one", "two", "three", "m"]
    assert {model.owned_by for model in listed} == {"vllm"}
    assert models.retrieve("org/one") == listed[0]
    with pytest.raises(openai.NotFoundError, match="model 'four' not found"):
        models.retrieve("four")


def test_anthropic_lists_models(server: ScriptedServer, anthropic_client: AnthropicClient) -> None:
    server.play({})
    models = anthropic_client.client.models
    assert list(models.list()) == []
    server.play({"models": ["one", "two"]})
    listed = list(models.list())
    assert [(model.id, model.display_name, model.type) for model in listed] == [
        ("one", "one", "model"),
        ("two", "two", "model"),
    ]
    assert models.retrieve("one") == listed[0]
    with pytest.raises(anthropic.NotFoundError) as refused:
        models.retrieve("four")
    assert refused.value.type == "not_found_error"


def test_ollama_lists_and_shows_models(server: ScriptedServer, ollama_client: OllamaClient) -> None:
    server.play({"digests": {"one": "sha256:1"}})
    ollama_client.ask()
    listed = ollama_client.client.list().models
    assert [(model.model, model.digest) for model in listed] == [("one", "sha256:1"), ("m", None)]
    assert ollama_client.client.show("any").capabilities == ["completion", "tools"]
    assert requests.get(f"{server.address}/api/version", timeout=5).json() == {"version": "1.0.0"}
    server.play({"models": ["one"]})
    with pytest.raises(ollama.ResponseError, match="model 'any' not found") as refused:
        ollama_client.client.show("any")
    assert refused.value.status_code == 404


RATE_LIMITED = {
    "status": 429,
    "message": "Slow down.",
    "retry_after": 7,
    "headers": {"x-request-id": "r", "request-id": "r"},
}


def test_openai_recognises_a_rate_limit(server: ScriptedServer, openai_client: OpenAIClient) -> None:
    server.play({"default": RATE_LIMITED})
    for call in (openai_client.ask, openai_client.stream):
        with pytest.raises(openai.RateLimitError, match=r"Slow down\.") as refused:
            call()
        error = refused.value
        assert (error.code, error.request_id, error.response.headers["retry-after"]) == ("429", "r", "7")


def test_anthropic_recognises_a_rate_limit(server: ScriptedServer, anthropic_client: AnthropicClient) -> None:
    server.play({"default": RATE_LIMITED})
    for call in (anthropic_client.ask, anthropic_client.stream):
        with pytest.raises(anthropic.RateLimitError) as refused:
            call()
        error = refused.value
        assert (error.type, error.api_message, error.request_id) == ("rate_limit_error", "Slow down.", "r")
        assert error.response.headers["retry-after"] == "7"


def test_ollama_recognises_a_rate_limit(server: ScriptedServer, ollama_client: OllamaClient) -> None:
    server.play({"default": RATE_LIMITED})
    for call in (ollama_client.ask, ollama_client.stream):
        with pytest.raises(ollama.ResponseError) as refused:
            call()
        assert (refused.value.error, refused.value.status_code) == ("Slow down.", 429)


@pytest.mark.parametrize("failure", [{"truncate": 300}, {"drop": True}], ids=["truncate", "drop"])
def test_a_broken_stream_is_no_answer(server: ScriptedServer, client: Client, failure: dict[str, Any]) -> None:
    server.play({"default": {"text": "It is sunny in both.", **failure}})
    with pytest.raises(BROKEN):
        client.stream()
    server.play({"default": {"text": "It is sunny in both."}})
    assert client.stream().text == "It is sunny in both."


def test_a_trickling_stream_arrives_event_by_event(server: ScriptedServer, ollama_client: OllamaClient) -> None:
    server.play({"default": {"text": "Sunny", "trickle": True}})
    began = time.monotonic()
    parts = list(ollama_client.client.chat("m", MESSAGES, stream=True))
    took_s = time.monotonic() - began
    # Byte by byte it would take twenty seconds.
    assert TRICKLE_S * len(parts) <= took_s < 5


def test_a_body_can_break_a_stream(server: ScriptedServer, openai_client: OpenAIClient) -> None:
    error = {"error": {"message": "The provider failed.", "code": 502}}
    server.play(
        {"default": {"body": f"data: {json.dumps(error)}\n\n", "headers": {"Content-Type": "text/event-stream"}}}
    )
    with pytest.raises(openai.APIError, match="The provider failed"):
        openai_client.stream()
