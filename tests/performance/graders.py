"""CPU time of grading 100,000 replies in two checkouts: `python -m tests.performance.graders OLD NEW`, by hand.

In turns, each checkout reads the calls in the replies, and judges them, by the interpreter in its `.venv`. Figures are
the least of the rounds: whatever disturbs a round makes it longer.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path

from tests.performance.commands import interpreter
from tests.performance.grade_replies import KINDS

REPLIES = 100_000
ROUNDS = 5
SCRIPT = Path(__file__).with_name("grade_replies.py")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    options = parser.parse_args()
    rounds = [(times_ms(options.old), times_ms(options.new)) for _ in range(ROUNDS)]
    sums = [0.0, 0.0]
    print(f"{'CPU time':20}{'old':>10}{'new':>10}{'new/old':>10}")
    for kind in KINDS:
        old, new = (min(times[kind] for times in column) for column in zip(*rounds, strict=True))
        sums[0] += old
        sums[1] += new
        print(shown(kind, old, new))
    print(shown("all", *sums))


def times_ms(tree: Path) -> dict[str, float]:
    """CPU milliseconds of each kind in a checkout; the replies are divided among the kinds."""
    command = [interpreter(tree.resolve()), str(SCRIPT), str(REPLIES // len(KINDS))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    times: dict[str, float] = json.loads(done.stdout)
    return times


def shown(name: str, old: float, new: float) -> str:
    """One line of the table."""
    return f"{name:20}{old:>7.0f} ms{new:>7.0f} ms{new / old:>10.2f}"


if __name__ == "__main__":
    main()
