"""Whether a race takes fewer calls for the same decisions: `python -m tests.performance.half_the_calls OLD NEW`.

The simulated histories of each checkout, with its own product and its own simulation, by the interpreter in its
`.venv`: 20 cycles in the product's search space with three candidates, and single cycles, in each of which one
candidate is better.
The status is 1 if calls, gain, power or false promotions of NEW miss their bounds. `--times N` plays N histories a cell
(200 take ten minutes on two quiet cores).
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean

SEED = 20_261_201
WORLDS = ("deterministic", "bimodal", "noisy")
SIZES = (12, 30, 100)
GAINS = (0.05, 0.10, 0.20)
CANDIDATES = 3
MAX_CALLS, MIN_GAIN, MIN_POWER, MIN_CELL, MAX_FALSE = 0.55, 0.95, 0.0, -0.03, 0.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """What the histories of one world and size come to, on average, and the power for each gain."""

    calls: float
    gain: float
    false: float
    falls: float
    power: Sequence[float]


def main() -> int:
    """Play both, and print them beside each other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkouts", nargs="*", type=Path)
    parser.add_argument("--times", type=int, default=200)
    parser.add_argument("--play", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.play:
        print(json.dumps(_play(options.times)))
        return 0
    old, new = (_played(checkout.resolve(), options.times) for checkout in options.checkouts)
    for line in _table(old, new):
        print(line)
    problems = list(_problems(old, new))
    for problem in problems:
        print(f"MISSED: {problem}")
    return bool(problems)


def _played(checkout: Path, times: int) -> dict[str, Cell]:
    """Play the histories of a checkout, whose folder is where `tests` is found."""
    python = checkout / ".venv" / "bin" / "python"
    command = [str(python), str(Path(__file__).resolve()), "--play", "--times", str(times)]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    done = subprocess.run(command, cwd=checkout, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    return {name: Cell(**cell) for name, cell in json.loads(done.stdout).items()}


def _play(times: int) -> dict[str, dict[str, object]]:
    cells: dict[str, dict[str, object]] = {}
    with multiprocessing.Pool() as pool:
        for world in WORLDS:
            for cases in SIZES:
                lives = pool.map(_life, [(world, cases, number) for number in range(times)])
                power = []
                for gain in GAINS:
                    found = pool.map(_is_found, [(world, cases, gain, number) for number in range(times)])
                    power.append(fmean(found))
                calls, gains, false, falls = map(fmean, zip(*lives, strict=True))
                name = f"{world} {cases}"
                cells[name] = {"calls": calls, "gain": gains, "false": false, "falls": falls, "power": power}
                print(name, file=sys.stderr, flush=True)
    return cells


def _life(cell: tuple[str, int, int]) -> tuple[float, float, float, float]:
    """Return the spec-passes and the true gain of a history, and whether something false or falling was promoted."""
    # Where `tests` is depends on the checkout that is played.
    from tests.loop import histories

    world, cases, number = cell
    rng = random.Random(f"{SEED}/{world}/{cases}/{number}")
    limits = histories.CALIBRATED
    ended = histories.History(rng, histories.WORLDS[world], cases, limits=limits, candidates=CANDIDATES).run()
    return ended.spec_passes, ended.gain, ended.false_promotions > 0, ended.falls > 0


def _is_found(cell: tuple[str, int, float, int]) -> bool:
    from tests.loop import histories

    world, cases, gain, number = cell
    rng = random.Random(f"{SEED}/{world}/{cases}/{gain}/{number}")
    return histories.one_cycle(rng, histories.WORLDS[world], cases, gain, candidates=CANDIDATES).found


def _table(old: Mapping[str, Cell], new: Mapping[str, Cell]) -> Iterator[str]:
    gains = " ".join(f"{f'power {gain:+.2f}':>15}" for gain in GAINS)
    yield f"{'world and cases':<19}{'calls':>17}{'ratio':>7}{'gain':>17}{'false %':>12}{'falls %':>12} {gains}"
    for name, before in old.items():
        after = new[name]
        power = " ".join(f"{f'{was:.2f} {now:.2f}':>15}" for was, now in zip(before.power, after.power, strict=True))
        yield (
            f"{name:<19}{f'{before.calls:.0f} {after.calls:.0f}':>17}{after.calls / before.calls:>7.2f}"
            f"{f'{before.gain:.4f} {after.gain:.4f}':>17}{f'{before.false:.1%} {after.false:.1%}':>12}"
            f"{f'{before.falls:.1%} {after.falls:.1%}':>12} {power}"
        )
    yield f"calls {_calls(old, new):.3f} of OLD, gain {_gain(old, new):.3f} of OLD, mean power {_power(old, new):+.3f}"


def _problems(old: Mapping[str, Cell], new: Mapping[str, Cell]) -> Iterator[str]:
    if _calls(old, new) > MAX_CALLS:
        yield f"{_calls(old, new):.3f} of the calls, at most {MAX_CALLS:g} are allowed"
    if _gain(old, new) < MIN_GAIN:
        yield f"{_gain(old, new):.3f} of the gain, at least {MIN_GAIN:g} are needed"
    if _power(old, new) < MIN_POWER:
        yield f"the mean power differs by {_power(old, new):+.3f}"
    worst = min(_differences(old, new))
    if worst < MIN_CELL:
        yield f"the power of a cell differs by {worst:+.3f}"
    false = fmean(cell.false for cell in new.values())
    if false > MAX_FALSE:
        yield f"{false:.1%} of the histories promote something false"


def _calls(old: Mapping[str, Cell], new: Mapping[str, Cell]) -> float:
    """Return the mean over the cells of the ratio of calls, so that each counts as much."""
    return fmean(new[name].calls / cell.calls for name, cell in old.items())


def _gain(old: Mapping[str, Cell], new: Mapping[str, Cell]) -> float:
    return fmean(cell.gain for cell in new.values()) / fmean(cell.gain for cell in old.values())


def _power(old: Mapping[str, Cell], new: Mapping[str, Cell]) -> float:
    return fmean(_differences(old, new))


def _differences(old: Mapping[str, Cell], new: Mapping[str, Cell]) -> list[float]:
    """Return by how much the power differs, for each cell and gain."""
    differences: list[float] = []
    for name, cell in old.items():
        differences += [now - was for was, now in zip(cell.power, new[name].power, strict=True)]
    return differences


if __name__ == "__main__":
    sys.exit(main())
