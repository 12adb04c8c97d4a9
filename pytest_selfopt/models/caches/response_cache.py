"""Caches of whole answers, in gateways and proxies: asking past them, and what an answer from one says of itself."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pytest_selfopt.trial import Json

ASK_PAST: Mapping[str, str] = {
    "Cache-Control": "no-cache, no-store",  # HTTP's own: proxies, Kong
    "cf-aig-skip-cache": "true",  # Cloudflare AI Gateway
    "Helicone-Cache-Enabled": "false",
    "x-no-cache": "true",  # LLM Gateway
    "x-portkey-cache-force-refresh": "true",
}
"""Headers that ask for a new answer. A server that does not know one ignores it, so that all may go to any server.

OpenRouter, OpenPipe and W&B cache only what asks for it by a header, so nothing is sent to them.
"""

LITELLM_MEMBER = "cache"
LITELLM_CONTROL: Json = {"no-cache": True, "no-store": True}
"""LiteLLM's control, a member of the body. Only LiteLLM gets it: others refuse it, or switch their cache on by it."""

_LITELLM = "x-litellm-"
_LITELLM_KEY = "x-litellm-cache-key"
_LITELLM_COST = "x-litellm-response-cost"

_STATUSES = (
    "cf-aig-cache-status",  # Cloudflare AI Gateway
    "helicone-cache",
    "x-llmgateway-cache",
    "x-openrouter-cache-status",
    "x-portkey-cache-status",
    "wandb-cache-status",
    "x-wandb-cache",
    "x-cache-status",  # Kong, nginx
    "x-cache",
    "x-proxy-cache",
    "cf-cache-status",
    "cache-status",  # RFC 9211
)
"""Headers that say whether an answer came from a cache."""
_HIT = re.compile(r"(?<![a-z])hit(?![a-z])", re.IGNORECASE)
_SHOWN = 60
"""The most characters of a header's value that are repeated."""


def is_litellm(headers: Mapping[str, str]) -> bool:
    """Whether an answer came through LiteLLM's proxy, which names itself in the headers of every answer."""
    return any(name.lower().startswith(_LITELLM) for name in headers)


def hit(headers: Mapping[str, str], value: Any) -> str:
    """Say by what an answer tells that it came from a cache of answers; empty if it does not tell.

    `value` is its decoded body, of any shape. What providers say of cached prompts is none of it: their answers are
    new, and only the tokens of the prompt were known already.
    """
    known = {name.lower(): text for name, text in headers.items()}
    for name in _STATUSES:
        if _HIT.search(known.get(name, "")):
            return f"header {name}: {_printable(known[name])}"
    # LiteLLM names the key of its entry only with an answer from it, and then no cost.
    if known.get(_LITELLM_KEY) and not _is_positive(known.get(_LITELLM_COST, "")):
        return f"header {_LITELLM_KEY}"
    return _told_in_body(value)


def _told_in_body(value: Any) -> str:
    if not isinstance(value, dict):
        return ""
    if value.get("gptcache") is True:
        return "gptcache: true"
    metadata = value.get("metadata")
    if isinstance(metadata, dict) and metadata.get("cached") is True:
        return "metadata.cached: true"
    return ""


def _is_positive(text: str) -> bool:
    try:
        return float(text) > 0
    except ValueError:
        return False


def _printable(text: str) -> str:
    return "".join(filter(str.isprintable, text))[:_SHOWN]
