"""CPU time of commands of two checkouts, in turns: `python -m tests.performance.commands OLD NEW`, by hand.

Each command runs in a project after one cycle, by the interpreter in the `.venv` of its checkout. Figures are medians
over the rounds; CPU time is disturbed less by a busy machine than the clock.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import tempfile
from pathlib import Path

from pytest_selfopt.models.scripted import ScriptedServer
from tests.acceptance.conftest import MODEL, right
from tests.performance.same import COMMAND, CYCLE, Scenario, write_project

ROUNDS = 15
TIERS = f'[tool.selfopt.tiers]\ncheap = ["{MODEL}"]\n'
COMMANDS = (
    ("resolve", MODEL, "atomic"),
    ("cost-estimate", ":10", "--tier", "cheap"),
    ("models", MODEL, "--no-ask"),
    ("enforce", "--dry-run"),
    ("decide",),
    ("power", "items.jsonl"),
    ("history",),
    ("why", MODEL, "atomic"),
)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    options = parser.parse_args()
    trees = (options.old.resolve(), options.new.resolve())
    better = {"rules": right(constrained=True)}
    with tempfile.TemporaryDirectory() as place, ScriptedServer(better) as server:
        folder = Path(place)
        write_project(folder, Scenario(name="", script=better, settings=TIERS), server)
        subprocess.run([interpreter(trees[0]), *CYCLE], cwd=folder, check=True, capture_output=True)
        print(f"{'CPU time':16}{'old':>10}{'new':>10}{'new/old':>10}")
        for command in COMMANDS:
            pairs = [[cpu_ms(tree, command, folder) for tree in trees] for _ in range(ROUNDS)]
            old, new = (statistics.median(column) for column in zip(*pairs, strict=True))
            print(f"{command[0]:16}{old:>7.0f} ms{new:>7.0f} ms{new / old:>10.2f}")


def interpreter(tree: Path) -> str:
    """The interpreter of a checkout."""
    return str(tree / ".venv/bin/python")


def cpu_ms(tree: Path, command: tuple[str, ...], folder: Path) -> float:
    """CPU milliseconds of one command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([interpreter(tree), *COMMAND, *command], cwd=folder, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return 1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


if __name__ == "__main__":
    main()
