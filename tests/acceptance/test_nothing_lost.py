"""Nothing that was paid for is lost: not by a value that a server sends, nor by what this process may not open."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.conftest import TOOL, Project, call, said
from tests.ledger_file import open_ledger
from tests.models.hostile_replies import HostileReply, hostile_replies
from tests.models.reply_shapes.shape import completion
from tests.models.reply_shapes.shape import said as saying

Make = Callable[..., Project]
FEW = """
[tool.selfopt.search]
variants = ["native_api", "atomic"]
timeouts = []
retries = []
isolation = []
warmup = []
"""
AGE = {"type": "object", "properties": {"age": {"type": "integer"}}, "required": ["age"]}
FIVE: list[dict[str, Any]] = [
    {"tool": TOOL},
    {"id": "call", "prompt": "Find item 1.", "tools": ["look_up"], "expect": {"call": call("1")}},
    {"id": "no-call", "prompt": "Hello!", "tools": ["look_up"], "expect": {"no_call": True}},
    {"id": "number", "prompt": "What is 6 times 7?", "expect": {"number": 42}},
    {"id": "schema", "prompt": "How old is Ann?", "expect": {"json_schema": AGE}},
    {"id": "contains", "prompt": "Name a capital.", "expect": {"contains": "Paris"}},
]
"""One case of each kind of expectation."""
RIGHT: list[dict[str, Any]] = [
    {"when": {"prompt": "item 1."}, "then": {"call": call("1")}},
    {"when": {"prompt": "Hello"}, "then": {"text": "Hello!"}},
    {"when": {"prompt": "6 times"}, "then": {"text": "42"}},
    {"when": {"prompt": "Ann"}, "then": {"text": json.dumps({"age": 3})}},
    {"when": {"prompt": "capital"}, "then": {"text": "Paris"}},
]
"""Rules by which all five are answered rightly."""
TOO_MANY = HostileReply(
    name="2^63 tokens",
    wire="openai",
    body=json.dumps(completion(saying("Paris"), usage={"prompt_tokens": 2**63, "completion_tokens": 3})),
)
HOSTILE = {reply.name: reply for reply in [TOO_MANY, *hostile_replies("openai")]}
SERVED = (
    "2^63 tokens",
    "openai: model is NULs",
    "openai: finish_reason is 100,000 surrogates",
    "openai: id is 10^5000",
    "openai: usage.cost is 1e308",
    "openai: arguments have 100,000 levels",
)
"""One of each kind, in the order in which one prompt is answered; tests/models/test_hostile_replies.py has all."""


def stored(made: Project) -> list[tuple[Any, ...]]:
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        query = 'SELECT "case", outcome, count(*) FROM call GROUP BY 1, 2 ORDER BY 1, 2'
        return list(map(tuple, ledger.execute(query)))


def statuses(made: Project) -> list[str]:
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        return [status for (status,) in ledger.execute("SELECT status FROM cycle")]


def test_hostile_replies_cost_no_other_call(project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = [{"when": {"prompt": "capital", "first": 1}, "then": {"body": HOSTILE[name].body}} for name in SERVED]
    made = project({"rules": [*hostile, *RIGHT]})
    provider = f'[tool.selfopt.providers.scripted]\nbase_url = "{made.server.base_url}"\napi_key_env = "DESK_KEY"\n'
    made.configure(provider + FEW)
    monkeypatch.setenv("DESK_KEY", "sk-not-a-key-of-anyone")
    made.write_suite(FIVE)
    result = made.run("--selfopt-cycle", "--selfopt-no-prove")
    assert "INTERNALERROR" not in said(result)
    assert statuses(made) == ["decided"]
    rows = stored(made)
    right = [row for row in rows if row[0] != "items/contains"]
    assert [(case, outcome) for case, outcome, _ in right] == [
        (f"items/{case}", "pass") for case in ("call", "no-call", "number", "schema")
    ]
    # As many of the hostile prompt as of any other, and all of them judged.
    of_hostile = Counter({outcome: number for case, outcome, number in rows if case == "items/contains"})
    assert of_hostile.keys() <= {"pass", "miss", "error"}
    assert {of_hostile.total()} == {number for _, _, number in right}
    with open_ledger(made.path / ".selfopt" / "ledger.sqlite") as ledger:
        lengths = ledger.execute("SELECT max(length(served_model)), max(length(finish_reason)) FROM call").fetchone()
    assert max(lengths) <= 2000  # a lone surrogate is escaped, as six characters


LIMITING = """
import resource

resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))

def pytest_unconfigure(config):
    with open("limit.txt", "w") as file:
        file.write(str(resource.getrlimit(resource.RLIMIT_NOFILE)[0]))
"""


def limited(project: Make, *, soft: int, hard: int) -> Project:
    """A project whose sessions may open few files; 200 calls at a time are configured."""
    made = project({"default": {"text": "Hello!", "latency": 0.05}})
    made.configure(f"max_concurrency = 200{FEW}")
    made.pytester.makeconftest(LIMITING.format(soft=soft, hard=hard))
    return made


def limit_after(made: Project) -> int:
    return int((made.path / "limit.txt").read_text())


def test_calls_fit_into_few_descriptors(project: Make) -> None:
    made = limited(project, soft=96, hard=96)
    result = made.run("--selfopt-cycle", "--selfopt-no-prove")
    assert "at a time, not 200: this process may open 96 files and connections, and has" in said(result)
    assert statuses(made) == ["decided"]
    assert "error" not in {outcome for _, outcome, _ in stored(made)}


def test_the_limit_of_descriptors_is_raised(project: Make) -> None:
    made = limited(project, soft=96, hard=2000)
    result = made.run("--selfopt-cycle", "--selfopt-no-prove")
    assert "ulimit" not in said(result)
    assert statuses(made) == ["decided"]
    assert 800 < limit_after(made) <= 2000


def test_a_plain_session_raises_no_limit(project: Make) -> None:
    made = limited(project, soft=128, hard=2000)
    made.run("-k", "item-0")
    assert limit_after(made) == 128
