"""Suites of 20,000 cases by a careless author: one mistake in each case, or none at all, and cases that are alike.

What is wrong has to be told in a few sentences that name file, line and field. A suite without mistakes is planned, not
asked.
"""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tests.performance.hostile.figures import Fault, Figure, Figures
from tests.performance.hostile.project import CYCLE, faults_of, run, write_project

KIND = "careless suites"
CASES, FEW_CASES = 20_000, 40
MOST_PRINTED = 4_000
_MISTAKES: Mapping[str, Callable[[dict[str, Any], int], object]] = {
    "a typo in each case": lambda case, _: case.update(expct=case.pop("expect")),
    "another typo in each case": lambda case, number: case.update({f"promt{number}": case.pop("prompt")}),
    "one id for all": lambda case, _: case.update(id="same"),
    "ids of 100 kB": lambda case, number: case.update(id=f"{number}" + "x" * (100_000 if number < 50 else 100)),
    "a prompt that is a list": lambda case, number: case.update(prompt=["x" * 1_000, number]),
    "not a number": lambda case, _: case.update(weight=float("nan")),
    "a broken pattern": lambda case, number: case.update(expect={"regex": "(" * (number % 50 + 1)}),
    "an unknown tool": lambda case, number: case.update(tools=[f"tool{number}"]),
    "a group of 1 MB": lambda case, number: case.update(group=["g"] * (100_000 if number < 3 else 1)),
    "a broken schema": lambda case, number: case.update(expect={"json_schema": {"type": f"t{number}"}}),
}
_RIGHT: Mapping[str, Callable[[dict[str, Any], int], object]] = {
    "no mistake": lambda case, _: case,
    "one prompt for all": lambda case, _: case.update(prompt="Again?"),
    "prompts of 1 MB": lambda case, number: case.update(prompt="x" * (1_000_000 if number < 5 else 10)),
}


def play(figures: Figures, folder: Path, seed: int, *, short: bool) -> None:
    """Plan a cycle on each suite."""
    cases = FEW_CASES if short else CASES
    mistakes = sorted(_MISTAKES)
    if short:
        mistakes = random.Random(f"{seed} careless").sample(mistakes, 3)
    for name in mistakes:
        faults = faults_after(folder / "project", _MISTAKES[name], cases, status=4)
        figures.add(KIND, f"{cases:,} cases: {name}", faults)
    for name, change in () if short else _RIGHT.items():
        began = time.monotonic()
        faults = faults_after(folder / "project", change, cases, status=0)
        figures.add(KIND, f"{cases:,} cases: {name}", faults)
        print(f"{KIND}: {cases:,} cases, {name}: planned in {time.monotonic() - began:.0f} s", flush=True)


def faults_after(
    project: Path, change: Callable[[dict[str, Any], int], object], cases: int, *, status: int
) -> list[Fault]:
    """Return what is wrong after a dry run on a suite whose cases are changed, each by its number."""
    shutil.rmtree(project, ignore_errors=True)
    project.mkdir()
    write_project(project, "http://127.0.0.1:9")
    with (project / "items.jsonl").open("w") as file:
        for number in range(cases):
            case: dict[str, Any] = {"id": f"c{number}", "prompt": f"Question {number}?", "expect": {"contains": "42"}}
            change(case, number)
            file.write(json.dumps(case) + "\n")
    end = run(project, (*CYCLE, "--selfopt-dry-run"))
    faults = faults_of(end, project, (status,))
    told = status == 0 or ("items.jsonl:1" in end.printed and "more problems" in end.printed)
    if not told or len(end.printed) > MOST_PRINTED:
        detail = f"printed {len(end.printed):,} characters: {end.printed[:500]}"
        faults.append(Fault(figure=Figure.OTHER, detail=detail))
    return faults
