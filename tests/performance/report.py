"""What a report of 50,400 trials takes: seconds, memory, size. Run by hand: `python -m tests.performance.report`.

24 specs are asked 300 cases in 7 passes; each answer has about 400 characters, and a third of them is wrong. The
ledger is made in a process of its own, so that the memory is that of making the report. Beside it, the curve of a long
history.
"""

from __future__ import annotations

import random
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.ledger.records import CallRecord, Question
from pytest_selfopt.report.curve import by_address, curve_of
from pytest_selfopt.report.publish import publish
from pytest_selfopt.routing.history import HISTORY, REPORTS, with_cycles
from pytest_selfopt.settings import Mode, Overrides, load_settings
from pytest_selfopt.trial import CallResult, Outcome, Reply, Trial

CASES, RUNS = 300, 7
WORDS = [f"{first}{second}" for first in ("lo", "ma", "ti", "re", "su") for second in ("ne", "ka", "vi", "do", "rush")]
NOW = "2026-11-27T06:00:00Z"
SPECS = [
    f"desk/model/atomic/{variant}/t{60 + place}/r1/i0" for place in range(12) for variant in ("schema", "few_shot")
]
GATES = (
    "comparable",
    "interleaved",
    "errors",
    "min_samples",
    "variance",
    "no_regression",
    "restraint",
    "latency",
    "veto",
)


def make(root: Path) -> None:
    """Make the ledger and the history of one cycle."""
    state, chance = root / ".selfopt", random.Random(1)
    state.mkdir()
    ease = {case: chance.random() for case in range(CASES)}
    with Ledger(state / "ledger.sqlite") as ledger:
        plan: dict[str, Any] = {
            "baseline": SPECS[0],
            "candidates": [{"spec": spec, "why": "untried"} for spec in SPECS[1:]],
        }
        cycle = ledger.start_cycle(started=0.0, seed=1, command="pytest", plan={"atomic": plan})
        ledger.record_questions(
            Question(case_hash=f"h{case}", prompt=f"Find item {case}. " * 20, expected=f"item {case}")
            for case in range(CASES)
        )
        for spec in SPECS:
            calls, judged = [], []
            for run in range(RUNS):
                for case in range(CASES):
                    right = chance.random() < ease[case] ** 0.5
                    name = f"{spec}-{run}-{case}"
                    reply = Reply(
                        text=" ".join(chance.choices(WORDS, k=80)),
                        latency_s=chance.random(),
                        tokens_in=200,
                        tokens_out=40,
                    )
                    trial = Trial(
                        phase="atomic",
                        spec=spec,
                        case=f"items/case-{case}",
                        run=run,
                        outcome=Outcome.PASS if right else Outcome.MISS,
                        reason="" if right else "expected something else",
                        case_hash=f"h{case}",
                    )
                    calls.append(
                        CallRecord(
                            id=name,
                            purpose="trial",
                            phase="atomic",
                            spec=spec,
                            case=trial.case,
                            case_hash=trial.case_hash,
                            run=run,
                            restraint=case % 4 == 0,
                            result=CallResult(reply=reply, started=float(run), ended=run + 1.0),
                            cost_usd=0.0001,
                        )
                    )
                    judged.append((name, trial))
            ledger.record_calls(cycle, calls)
            ledger.record_outcomes(judged)
        ledger.finish_cycle(cycle, ended=9000.0, status="decided")
    text, _ = with_cycles(state / HISTORY, [_entry(cycle)])
    (state / HISTORY).write_text(text or "")


def _entry(cycle: int) -> dict[str, Any]:
    gates = [
        {
            "name": name,
            "passed": name != "veto",
            "asks": "HOLD",
            "value": 0.5,
            "limit": 0.8,
            "sentence": f"{name} says so",
        }
        for name in GATES
    ]
    verdicts = [
        {
            "spec": spec,
            "verdict": "HOLD",
            "comparison": place,
            "fixed": 200 + place,
            "broken": 150,
            "passes": 7,
            "sentence": f"HOLD atomic: fixed {200 + place} answers, broke 150 in 7 passes over the same 300 prompts",
            "takes": "about 4 more passes would decide",
            "gates": gates,
        }
        for place, spec in enumerate(SPECS[1:], start=1)
    ]
    return {
        "cycle": cycle,
        "phase": "atomic",
        "started": NOW,
        "ended": NOW,
        "baseline_before": SPECS[0],
        "baseline_after": SPECS[0],
        "winner": None,
        "reason": "the baseline stays; undecided: 23 of 23",
        "verdicts": verdicts,
        "metrics": {},
        "gates": gates,
        "diagnoses": [],
        "next": {"candidates": [], "left": 0},
    }


def main() -> None:
    """Make the ledger, then the report, and tell what that took."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        subprocess.run([sys.executable, "-m", __spec__.name, str(root)], check=True)
        settings = replace(load_settings(root, Mode.CYCLE, Overrides()), reports=True)
        started = time.perf_counter()
        published = publish(settings, 1, now=NOW)
        took = time.perf_counter() - started
        assert published.page is not None, published.problem
        print(f"{len(SPECS) * CASES * RUNS:,} trials: {took:.2f} s for the reports on the cycle and over all cycles")
        print(f"most memory: {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:.0f} MB")
        for path in sorted((root / ".selfopt" / REPORTS).iterdir()):
            print(f"{path.name}: {path.stat().st_size / 1e6:.2f} MB")
    # Not before: the libraries of tests take memory, too.
    from tests.report.test_curve import count, entry

    for cycles in (500, 1_000, 2_000):
        history = [entry(cycle, SPECS[0]) for cycle in range(1, cycles + 1)]
        counts = by_address(
            count(cycle, SPECS[0], f"c{case}", 2) for cycle in range(1, cycles + 1) for case in range(40)
        )
        started = time.perf_counter()
        curve_of(history, counts, [])
        print(f"curve of {cycles:,} cycles: {time.perf_counter() - started:.2f} s")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        make(Path(sys.argv[1]))
    else:
        main()
