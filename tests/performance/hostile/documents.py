"""Well-formed files that people write: suites, settings, routing configurations and feedback, to be mutated."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.acceptance.conftest import TOOL, call
from tests.performance.hostile.mutation import ECHOES, mutate_bytes, mutate_json, to_json

EXAMPLE = Path(__file__).parents[3] / "docs" / "reference" / "routing_config.example.json"
_PARAMETERS = {
    "type": "object",
    "properties": {
        "when": {"type": "string", "format": "date-time"},
        "who": {"type": "array", "items": {"$ref": "#/$defs/person"}},
        "how": {"enum": ["fast", "slow", None]},
        "much": {"type": "number", "minimum": 0, "multipleOf": 0.01},
    },
    "required": ["when"],
    "$defs": {"person": {"type": "object", "properties": {"boss": {"$ref": "#/$defs/person"}}}},
}
_TOOLS: Sequence[dict[str, Any]] = (
    TOOL,
    {"type": "function", "function": {"name": "plan", "description": "Plan.", "parameters": _PARAMETERS}},
    {"name": "claude", "description": "As Anthropic writes it.", "input_schema": _PARAMETERS},
    {"name": "mcp", "description": "As MCP writes it.", "inputSchema": {"type": "object", "properties": {}}},
)
_EXPECTED: Sequence[dict[str, Any]] = (
    {"call": call("1")},
    {"call": {"name": "look_up", "arguments": {"item": ["1", "one", ""]}}, "strict": True},
    {"calls": [call("1"), call("2")], "in_order": True},
    {"no_call": True},
    {"any_call": True},
    {"exact": ["yes", "no"], "ignore_case": True},
    {"contains": "1"},
    {"contains_any": ["a", "b"]},
    {"regex": r"^\s*\d+$"},
    {"number": 42, "tolerance": 0.5, "locale": "de"},
    {"json_schema": _PARAMETERS},
    {"not": {"contains": "sorry"}},
    {"all": [{"contains": "a"}, {"any": [{"regex": "b"}, {"not": {"exact": "c"}}]}]},
)


def suite() -> dict[str, list[Any]]:
    """Return tools, examples and cases, with each kind of expectation."""
    cases: list[Any] = []
    for number, expect in enumerate(_EXPECTED):
        case: dict[str, Any] = {"id": f"case-{number}", "prompt": f"Question {number}?", "expect": expect}
        if "call" in expect or number % 2:
            case["tools"] = ["look_up", "plan"]
        if number % 3 == 0:
            case |= {"tags": ["slow", "eu:billing"], "weight": 2.5, "group": "g"}
        if number == 4:
            del case["prompt"]
            case["messages"] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Go."}]
        cases.append(case)
    example = {"prompt": "Find 9.", "tools": ["look_up"], "answer": {"call": call("9")}}
    return {"tools": list(_TOOLS), "examples": [example], "cases": cases}


def as_jsonl(document: Any) -> bytes:
    """Write a suite, mutated or not, in lines."""
    if not isinstance(document, dict):
        return to_json(document)
    lines: list[Any] = []
    for kind, name in (("tools", "tool"), ("examples", "example"), ("cases", "")):
        entries = document.get(kind, [])
        listed = entries if isinstance(entries, list) else [entries]
        lines += [{name: entry} if name else entry for entry in listed]
    return b"\n".join(map(to_json, lines))


def as_csv(document: Any) -> bytes:
    """Write the cases of a suite as a table, whose cells hold JSON where they must."""
    cases = [case for case in document["cases"] if isinstance(case, dict)] if isinstance(document, dict) else []
    columns = ["id", "prompt", "tools", "tags", "weight", "group", *{name for one in _EXPECTED for name in one}]
    rows = [{**case, **_dict(case.get("expect"))} for case in cases]
    file = io.StringIO()
    writer = csv.writer(file)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(column, "")) for column in columns])
    return file.getvalue().encode("utf-8", "backslashreplace")


def _dict(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _cell(value: Any) -> str:
    return value if isinstance(value, str) else to_json(value).decode()


def settings(address: str) -> dict[str, Any]:
    """Return the table `[tool.selfopt]` with most keys that there are."""
    return {
        "model": "hostile/model",
        "profile": "calibrated",
        "candidates": 2,
        "reports": True,
        "state_dir": ".selfopt",
        "routing": "routing_config.json",
        "runner": "local",
        "providers": {"hostile": {"wire": "openai", "base_url": f"{address}/v1", "api_key_env": "HOSTILE_KEY"}},
        "models": {
            "hostile/model": {
                "provider": "hostile",
                "name": "m",
                "max_concurrency": 4,
                "price_in": 1.0,
                "price_out": 2,
                "max_tokens": 64,
                "context": 4096,
                "parameters": {"temperature": "temp", "extra": {"a": [1, {"b": 2}]}, "strict": False},
            }
        },
        "budget": {"warn": 0.5, "max_calls": 100, "max_cost": 1.5},
        "gates": {"min_samples": 3, "variance": 0.0025, "restraint": 0.8, "veto": 0, "claim": "suite"},
        "gate": {"min_accuracy": 0.5, "passes": 3, "compare": "stored"},
        "actions": {"promote": True, "prove": False},
        "tiers": {"small": ["hostile/model"]},
        "swarm": {"max_concurrency": 8, "judge": "hostile/model"},
        "phases": {"atomic": {"baseline": "hostile/model/atomic/native_api/t2/r0/i0", "gates": {"latency": 2.0}}},
        "search": {"variants": ["native_api"], "timeouts": [2], "retries": [0], "isolation": [False], "warmup": []},
        "nats": {"servers": ["nats://127.0.0.1:4222"], "ack_wait": 30, "name": "selfopt"},
        "temporal": {"target": "127.0.0.1:7233", "namespace": "default"},
    }


def feedback() -> list[Any]:
    """Return recommendations of each kind that is applied, and of some that are not."""
    actions = ("disable_for_stateful", "enable_warmup", "increase_timeout", "increase_retries", "watch", "?")
    return [
        {
            "type": "model_phase",
            "target": f"hostile/model::{phase}",
            "action": action,
            "reason": "0 of 7",
            "fallback": "hostile/other",
            "timeout": 120,
            "retries": 2,
        }
        for action in actions
        for phase in ("atomic", "extended")
    ]


def routing() -> Any:
    """Return the documented example of a routing configuration."""
    return json.loads(EXAMPLE.read_text())


def to_toml(value: Any) -> str:
    """Write a value as TOML; what TOML cannot express becomes TOML that is wrong."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{json.dumps(str(name))} = {to_toml(part)}" for name, part in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(to_toml, value)) + "]"
    if isinstance(value, float):
        return repr(value)
    return to_json(value).decode()


def changed(document: Any, chance: random.Random) -> Any:
    """Mutate a document; no key gets into it, since nobody writes one into a file of these."""
    text = json.dumps(mutate_json(document, chance))
    for echo in ECHOES.values():
        text = text.replace(json.dumps(echo)[1:-1], "k")
    return json.loads(text)


def changed_bytes(data: bytes, chance: random.Random) -> bytes:
    """Mutate a file as bytes."""
    return mutate_bytes(data, chance)
