"""How good the decisions are: `python -m tests.performance.decisions` prints error rates, power and calls.

Simulated worlds, whose truth is known, go through the real generator, race, gates and diagnoses; beside them the
source documents' classic rule. `--small` is a quick look with a tenth of the histories, `--table NAME` prints one
table alone.
"""

from __future__ import annotations

import argparse
import multiprocessing
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from pytest_selfopt.loop.diagnosis.diagnose import diagnose
from pytest_selfopt.loop.evaluate import evaluate
from pytest_selfopt.loop.evidence.odds import bar
from pytest_selfopt.loop.evidence.tally import tally
from pytest_selfopt.loop.gate import judge
from pytest_selfopt.loop.gates.gate_result import GateInput
from pytest_selfopt.loop.thresholds import Limits
from tests.loop.histories import CALIBRATED, CLASSIC, EFFECTS, EQUAL, WORLDS, Ended, History, one_cycle
from tests.loop.worlds import RUNS, draw, matrix, names
from tests.loop.worlds import WORLDS as FAULTS
from tests.performance import new_prompts
from tests.performance.copied_passes import CopiedLots, copied_passes
from tests.performance.dependence import Lots, families, stopping

SIZES = (12, 30, 100)
SEED = 20_261_121


@dataclass(frozen=True, slots=True, kw_only=True)
class Lives:
    """Many histories in one world."""

    world: str
    cases: int
    times: int
    classic: bool
    equal: bool
    candidates: int

    def run(self) -> list[Ended]:
        """Live through all of them; equal candidates come in endless supply, others from the product's space."""
        return [
            History(
                random.Random(f"{SEED}/{self.world}/{self.cases}/{number}"),
                WORLDS[self.world],
                self.cases,
                limits=CLASSIC if self.classic else CALIBRATED,
                candidates=self.candidates,
                endless=self.equal,
                effects=EQUAL if self.equal else EFFECTS,
            ).run()
            for number in range(self.times)
        ]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cycles:
    """Many single cycles in one world, in each of which one candidate is better."""

    world: str
    cases: int
    gain: float
    times: int
    candidates: int

    def run(self) -> tuple[float, float]:
        """How often it is found, and the share of the classic calls that takes."""
        ends = [
            one_cycle(
                random.Random(f"{SEED}/{number}"), WORLDS[self.world], self.cases, self.gain, candidates=self.candidates
            )
            for number in range(self.times)
        ]
        return sum(end.found for end in ends) / self.times, sum(end.share_of_calls for end in ends) / self.times


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    """Many models with one known fault, or flaky ones, whose first call was slow."""

    fault: str
    cases: int
    times: int

    def run(self) -> Counter[str]:
        """What was diagnosed, how often."""
        rng = random.Random(f"{SEED}/{self.fault}/{self.cases}")
        slow = self.fault.startswith(("cold start", "flaky"))
        planned, limits = names(self.cases), Limits()
        found: Counter[str] = Counter()
        for _ in range(self.times):
            rows = (
                FAULTS[self.fault](rng, self.cases) if self.fault in FAULTS else draw(rng, [[0.7] * RUNS] * self.cases)
            )
            trials = matrix(rows, latency=lambda place: 3.0 if slow and place == 0 else 1.0)
            found[str(diagnose(trials, planned, limits)[0].kind)] += 1
        return found


Job = Lives | Cycles | Findings | CopiedLots | Lots | new_prompts.Claims


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--small", action="store_true", help="a tenth of the histories")
    parser.add_argument("--table", choices=TABLES, action="append", help="print only this table; may be repeated")
    options = parser.parse_args()
    scale = 10 if options.small else 1
    began = time.monotonic()
    with multiprocessing.Pool() as pool:
        for name in options.table or TABLES:
            for line in TABLES[name](lambda jobs: pool.map(_run, jobs, chunksize=1), scale):
                print(line, flush=True)
            print(flush=True)
    if not options.table:
        print(_judging())
    print(f"{time.monotonic() - began:.0f} s")


def _run(job: Job) -> object:
    return job.run()


Map = Callable[[Sequence[Job]], list[object]]


def _histories(run: Map, scale: int) -> Iterable[str]:
    yield "Histories of 20 cycles: ours / the classic rule"
    yield "  false: histories with a promotion of what is in truth no better on these cases"
    yield "  falls: histories in which the true accuracy on new prompts falls at least once"
    yield (
        f"{'candidates':<14}{'world':<15}{'cases':>5}{'false':>14}{'falls':>14}{'calls':>8}{'promoted':>13}"
        f"{'true gain':>14}{'claimed':>14}"
    )
    jobs = [
        Lives(
            world=world,
            cases=cases,
            equal=equal,
            candidates=4,
            classic=classic,
            times=(100 if classic else 400) // scale,
        )
        for equal in (True, False)
        for world in WORLDS
        for cases in SIZES
        for classic in (False, True)
    ]
    ends = run(jobs)
    for job, ours, theirs in zip(jobs[::2], ends[::2], ends[1::2], strict=True):
        assert isinstance(ours, list)
        assert isinstance(theirs, list)
        yield _row(job, ours, theirs)


