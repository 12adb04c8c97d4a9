"""The ways to the model that are tried, by the server that is asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from tests.performance.real_servers.cycles import Route
from tests.performance.real_servers.servers import (
    BRIDGED,
    DOWN,
    LITELLM,
    OLLAMA_OPENAI_PROXY,
    OLLAMA_PROXY_PLUS,
    PLAIN,
    litellm_proxy,
    llama_version,
    ollama_openai_proxy,
    ollama_proxy_plus,
)

ASKED = "asked"
"""The name under which llama.cpp, which has one model, is asked."""
OUTAGE = "a candidate that is down"


def llama_routes(llama: str) -> list[Route]:
    """Both endpoints of llama.cpp."""
    name = llama_version()
    return [
        Route(server=name, tried="chat/completions", wire="openai", base_url=f"{llama}/v1", model=ASKED),
        Route(server=name, tried="messages", wire="anthropic", base_url=llama, model=ASKED),
    ]


def litellm_routes(folder: Path, llama: str, running: ExitStack) -> list[Route]:
    """Both endpoints of LiteLLM.

    On its Anthropic endpoint it asks what it has under `openai/` for responses, and others for chat completions.
    """
    address, key = running.enter_context(litellm_proxy(folder, llama))
    chat = Route(server=LITELLM, tried="openai/", wire="openai", base_url=f"{address}/v1", model=PLAIN, key=key)
    messages = replace(chat, wire="anthropic", base_url=address)
    return [
        chat,
        messages,
        replace(messages, tried="hosted_vllm/", model=BRIDGED),
        replace(chat, tried=OUTAGE, down=DOWN),
        replace(messages, tried=OUTAGE, model=BRIDGED, down=DOWN),
    ]


def ollama_routes(folder: Path, llama: str, running: ExitStack) -> list[Route]:
    """Proxies that speak Ollama's API; the program itself is in no package registry."""
    plus = running.enter_context(ollama_proxy_plus(folder, llama))
    other = running.enter_context(ollama_openai_proxy(folder, llama))
    return [
        Route(
            server=OLLAMA_PROXY_PLUS,
            tried="it throws calls away",
            wire="ollama",
            base_url=plus,
            model=f"desk/{ASKED}",
            calls=False,
        ),
        Route(server=OLLAMA_OPENAI_PROXY, tried="calls", wire="ollama", base_url=other, model=ASKED),
    ]


PROXIES: Mapping[str, Callable[[Path, str, ExitStack], list[Route]]] = {
    "litellm": litellm_routes,
    "ollama": ollama_routes,
}
"""What is started in front of llama.cpp, until the given stack is closed."""
