"""What a trial costs under xdist, beside a plain item: `python -m tests.performance.distributed [-n 2]`.

CPU seconds of pytest and all its workers. The model is a client that answers at once, in the session's own process.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

ITEMS = 10_000
PASSES = 7
SPECS = 2
BEST_OF = 3

PLAIN = f"""
import pytest

@pytest.mark.parametrize("number", range({ITEMS}))
def test_nothing(number):
    assert number >= 0
"""
BENCHMARK = """
import pytest

@pytest.mark.selfopt("items.jsonl")
def test_items(case, reply):
    case.check(reply)
"""
CLIENT = """
from pytest_selfopt import Reply


class AtOnce:
    def __init__(self, model):
        pass

    def ask(self, request, *, timeout_s):
        return Reply(text="yes", tokens_in=1, tokens_out=1)

    def abort(self):
        pass
"""
SETTINGS = """
[tool.selfopt]
model = "near/model"
candidates = 1
[tool.selfopt.providers.near]
client = "near:AtOnce"
max_concurrency = 8
[tool.selfopt.search]
variants = ["native_api", "atomic"]
timeouts = []
retries = []
isolation = []
warmup = []
"""


def measured(folder: Path, *arguments: str) -> float:
    """CPU seconds of a session."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    done = subprocess.run([*command, *arguments], cwd=folder, capture_output=True, text=True)
    if (
        f"{ITEMS // (PASSES * SPECS) * PASSES * SPECS} passed" not in done.stdout
        and f"{ITEMS} passed" not in done.stdout
    ):
        raise SystemExit(done.stdout[-2000:] + done.stderr[-2000:])
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print what an item costs, what a trial costs, and what a trial adds."""
    parser = argparse.ArgumentParser()
    parser.add_argument("-n", type=int, default=2)
    number = parser.parse_args().n
    trials = ITEMS // (PASSES * SPECS) * PASSES * SPECS
    with tempfile.TemporaryDirectory() as place:
        plain, ours = Path(place, "plain"), Path(place, "ours")
        plain.mkdir()
        ours.mkdir()
        (plain / "test_nothing.py").write_text(PLAIN)
        (ours / "test_items.py").write_text(BENCHMARK)
        (ours / "near.py").write_text(CLIENT)
        (ours / "pyproject.toml").write_text(SETTINGS)
        cases = ({"id": f"case-{n}", "prompt": f"Number {n}?", "expect": {"exact": "yes"}} for n in range(trials // 14))
        (ours / "items.jsonl").write_text("".join(json.dumps(one) + "\n" for one in cases))
        plain_s, ours_s = [], []
        for turn in range(BEST_OF):
            plain_s.append(measured(plain, f"-n{number}"))
            state = ["--selfopt-cycle", "--selfopt-no-race", f"--selfopt-state-dir=state-{turn}"]
            ours_s.append(measured(ours, f"-n{number}", *state))
    item_ms, trial_ms = min(plain_s) / ITEMS * 1e3, min(ours_s) / trials * 1e3
    added_ms = trial_ms - item_ms
    print(f"-n {number}: a plain item {item_ms:.2f} ms CPU, a trial {trial_ms:.2f} ms, it adds {added_ms:.2f} ms")


if __name__ == "__main__":
    main()
