"""What isolates calls, by what a server says of itself; and addresses with a query."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_selfopt.bench.tools import Message
from pytest_selfopt.models.caches.isolation import Isolation
from pytest_selfopt.models.client import HttpClient
from pytest_selfopt.models.config import PROVIDERS, ModelConfig, ProviderConfig
from pytest_selfopt.models.scripted import ScriptedServer
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.trial import Reply

HELLO = ChatRequest(messages=(Message(role="user", content="Hello"),), fresh=True)


def client(base_url: str, **change: Any) -> HttpClient:
    provider = ProviderConfig(name="p", wire="openai", base_url=base_url)
    return HttpClient(ModelConfig(id="m", provider=provider, name="m", **change))


def test_a_server_with_a_switch_is_told() -> None:
    with ScriptedServer({"owned_by": "llamacpp", "models": ["m"]}) as server:
        asking = client(server.base_url)
        asking.ask(HELLO, timeout_s=5)
        assert server.seen.requests[0]["cache_prompt"] is False
    assert asking.isolation_gap == ""
    assert asking.isolation.startswith("i1 isolates: llama.cpp")


def test_each_call_has_a_salt_of_its_own() -> None:
    with ScriptedServer({"owned_by": "vllm", "models": ["m"]}) as server:
        asking = client(server.base_url)
        for _ in range(2):
            asking.ask(HELLO, timeout_s=5)
        first, second = (request["cache_salt"] for request in server.seen.requests)
    assert first
    assert first != second


def test_a_server_without_a_switch_is_named() -> None:
    with ScriptedServer({"models": ["m"]}) as server:
        asking = client(server.base_url)
        asking.ask(HELLO, timeout_s=5)
        assert server.seen.requests[0].keys() == {"model", "messages", "temperature", "max_tokens"}
    assert asking.isolation_gap.startswith("i1 means no more than a connection of its own")


@pytest.mark.parametrize(("name", "sentence"), [("anthropic", "isolates"), ("openai", "means"), ("ollama", "means")])
def test_providers_are_known_without_asking(name: str, sentence: str) -> None:
    provider = PROVIDERS[name]
    isolation = Isolation(ModelConfig(id="m", provider=provider, name="m"), provider.base_url)
    assert isolation.members("key") == {}
    assert isolation.sentence.startswith(f"i1 {sentence}")


def test_a_query_stays_behind_the_path() -> None:
    with ScriptedServer({"default": {"text": "Hi."}}) as server:
        reply = client(f"{server.address}/openai/deployments/d?api-version=2026-01-01").ask(HELLO, timeout_s=5)
        assert server.seen.asked == 1
    assert isinstance(reply, Reply)
