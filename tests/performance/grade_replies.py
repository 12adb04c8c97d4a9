"""Grades replies in one checkout and prints the CPU milliseconds of each kind as JSON; see `graders`."""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from pytest_selfopt.bench.case import Case
from pytest_selfopt.specs.variants import VARIANTS
from pytest_selfopt.trial import Reply, ToolCall

WEATHER = {
    "name": "get_weather",
    "description": "Today's weather",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city"],
    },
}
CALL = {"name": "get_weather", "arguments": {"city": ["Paris", "Paris, France"], "days": [3, ""]}}
SPOKEN = '{"tool": "get_weather", "arguments": {"city": "Paris", "days": 3}}'
PROSE = (
    "The question asks for the number of apples that are left. There were 48 of them in the morning; half of them were "
    "sold before noon, and another 9 in the afternoon. So 48 / 2 = 24, and 24 - 9 = 15.\n\nThe answer is 15 apples."
)
SCHEMA = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}},
    "required": ["name", "age"],
}
TEMPERED = Reply(tool_calls=(ToolCall(name="get_weather", arguments={"city": "paris", "days": 3}),))
KINDS: dict[str, tuple[str, dict[str, Any], list[Reply]]] = {
    "call, atomic": ("atomic", {"call": CALL}, [Reply(text=SPOKEN), Reply(text=f"```json\n{SPOKEN}\n```")]),
    "call, native_api": ("native_api", {"call": CALL}, [TEMPERED, Reply(text=PROSE)]),
    "no_call, atomic": ("atomic", {"no_call": True}, [Reply(text='{"reply": "Hello!"}'), Reply(text=PROSE)]),
    "no_call, native_api": ("native_api", {"no_call": True}, [Reply(text=PROSE)]),
    "exact": ("native_api", {"exact": "15 apples"}, [Reply(text="15 apples"), Reply(text="16 apples")]),
    "contains": ("native_api", {"contains": ["15", "apples"], "ignore_case": True}, [Reply(text=PROSE)]),
    "regex": ("native_api", {"regex": r"answer is \d+"}, [Reply(text=PROSE)]),
    "number": ("native_api", {"number": 15}, [Reply(text=PROSE), Reply(text="15")]),
    "json_schema": ("native_api", {"json_schema": SCHEMA}, [Reply(text='```json\n{"name": "Ann", "age": 3}\n```')]),
}
"""By name: the variant, the expectation, and replies that take turns."""


def main() -> None:
    """Grade as many replies of each kind as the argument says."""
    times = {}
    for name, (variant, expect, replies) in KINDS.items():
        case = Case.from_json(
            {
                "id": "one",
                "messages": [{"role": "user", "content": "?"}],
                "tools": [WEATHER],
                "expect": expect,
                "tags": [],
                "suite": "suite",
                "source": "suite.jsonl:1",
            }
        )
        began = time.process_time()
        for number in range(int(sys.argv[1])):
            reply = VARIANTS[variant].read(replies[number % len(replies)])
            case.judge(reply)
        times[name] = 1000 * (time.process_time() - began)
    json.dump(times, sys.stdout)


if __name__ == "__main__":
    main()
