"""Whether two checkouts decide the same: `python -m tests.performance.same OLD NEW`, by hand after a large change.

Each plays the same sessions and commands, with the same seed and scripted model, by the interpreter in its
own `.venv`. Compared is what is left: statuses, the rows of the ledger, the routing configuration, history, decisions
and feedback, without times and what depends on them.
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_selfopt.models.scripted import ScriptedServer
from tests.acceptance.conftest import BODY, MODEL, WITHOUT, right, suite_lines
from tests.acceptance.test_distributed import untimed
from tests.ledger_file import open_ledger

CYCLE = ("-m", "pytest", *WITHOUT, "--selfopt-cycle", "--selfopt-seed=7")
COMMAND = ("-m", "pytest_selfopt.cli")
FEW = '[tool.selfopt.search]\nvariants = ["native_api", "schema"]\nwarmup = []\nretries = []\ntimeouts = []\n'
ONE_AT_A_TIME = f'[tool.selfopt.models."{MODEL}"]\nmax_concurrency = 1\n'
COLD = {"rules": [{"when": {"cold": 24}, "then": {"text": "no"}}, *right()], "default": {"text": "Hello!"}}
_TIME = re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z|\d+\.\d+ s\b")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A project, what its model plays, and what is run in it."""

    name: str
    script: dict[str, Any]
    settings: str = ""
    phase: str = "atomic"
    wire: str = "openai"
    runs: Sequence[Sequence[str]] = (CYCLE,)


def scenarios() -> list[Scenario]:
    """What is played."""
    better = {"rules": right(constrained=True)}
    slightly = {"rules": right(constrained=True)[:2]}
    incapable = {"default": {"text": "no"}}
    gate = "[tool.selfopt.gate]\nmin_accuracy = 0.9\n"
    return [
        Scenario(name="a promotion, and the cycle after it", script=better, runs=(CYCLE, CYCLE)),
        Scenario(name="no race", script=better, runs=((*CYCLE, "--selfopt-no-race"),)),
        Scenario(name="a small gain", script=slightly, settings=FEW),
        Scenario(name="equal candidates", script={"rules": right()}),
        Scenario(name="the documents' rule", script=better, runs=((*CYCLE, "--selfopt-profile=classic"),)),
        Scenario(
            name="a cold start",
            script=COLD,
            settings=ONE_AT_A_TIME,
            wire="ollama",
            runs=((*CYCLE, "--selfopt-no-race"),),
        ),
        Scenario(name="a model that is not up to its phase", script=incapable, phase="extended"),
        Scenario(name="an outage", script={"default": {"status": 401}}),
        Scenario(
            name="a budget, and going on",
            script=better,
            runs=((*CYCLE, "--selfopt-max-calls=30"), (*CYCLE, "--selfopt-resume", "--selfopt-max-calls=900")),
        ),
        Scenario(name="distributed", script=better, runs=((*CYCLE, "-n2"),)),
        Scenario(
            name="a gate",
            script=better,
            settings=FEW + gate,
            runs=(CYCLE, (*CYCLE[:4], "-p", "no:hypothesispytest", "--selfopt-gate")),
        ),
        Scenario(
            name="commands",
            script=better,
            runs=(
                CYCLE,
                (*COMMAND, "history"),
                (*COMMAND, "why", MODEL, "atomic"),
                (*COMMAND, "decide", "--json"),
                (*COMMAND, "export", "litellm"),
                (*COMMAND, "power", "items.jsonl"),
                (*COMMAND, "cost-estimate", ":10", "--tier", "tier1"),
                (*COMMAND, "enforce"),
                (*COMMAND, "rollback"),
                (*COMMAND, "resolve", MODEL, "atomic"),
            ),
        ),
    ]


