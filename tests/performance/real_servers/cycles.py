"""A whole cycle on a small suite through one wire, and what its ledger says of the replies."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_selfopt.ledger.records import result_of
from pytest_selfopt.models.config import WireName
from pytest_selfopt.trial import Outcome, Reply
from tests.ledger_file import open_ledger

SUITE = Path(__file__).parents[3] / "benchmarks" / "atomic.jsonl"
CASES = ("music-jazz", "translate-good-night", "restraint-poem")
TOOLS = ("play_music", "translate_text")
MODEL, DOWN_MODEL = "real/model", "real/down"
KEY_VARIABLE = "REAL_SERVERS_KEY"
BODY = """
import pytest

@pytest.mark.selfopt("items.jsonl")
def test_items(case, reply):
    case.check(reply)
"""
SEARCH = 'variants = ["native_api", "schema"]\nisolation = [false, true]\n'
SEARCH_DOWN = f'variants = []\nisolation = []\nmodels = ["{DOWN_MODEL}"]\n'
CYCLE = ("-q", "-p", "no:cacheprovider", "--selfopt-cycle", "--selfopt-no-report", "--selfopt-seed=7")
CYCLE_TIMEOUT_S = 420.0
LEDGER = Path(".selfopt", "ledger.sqlite")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """A way to the model: through which server, on which wire, under which name.

    `calls` says whether the server passes native tool calls on. `down` is the name of a model behind the same server
    whose own server is down: the cycle then compares the model with it, and can find nothing out.
    """

    server: str
    tried: str
    wire: WireName
    base_url: str
    model: str
    key: str = ""
    calls: bool = True
    down: str = ""
    response_cache: str = "avoid"

    @property
    def key_variable(self) -> str | None:
        """The environment variable with its key; None if it needs none."""
        if not self.key:
            return None
        return KEY_VARIABLE


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A judged trial; `reply` is empty where none came."""

    spec: str
    outcome: str
    error: str
    reply: Reply

    @property
    def is_answered(self) -> bool:
        """Whether the model said anything."""
        return bool(self.reply.text.strip() or self.reply.tool_calls or self.reply.undecodable)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What came of a cycle: its trials, the status of each turn, and the state of each comparison by candidate."""

    seconds: float
    asked: Sequence[Asked]
    statuses: tuple[str, ...]
    states: dict[str, str]

    @property
    def outcomes(self) -> str:
        """How many trials passed, missed, and had no answer, for which reasons."""
        outcomes = Counter(asked.outcome for asked in self.asked)
        errors = Counter(asked.error for asked in self.asked if asked.error)
        numbers = [f"{outcomes[outcome]} {outcome}" for outcome in Outcome]
        return ", ".join([*numbers, *_counted(errors)])

    @property
    def finishes(self) -> str:
        """How many replies ended for which reason."""
        reasons = Counter(asked.reply.finish_reason for asked in self.asked if asked.reply.finish_reason)
        return ", ".join(_counted(reasons))

    @property
    def served(self) -> str:
        """The names under which the model answered."""
        return ", ".join(sorted({asked.reply.served_model for asked in self.asked if asked.reply.served_model}))

    @property
    def native_calls(self) -> int:
        """How many answers were calls in the provider's own fields."""
        return sum(bool(asked.reply.tool_calls) for asked in self.asked if "/native_api/" in asked.spec)

    @property
    def off_schema(self) -> int:
        """How many answers did not have the form that their request demands."""
        return sum(asked.reply.off_schema for asked in self.asked)

    def tokens(self) -> tuple[int, int]:
        """Return the tokens of all replies, in and out."""
        tokens_in = sum(asked.reply.tokens_in or 0 for asked in self.asked)
        tokens_out = sum(asked.reply.tokens_out or 0 for asked in self.asked)
        return tokens_in, tokens_out

    def cached(self, isolation: str) -> str:
        """Say which share of the prompts of specs with "i0" or "i1" came from the server's cache."""
        known = [
            asked.reply
            for asked in self.asked
            if f"/{isolation}/" in asked.spec and asked.reply.tokens_cached is not None
        ]
        tokens = sum(reply.tokens_in or 0 for reply in known)
        if not tokens:
            return "not told"
        share = sum(reply.tokens_cached or 0 for reply in known) / tokens
        return f"{share:.0%}"


