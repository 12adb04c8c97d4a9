"""What grading costs, by hand.

`python -m tests.performance.graders OLD NEW` measures the CPU time of grading 100,000 replies in two checkouts. In
turns, each checkout reads the calls in the replies, and judges them, by the interpreter in its `.venv`. Figures are
the least of the rounds: whatever disturbs a round makes it longer.

`python -m tests.performance.graders --growth` reads hostile replies of doubling lengths, up to the longest that there
are, and prints for each reader the family of texts that takes the most time a character, and how that grows.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import time
from pathlib import Path

from tests.bench.hostile_replies import FORMAT_READERS, LONGEST, READERS, REPLIES, Family, Reader
from tests.performance.commands import interpreter
from tests.performance.grade_replies import KINDS

REPLIES_OF_A_ROUND = 100_000
ROUNDS = 5
SCRIPT = Path(__file__).with_name("grade_replies.py")
SHORTEST = 128 * 1024
TOO_LONG_S = 120
"""Seconds after which a reader is not asked for longer texts."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("old", type=Path, nargs="?")
    parser.add_argument("new", type=Path, nargs="?")
    parser.add_argument("--growth", action="store_true")
    options = parser.parse_args()
    if options.growth:
        show_growth()
    elif options.old and options.new:
        compare(options.old, options.new)
    else:
        parser.error("name two checkouts, or --growth")


def compare(old_tree: Path, new_tree: Path) -> None:
    """Print the CPU time of each kind in both checkouts."""
    rounds = [(times_ms(old_tree), times_ms(new_tree)) for _ in range(ROUNDS)]
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
    command = [interpreter(tree.resolve()), str(SCRIPT), str(REPLIES_OF_A_ROUND // len(KINDS))]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    times: dict[str, float] = json.loads(done.stdout)
    return times


def shown(name: str, old: float, new: float) -> str:
    """One line of the table."""
    return f"{name:20}{old:>7.0f} ms{new:>7.0f} ms{new / old:>10.2f}"


def show_growth() -> None:
    """Print for each reader its most expensive family, by nanoseconds a character of texts of doubling lengths."""
    lengths = []
    length = SHORTEST
    while length <= LONGEST:
        lengths.append(length)
        length *= 2
    print(f"{'ns a character':24}{''.join(f'{length // 1024:>8}' for length in lengths)}  KiB, worst family")
    for name, reader in {**READERS, **FORMAT_READERS}.items():
        worst = max(REPLIES, key=lambda family: seconds(reader, family, SHORTEST))
        costs = []
        for length in lengths:
            taken = seconds(reader, worst, length)
            costs.append(f"{1e9 * taken / length:>8.0f}")
            if taken > TOO_LONG_S:
                break
        print(f"{name:24}{''.join(costs)}  {worst}", flush=True)


def seconds(reader: Reader, family: Family, length: int) -> float:
    """CPU seconds of reading a text once."""
    text = family.text(length)
    began = time.process_time()
    reader(text)
    return time.process_time() - began


if __name__ == "__main__":
    main()
