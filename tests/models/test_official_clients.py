"""The official clients of the three formats work against the scripted server, streamed and unstreamed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_selfopt.models.scripted import Script, ScriptedServer, Then
from pytest_selfopt.models.scripted.connection import TRICKLE_S, Connection

if TYPE_CHECKING:
    from tests.models.official_clients import AnthropicClient, Client, OllamaClient, OpenAIClient

CALLS: list[dict[str, Any]] = [
    {"name": "get_weather", "arguments": {"city": "Paris", "days": [1, 2.5, None]}},
    {"name": "get_weather", "arguments": {}},
]


@pytest.fixture(scope="module")
def server() -> Iterator[ScriptedServer]:
    with ScriptedServer({}) as server:
        yield server


@pytest.fixture(scope="module")
def openai_client(server: ScriptedServer) -> Iterator[OpenAIClient]:
    from tests.models.official_clients import OpenAIClient

    with closing(OpenAIClient(server)) as client:
        yield client


@pytest.fixture(scope="module")
def anthropic_client(server: ScriptedServer) -> Iterator[AnthropicClient]:
    from tests.models.official_clients import AnthropicClient

    with closing(AnthropicClient(server)) as client:
        yield client


@pytest.fixture(scope="module")
def ollama_client(server: ScriptedServer) -> Iterator[OllamaClient]:
    from tests.models.official_clients import OllamaClient

    with closing(OllamaClient(server)) as client:
        yield client


@pytest.fixture(params=["openai", "anthropic", "ollama"])
def client(request: pytest.FixtureRequest) -> Client:
    client: Client = request.getfixturevalue(f"{request.param}_client")
    return client


def test_a_rule_decides_finish_and_usage(server: ScriptedServer, client: Client) -> None:
    from tests.models.official_clients import MESSAGES

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
    from tests.models.official_clients import MESSAGES

    server.play({"default": {"refusal": "I will not say that."}})
    create = openai_client.client.chat.completions.create
    answer = create(model="m", messages=MESSAGES)
    chunks = list(create(model="m", messages=MESSAGES, stream=True))
    assert answer.choices[0].message.refusal == "I will not say that."
    assert "".join(chunk.choices[0].delta.refusal or "" for chunk in chunks) == "I will not say that."
    assert all(chunk.usage is None for chunk in chunks)


def test_openai_lists_models(server: ScriptedServer, openai_client: OpenAIClient) -> None:
    import openai

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
    import anthropic

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
    import ollama

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
    import openai

    server.play({"default": RATE_LIMITED})
    for call in (openai_client.ask, openai_client.stream):
        with pytest.raises(openai.RateLimitError, match=r"Slow down\.") as refused:
            call()
        error = refused.value
        assert (error.code, error.request_id, error.response.headers["retry-after"]) == ("429", "r", "7")


def test_anthropic_recognises_a_rate_limit(server: ScriptedServer, anthropic_client: AnthropicClient) -> None:
    import anthropic

    server.play({"default": RATE_LIMITED})
    for call in (anthropic_client.ask, anthropic_client.stream):
        with pytest.raises(anthropic.RateLimitError) as refused:
            call()
        error = refused.value
        assert (error.type, error.api_message, error.request_id) == ("rate_limit_error", "Slow down.", "r")
        assert error.response.headers["retry-after"] == "7"


def test_ollama_recognises_a_rate_limit(server: ScriptedServer, ollama_client: OllamaClient) -> None:
    import ollama

    server.play({"default": RATE_LIMITED})
    for call in (ollama_client.ask, ollama_client.stream):
        with pytest.raises(ollama.ResponseError) as refused:
            call()
        assert (refused.value.error, refused.value.status_code) == ("Slow down.", 429)


@pytest.mark.parametrize("failure", [{"truncate": 300}, {"drop": True}], ids=["truncate", "drop"])
def test_a_broken_stream_is_no_answer(server: ScriptedServer, client: Client, failure: dict[str, Any]) -> None:
    from tests.models.official_clients import BROKEN

    server.play({"default": {"text": "It is sunny in both.", **failure}})
    with pytest.raises(BROKEN):
        client.stream()
    server.play({"default": {"text": "It is sunny in both."}})
    assert client.stream().text == "It is sunny in both."


def test_a_trickling_stream_arrives_event_by_event(
    server: ScriptedServer, ollama_client: OllamaClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.models.official_clients import MESSAGES

    packets: list[object] = []
    trickle = Connection._trickle

    def counted(self: Connection, then: Then, rest: Iterator[bytes]) -> None:
        packets.append(self)
        trickle(self, then, rest)

    monkeypatch.setattr(Connection, "_trickle", counted)
    server.play({"default": {"text": "Sunny", "trickle": True}})
    began = time.monotonic()
    parts = list(ollama_client.client.chat("m", MESSAGES, stream=True))
    assert TRICKLE_S * len(parts) <= time.monotonic() - began
    # Byte by byte there would be hundreds.
    assert len(packets) < 30


def test_a_body_can_break_a_stream(server: ScriptedServer, openai_client: OpenAIClient) -> None:
    import openai

    error = {"error": {"message": "The provider failed.", "code": 502}}
    server.play(
        {"default": {"body": f"data: {json.dumps(error)}\n\n", "headers": {"Content-Type": "text/event-stream"}}}
    )
    with pytest.raises(openai.APIError, match="The provider failed"):
        openai_client.stream()