def played(tree: Path, scenario: Scenario) -> dict[str, str]:
    """What a checkout comes to in a scenario."""
    with tempfile.TemporaryDirectory() as place, ScriptedServer(scenario.script) as server:
        folder = Path(place, "project")
        folder.mkdir()
        write_project(folder, scenario, server)
        statuses, printed = [], []
        for arguments in scenario.runs:
            command = [str(tree / ".venv/bin/python"), *arguments]
            done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
            statuses.append(done.returncode)
            if arguments[: len(COMMAND)] == COMMAND:
                printed.append(_said(done.stdout.replace(server.address, "")))
        found = {"statuses": statuses, "printed": printed, "asked": server.seen.asked, **_left(folder)}
        return {name: _TIME.sub("", json.dumps(part)) for name, part in found.items()}


def _said(text: str) -> Any:
    """What a command printed, without times."""
    try:
        return untimed(json.loads(text))
    except ValueError:
        return untimed(text)


def write_project(folder: Path, scenario: Scenario, server: ScriptedServer) -> None:
    """Write a project whose model is on a scripted server."""
    address = server.address if scenario.wire == "ollama" else server.base_url
    provider = f'[tool.selfopt.providers.scripted]\nwire = "{scenario.wire}"\nbase_url = "{address}"\n'
    (folder / "pyproject.toml").write_text(f'[tool.selfopt]\nmodel = "{MODEL}"\n{scenario.settings}{provider}')
    (folder / "items.jsonl").write_text("".join(json.dumps(line) + "\n" for line in suite_lines()))
    (folder / "test_items.py").write_text(BODY.replace('"items.jsonl"', f'"items.jsonl", phase="{scenario.phase}"'))


def _left(folder: Path) -> dict[str, Any]:
    """What stands in a project after its sessions, without times."""
    found: dict[str, Any] = {"routing": _document(folder / "routing_config.json")}
    state = folder / ".selfopt"
    for name in ("meta_loop_history.json", "harness_feedback.json"):
        found[name] = _document(state / name)
    log = state / "routing_decisions.jsonl"
    lines = log.read_text().splitlines() if log.exists() else []
    entries = [json.loads(line) for line in lines]
    found["decisions"] = [[untimed(entry[name]) for name in ("kind", "phase", "reason")] for entry in entries]
    if (state / "ledger.sqlite").exists():
        with open_ledger(state / "ledger.sqlite") as ledger:
            query = 'SELECT cycle, purpose, phase, spec, "case", run, outcome, reason, attempts, case_hash FROM call'
            found["calls"] = sorted(map(repr, ledger.execute(query)))
            found["cycles"] = ledger.execute("SELECT id, status, seed FROM cycle").fetchall()
            found["comparisons"] = sorted(map(repr, ledger.execute("SELECT candidate, state, wins FROM comparison")))
    return found


def _document(path: Path) -> Any:
    if not path.exists():
        return None
    value = untimed(json.loads(path.read_text()))
    return {name: part for name, part in value.items() if name not in ("timestamp", "generated_at")}


def _around(text: str, other: str) -> str:
    """What a text has around the first place where it differs from another."""
    pairs = zip(text, other, strict=False)
    first = next((place for place, (one, another) in enumerate(pairs) if one != another), len(other))
    return text[max(0, first - 200) : first + 600]


def main() -> None:
    """Print what differs, scenario by scenario; the status is 1 where anything does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    parser.add_argument("--only", default="", help="only scenarios whose name contains this")
    options = parser.parse_args()
    differing = 0
    for scenario in scenarios():
        if options.only not in scenario.name:
            continue
        old, new = (played(tree.resolve(), scenario) for tree in (options.old, options.new))
        differences = [name for name in old if old[name] != new[name]]
        differing += bool(differences)
        print(
            f"{scenario.name}: {old['asked']} calls, statuses {old['statuses']}: {', '.join(differences) or 'the same'}"
        )
        for name in differences:
            print(f"  old {name}: {_around(old[name], new[name])}\n  new {name}: {_around(new[name], old[name])}")
    sys.exit(1 if differing else 0)


if __name__ == "__main__":
    main()
