"""Answers each line `{configs: [yaml…], names: [[name…]…], calls: [name…]}` with where LiteLLM's own Router sends each.

An answer is a line of JSON, too: `routed`, for each configuration by name the model, address and settings of its entry
(null: the Router knows no such name); `said`, for each call through the first configuration what came back, the name of
an error if nothing did. With `at_once`, all calls are made at once. Not a test: it runs in a process of its own,
because LiteLLM is on no other test's path.
"""

from __future__ import annotations

import asyncio
import importlib
import json
import sys
from typing import Any

import yaml

litellm: Any = importlib.import_module("litellm")
openai: Any = importlib.import_module("openai")
MESSAGES = [{"role": "user", "content": "Hello!"}]
TOLD = ("model", "api_base", "api_key", "timeout", "num_retries", "temperature", "max_parallel_requests")


def router_of(text: str) -> Any:
    config = yaml.safe_load(text)
    return litellm.Router(model_list=config["model_list"], **config["router_settings"])


def routed(router: Any, name: str) -> dict[str, Any] | None:
    try:
        entry = router.get_available_deployment(model=name, messages=MESSAGES)
    except litellm.BadRequestError:
        return None
    return {key: entry["litellm_params"].get(key) for key in TOLD}


async def said(router: Any, name: str) -> str:
    try:
        answer = await router.acompletion(model=name, messages=MESSAGES)
    except (openai.APIError, ValueError) as error:  # The Router's own refusals are ValueErrors.
        return type(error).__name__
    text: str = answer.choices[0].message.content
    return text


async def all_said(router: Any, names: list[str], *, at_once: bool) -> list[str]:
    if at_once:
        return await asyncio.gather(*(said(router, name) for name in names))
    return [await said(router, name) for name in names]


def answered(question: dict[str, Any]) -> dict[str, Any]:
    routers = [router_of(text) for text in question["configs"]]
    found = []
    for router, names in zip(routers, question["names"], strict=True):
        found.append({name: routed(router, name) for name in names})
    told = asyncio.run(all_said(routers[0], question["calls"], at_once=question.get("at_once", False)))
    return {"routed": found, "said": told}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answered(json.loads(line))), flush=True)