def _row(job: Lives, ours: Sequence[Ended], theirs: Sequence[Ended]) -> str:
    def both(number: Callable[[Ended], float], form: str) -> str:
        mean, classic = (sum(map(number, ends)) / len(ends) for ends in (ours, theirs))
        return f"{mean:{form}} / {classic:{form}}"

    calls = sum(one.spec_passes for one in ours) / len(ours) / (sum(one.spec_passes for one in theirs) / len(theirs))
    return (
        f"{'equal' if job.equal else 'mixed':<14}{job.world:<15}{job.cases:>5}"
        f"{both(lambda one: one.false_promotions > 0, '.1%'):>14}{both(lambda one: one.falls > 0, '.1%'):>14}"
        f"{calls:>8.2f}{both(lambda one: one.promotions, '.1f'):>13}{both(lambda one: one.gain, '.3f'):>14}"
        f"{both(lambda one: one.claimed, '.3f'):>14}"
    )


def _powers(run: Map, scale: int) -> Iterable[str]:
    yield "One cycle with one better candidate: found, and the share of seven passes for all that it takes"
    gains = (0.05, 0.10, 0.20)
    yield f"{'candidates':<14}{'world':<15}{'cases':>5}" + "".join(f"{gain:>+16.2f}" for gain in gains)
    rows = [(count, world, cases) for count in (4, 8) for world in WORLDS for cases in (*SIZES, 300)]
    jobs: list[Job] = [
        Cycles(world=world, cases=cases, gain=gain, times=(100 if cases == 300 else 300) // scale, candidates=count)
        for count, world, cases in rows
        for gain in gains
    ]
    ends = iter(run(jobs))
    for count, world, cases in rows:
        cells = []
        for _ in gains:
            end = next(ends)
            assert isinstance(end, tuple)
            cells.append(f"{end[0]:.2f} at {end[1]:.2f}×")
        yield f"{count:<14}{world:<15}{cases:>5}" + "".join(f"{cell:>16}" for cell in cells)


def _diagnoses(run: Map, scale: int) -> Iterable[str]:
    yield "Diagnoses of seven runs that are right"
    rows = [(fault, cases, (1000 if cases == 12 else 200) // scale) for cases in (12, 100) for fault in FAULTS]
    found = run([Findings(fault=fault, cases=cases, times=times) for fault, cases, times in rows])
    right: dict[int, list[float]] = {}
    for (fault, cases, times), kinds in zip(rows, found, strict=True):
        assert isinstance(kinds, Counter)
        share = kinds[fault.partition(",")[0]] / times
        right.setdefault(cases, []).append(share)
        others = ", ".join(f"{kind} {number / times:.1%}" for kind, number in kinds.most_common(3) if kind not in fault)
        yield f"{cases:>5}  {fault:<28}{share:>7.1%}   {others}"
    for cases, shares in right.items():
        yield f"{cases:>5}  {'all classes':<28}{sum(shares) / len(shares):>7.1%}"
    (alarms,) = run([Findings(fault="flaky, p = 0.7", cases=12, times=10_000 // scale)])
    assert isinstance(alarms, Counter)
    yield f"   12  {'cold starts seen in flaky models':<28} {alarms['cold start'] / alarms.total():.2%}"


def _judging() -> str:
    cases, specs = 300, 48
    rng = random.Random(SEED)
    drawn = [matrix(draw(rng, [[0.7] * RUNS] * cases), spec=f"s{spec}") for spec in range(specs)]
    planned, limits = names(cases), Limits()
    began = time.process_time()
    metrics = [evaluate(trials[0].spec, trials, planned) for trials in drawn]
    for number in range(1, specs):
        measured = GateInput(
            spec=drawn[number][0].spec,
            phase="atomic",
            metrics=metrics[number],
            baseline=metrics[0],
            evidence=tally(drawn[0], drawn[number], planned),
            needed=bar(number),
        )
        judge(measured, limits, comparison=number)
    diagnose(drawn[0], planned, limits)
    return f"Judging {sum(map(len, drawn)):,} trials of {specs} specs: {time.process_time() - began:.2f} s of CPU"


TABLES = {
    "histories": _histories,
    "power": _powers,
    "new-prompts": new_prompts.table,
    "copies": copied_passes,
    "families": families,
    "stopping": stopping,
    "diagnoses": _diagnoses,
}
"""The tables by name, in the order in which they are printed."""


if __name__ == "__main__":
    main()
