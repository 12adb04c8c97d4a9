"""Single questions to a real server by the product's own client, and what they come to in words."""

from __future__ import annotations

import json

from pytest_selfopt.bench.tools import Message
from pytest_selfopt.models.client import HttpClient
from pytest_selfopt.models.config import ModelConfig, ProviderConfig
from pytest_selfopt.specs.request import ChatRequest, Sampling
from pytest_selfopt.trial import CallError, Json, Reply
from tests.performance.real_servers.cycles import Route, suite_lines

TIMEOUT_S = 60.0
CUT_TOKENS = 20
"""So many tokens end in the middle of a call."""


def ask(route: Route, *, max_tokens: int, model: str = "") -> Reply | CallError:
    """Ask for a tool call through a route; the route's key has to be in its environment variable."""
    provider = ProviderConfig(name="real", wire=route.wire, base_url=route.base_url, api_key_env=route.key_variable)
    config = ModelConfig(id="real/model", provider=provider, name=model or route.model)
    request = ChatRequest(
        messages=(Message(role="user", content="Play some jazz."),),
        tools=tuple(_tools()),
        sampling=Sampling(max_tokens=max_tokens),
    )
    return HttpClient(config).ask(request, timeout_s=TIMEOUT_S)


def _tools() -> list[dict[str, Json]]:
    entries = map(json.loads, suite_lines())
    return [entry["tool"] for entry in entries if "tool" in entry]


def describe(result: Reply | CallError) -> str:
    """Say what the product takes an answer for."""
    if isinstance(result, CallError):
        return f"{result.kind}: {result.message}"
    if result.tool_calls:
        call = result.tool_calls[0]
        return f"the call {call.name}({json.dumps(call.arguments)}), finish reason {result.finish_reason}"
    if result.undecodable:
        return f"undecodable: {result.undecodable}"
    return f"the text {result.text!r}, finish reason {result.finish_reason}"