def run_cycle(folder: Path, route: Route) -> Measured:
    """Run a cycle in a new project, and measure it."""
    write_project(folder, route)
    environment = {**os.environ, KEY_VARIABLE: route.key}
    command = [sys.executable, "-m", "pytest", *CYCLE]
    output = folder / "output"
    began = time.monotonic()
    with output.open("wb") as file:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT
        )
        try:
            process.wait(CYCLE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if not (folder / LEDGER).exists():
        raise SystemExit(output.read_text(errors="replace")[-3000:])
    return measure(folder / LEDGER, time.monotonic() - began)


def measure(ledger: Path, seconds: float) -> Measured:
    """Read what came of the cycles in a ledger."""
    with open_ledger(ledger) as connection:
        connection.row_factory = sqlite3.Row
        rows = connection.execute("SELECT * FROM call WHERE purpose = 'trial' AND outcome IS NOT NULL").fetchall()
        cycles = connection.execute("SELECT status FROM cycle ORDER BY id").fetchall()
        comparisons = connection.execute("SELECT candidate, state FROM comparison ORDER BY number").fetchall()
    return Measured(
        seconds=seconds,
        asked=list(map(_asked, rows)),
        statuses=tuple(row["status"] for row in cycles),
        states={row["candidate"]: row["state"] for row in comparisons},
    )


def problems(route: Route, measured: Measured) -> Iterator[str]:
    """Yield what must not come of a cycle."""
    if set(measured.statuses) != {"decided"}:
        yield f"the cycle is not decided: {', '.join(measured.statuses) or 'it never began'}"
    empty = [asked for asked in measured.asked if asked.outcome != Outcome.ERROR and not asked.is_answered]
    if empty:
        yield f"{len(empty)} replies without any answer were judged"
    if route.down:
        yield from _problems_of_outage(measured)
    elif route.calls and not measured.native_calls:
        yield "no native tool call came through"
    elif not any(asked.is_answered for asked in measured.asked):
        yield "nothing was answered"


def _problems_of_outage(measured: Measured) -> Iterator[str]:
    down = [asked for asked in measured.asked if asked.spec.startswith(DOWN_MODEL)]
    if not down:
        yield "the model that is down was not asked"
    judged = [asked for asked in down if asked.outcome != Outcome.ERROR]
    if judged:
        yield f"{len(judged)} failures were judged as answers"
    for candidate, state in measured.states.items():
        if state in ("promoted", "rejected"):
            yield f"an outage decided: {candidate} was {state}"


def write_project(folder: Path, route: Route) -> None:
    """Write a project that asks through a route."""
    key_setting = ""
    if route.key_variable:
        key_setting = f'api_key_env = "{route.key_variable}"'
    search = SEARCH
    if route.down:
        search = SEARCH_DOWN
    settings = f"""
[tool.selfopt]
model = "{MODEL}"
candidates = 2
[tool.selfopt.providers.real]
wire = "{route.wire}"
base_url = "{route.base_url}"
max_concurrency = 1
response_cache = "{route.response_cache}"
{key_setting}
[tool.selfopt.models."{MODEL}"]
name = "{route.model}"
[tool.selfopt.models."{DOWN_MODEL}"]
name = "{route.down or "unused"}"
[tool.selfopt.phases.atomic]
baseline = "{MODEL}/atomic/native_api/t30/r0/i0/max60"
[tool.selfopt.search]
timeouts = []
retries = []
warmup = []
{search}"""
    (folder / "pyproject.toml").write_text(settings)
    (folder / "items.jsonl").write_text("".join(suite_lines()))
    (folder / "test_items.py").write_text(BODY)


def suite_lines() -> Iterator[str]:
    """Yield those lines of the project's own suite that make a small one."""
    for line in SUITE.read_text("utf-8").splitlines(keepends=True):
        entry = json.loads(line)
        if entry.get("id") in CASES or entry.get("tool", {}).get("name") in TOOLS:
            yield line


def _asked(row: sqlite3.Row) -> Asked:
    result = result_of(row)
    reply = result.reply
    if reply is None and result.error is not None:
        reply = result.error.reply
    return Asked(
        spec=row["spec"],
        outcome=row["outcome"],
        error=row["error_kind"] or "",
        reply=reply or Reply(),
    )


def _counted(counts: Counter[str]) -> list[str]:
    return [f"{number} {name}" for name, number in counts.most_common()]
