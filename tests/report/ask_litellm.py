"""Answers each line `{configs: [yaml…], names: [[name…]…], calls: [name…]}` with where LiteLLM's own Router sends each.

An answer is a line of JSON, too: `routed`, for each configuration by name the model, address and settings of its entry
(null: the Router knows no such name); `said`, for each call through the first configuration what came back. Not a test:
it runs in a process of its own, because LiteLLM is on no other test's path.
"""

from __future__ import annotations

import importlib
import json
import sys
from typing import Any

import yaml

litellm: Any = importlib.import_module("litellm")
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


def said(router: Any, name: str) -> str:
    answer: str = router.completion(model=name, messages=MESSAGES).choices[0].message.content
    return answer


def answered(question: dict[str, Any]) -> dict[str, Any]:
    routers = [router_of(text) for text in question["configs"]]
    found = []
    for router, names in zip(routers, question["names"], strict=True):
        found.append({name: routed(router, name) for name in names})
    return {"routed": found, "said": [said(routers[0], name) for name in question["calls"]]}


if __name__ == "__main__":
    for line in sys.stdin:
        print(json.dumps(answered(json.loads(line))), flush=True)
