"""Caches of whole answers: what shows a copy, at every gateway that is known, and how calls ask past them."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_selfopt.bench.tools import Message
from pytest_selfopt.models.caches.response_cache import ASK_PAST, hit
from pytest_selfopt.models.client import HttpClient
from pytest_selfopt.models.config import ModelConfig, ProviderConfig, ResponseCache, WireName
from pytest_selfopt.models.cost import cost_of
from pytest_selfopt.models.ollama import OllamaWire
from pytest_selfopt.models.scripted import ScriptedServer
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.trial import Reply
from tests.caching_proxy import Cloudflare, LiteLLM, Style, caching_proxy

HELLO = ChatRequest(messages=(Message(role="user", content="Hello"),))

COPIES: list[tuple[dict[str, str], Any]] = [
    ({"x-litellm-cache-key": "bd59555e", "x-litellm-call-id": "c"}, {}),
    ({"X-OpenRouter-Cache-Status": "HIT"}, {}),
    ({"wandb-cache-status": "hit"}, {}),
    ({"x-wandb-cache": "HIT"}, {}),
    ({"x-llmgateway-cache": "HIT"}, {}),
    ({}, {"metadata": {"cached": True}}),
    ({"x-portkey-cache-status": "HIT"}, {}),
    ({"x-portkey-cache-status": "SEMANTIC HIT"}, {}),
    ({}, {"gptcache": True, "usage": {"prompt_tokens": 0, "completion_tokens": 0}}),
    ({"cf-aig-cache-status": "HIT"}, {}),
    ({"Helicone-Cache": "HIT"}, {}),
    ({"X-Cache-Status": "Hit"}, {}),
    ({"X-Cache": "TCP_HIT from edge"}, {}),
    ({"Cache-Status": "edge; hit; ttl=5"}, {}),
]
ORIGINALS: list[tuple[dict[str, str], Any]] = [
    ({}, {}),
    ({"x-litellm-cache-key": "bd59555e", "x-litellm-response-cost": "0.00012"}, {}),
    ({"x-litellm-response-cost-original": "0.0", "x-litellm-call-id": "c"}, {}),
    ({"x-portkey-cache-status": "DISABLED"}, {}),
    ({"x-portkey-cache-status": "MISS"}, {}),
    ({"cf-aig-cache-status": "MISS"}, {}),
    ({"X-OpenRouter-Cache-Status": "MISS", "X-OpenRouter-Cache-TTL": "300"}, {}),
    ({"x-cache-status": "Bypass"}, {}),
    ({"x-cache": "WHITELISTED"}, {}),
    # Prompts from a provider's cache: the answer is new.
    ({}, {"usage": {"prompt_tokens_details": {"cached_tokens": 1024}, "prompt_cache_hit_tokens": 1024}}),
    ({}, {"usage": {"cache_read_input_tokens": 1024}}),
    ({}, {"timings": {"cache_n": 512}}),
    ({"fireworks-cached-prompt-tokens": "1024"}, {}),
    ({}, {"metadata": {"cached": "no"}}),
    ({}, [True]),
]


@pytest.mark.parametrize(("headers", "value"), COPIES)
def test_a_gateway_says_that_it_copies(headers: dict[str, str], value: Any) -> None:
    assert hit(headers, value)


@pytest.mark.parametrize(("headers", "value"), ORIGINALS)
def test_a_new_answer_is_no_copy(headers: dict[str, str], value: Any) -> None:
    assert hit(headers, value) == ""


def client(base_url: str, *, wire: WireName = "openai", response_cache: ResponseCache = "avoid") -> HttpClient:
    provider = ProviderConfig(name="p", wire=wire, base_url=base_url)
    model = ModelConfig(id="m", provider=provider, name="m", response_cache=response_cache)
    return HttpClient(model)


def copied(asking: HttpClient, times: int) -> list[bool]:
    found: list[bool] = []
    for _ in range(times):
        reply = asking.ask(HELLO, timeout_s=5)
        assert isinstance(reply, Reply)
        found.append(bool(reply.copied))
    return found


@pytest.mark.parametrize("style", [LiteLLM(), Cloudflare()])
def test_calls_ask_past_the_cache(style: Style) -> None:
    """LiteLLM gets its control once it has named itself, and what it had copied until then is asked again."""
    with ScriptedServer({}) as server, caching_proxy(server.base_url, style) as proxy:
        assert copied(client(proxy.base_url, response_cache="allow"), 2) == [False, True]
        assert copied(client(proxy.base_url), 3) == [False, False, False]
        assert proxy.passed_on == 4
        assert not any("cache" in request for request in server.seen.requests)


@pytest.mark.parametrize("wire", ["openai", "anthropic", "ollama"])
def test_every_wire_reads_the_headers(wire: WireName) -> None:
    script = {"default": {"text": "Hello!", "headers": {"x-cache": "HIT"}}}
    with ScriptedServer(script) as server:
        address = server.base_url
        if wire != "openai":
            address = address.removesuffix("/v1")
        assert copied(client(address, wire=wire), 1) == [True]


def test_strangers_get_headers_alone() -> None:
    with ScriptedServer({}) as server:
        copied(client(server.base_url), 2)
        assert "cache" not in server.seen.requests[1]
        assert all(server.seen.headers[1][name.lower()] == text for name, text in ASK_PAST.items())
        copied(client(server.base_url, response_cache="allow"), 1)
        assert not any(name.lower() in server.seen.headers[2] for name in ASK_PAST)


def test_a_copy_costs_nothing() -> None:
    model = ModelConfig(id="m", provider=ProviderConfig(name="p", wire="openai"), name="m", price_in=1e6, price_out=1e6)
    assert cost_of(Reply(tokens_in=1, tokens_out=1), model) == 2
    assert cost_of(Reply(tokens_in=1, tokens_out=1, cost_usd=3.0, copied="x"), model) == 0


@pytest.mark.parametrize(("time", "tells"), [("2026-11-28T10:00:00.123456789Z", True), ("2026-11-28T10:00:00Z", False)])
def test_the_time_of_ollama_stands_for_an_id(time: str, *, tells: bool) -> None:
    found = OllamaWire().reply({"created_at": time, "message": {"content": "Hi"}, "done": True}, 1.0)
    assert isinstance(found, Reply)
    assert found.provider_id == time * tells
