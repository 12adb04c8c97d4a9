"""What the harness costs a call: `python -m tests.performance.overhead`.

Whole commands from the shell against a scripted server on loopback with a fixed latency, in a process of its own: 128
cases in 7 runs with a substring check, one pytest item for each trial, every trial in the ledger. Beside each stands a
plain loop of threads with `requests` that does the same without pytest, in the same run. `ideal` is calls × latency /
concurrency. Times are the best of the rounds, the median in brackets; CPU is that of the whole command less that of the
same command with one call. Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

LATENCY_S = 0.1
CASES, RUNS = 128, 7
MANY_CASES = 7_143
BAR = {8: 1.08, 64: 1.6, 512: 8.0}
PLUGINS = ("-p", "xdist.plugin", "-p", "pytest_timeout", "-p", "selfopt")

TEST = """
import pytest

@pytest.mark.selfopt("items.jsonl")
def test_items(case, reply):
    case.check(reply)
"""

PLAIN = """
import queue, sys, threading
import requests

url, calls, concurrency = sys.argv[1] + "/chat/completions", int(sys.argv[2]), int(sys.argv[3])
waiting, passed, own = queue.SimpleQueue(), [], threading.local()
for index in range(calls):
    waiting.put(index)

def work():
    own.session = requests.Session()
    own.session.trust_env = False
    while True:
        try:
            index = waiting.get_nowait()
        except queue.Empty:
            return
        prompt = f"Question {index % 128}: what is the answer?"
        body = {"model": "m", "messages": [{"role": "user", "content": prompt}], "temperature": 0, "max_tokens": 64}
        reply = own.session.post(url, json=body, timeout=60).json()
        passed.append("42" in reply["choices"][0]["message"]["content"])

threads = [threading.Thread(target=work) for _ in range(concurrency)]
for thread in threads: thread.start()
for thread in threads: thread.join()
assert sum(passed) == calls
"""


@dataclass(frozen=True, slots=True)
class Used:
    """What one command took: wall-clock and CPU seconds, and the megabytes of its largest process."""

    wall_s: float
    cpu_s: float
    peak_mb: float


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="how often each command is run (default: 7)")
    parser.add_argument("--without-many", action="store_true", help="leave the 50,000 trials out")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), LATENCY_S) as server:
        project = Project(Path(folder), server)
        one = project.best(options.rounds, "-k", "c000 and run0", concurrency=8)
        print(f"start-up with one call: {_seconds([used.wall_s for used in one])}, bar 0.6 s\n")
        idle_s = min(used.cpu_s for used in one)
        _header()
        for concurrency in (8, 64, 512):
            ideal_s = CASES * RUNS * LATENCY_S / concurrency
            for overlap in (False, True):
                used = project.best(options.rounds, concurrency=concurrency, overlap=overlap)
                name = f"selfopt at {concurrency}, passes {'overlapping' if overlap else 'in order'}"
                _row(name, used, ideal_s, idle_s, f"≤ {BAR[concurrency]:g} ×")
            plain = [project.plain(concurrency) for _ in range(options.rounds)]
            _row(f"plain threads + requests at {concurrency}", plain, ideal_s, 0.0, "")
    _in_flight()
    if not options.without_many:
        _many()


class Project:
    """A folder with a benchmark of questions that the server answers."""

    def __init__(self, folder: Path, server: str, cases: int = CASES) -> None:
        self._folder = folder
        self._server = server
        (folder / "test_items.py").write_text(TEST)
        (folder / "plain.py").write_text(PLAIN)
        case = '{"id": "c%03d", "prompt": "Question %d: what is the answer?", "expect": {"contains": "42"}}\n'
        (folder / "items.jsonl").write_text("".join(case % (index, index) for index in range(cases)))

    def best(self, rounds: int, *arguments: str, concurrency: int, overlap: bool = False) -> list[Used]:
        """A cycle that only watches its baseline, `rounds` times."""
        self.configure(concurrency=concurrency, overlap=overlap)
        command = [sys.executable, "-m", "pytest", "-q", *PLUGINS, "--selfopt-cycle", *arguments]
        return [self._fresh(command) for _ in range(rounds)]

    def configure(self, *, concurrency: int, overlap: bool = False) -> None:
        """Let a cycle search nothing."""
        (self._folder / "selfopt.toml").write_text(
            f'model = "local/m"\n[models."local/m"]\nbase_url = "{self._server}"\nmax_concurrency = {concurrency}\n'
            f"overlap = {str(overlap).lower()}\n[gates]\nmin_samples = {RUNS}\n"
            "[search]\nvariants = []\ntimeouts = []\nretries = []\nisolation = []\nwarmup = []\n"
        )

    def plain(self, concurrency: int) -> Used:
        """The same calls without a harness."""
        return _run([sys.executable, "plain.py", self._server, str(CASES * RUNS), str(concurrency)], self._folder, (0,))

    def _fresh(self, command: Sequence[str]) -> Used:
        shutil.rmtree(self._folder / ".selfopt", ignore_errors=True)
        shutil.rmtree(self._folder / ".pytest_cache", ignore_errors=True)
        (self._folder / "routing_config.json").unlink(missing_ok=True)
        return _run(command, self._folder, (0, 10))


@contextmanager
def serving(folder: Path, latency_s: float) -> Iterator[str]:
    """A scripted server in a process of its own; yields its address."""
    (folder / "script.yaml").write_text(f'latency: {latency_s}\ndefault: {{text: "the answer is 42"}}\n')
    command = [sys.executable, "-m", "pytest_selfopt.cli", "scripted", str(folder / "script.yaml")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[0]
        finally:
            process.terminate()


def _in_flight() -> None:
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), 2.0) as server:
        project = Project(Path(folder), server, cases=1_024)
        (used,) = project.best(1, "-k", "run0", concurrency=512)
        with urllib.request.urlopen(f"{server.removesuffix('/v1')}/seen") as answer:
            seen = json.load(answer)
        print(f"\nat a latency of 2 s: {seen['most_in_flight']} calls in flight at once, seen by the server; bar 512")
        print(f"{seen['asked']} calls in {used.wall_s:.2f} s, ideal {seen['asked'] * 2 / 512:.2f} s")


def _many() -> None:
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), 0.01) as server:
        project = Project(Path(folder), server, cases=MANY_CASES)
        trials = MANY_CASES * RUNS
        for overlap in (False, True):
            (used,) = project.best(1, concurrency=64, overlap=overlap)
            passes = "overlapping" if overlap else "in order"
            print(
                f"{trials:,} trials, passes {passes}: peak memory {used.peak_mb:.0f} MB, bar 300 MB; "
                f"{used.wall_s:.0f} s, {used.cpu_s / trials * 1000:.2f} ms CPU a trial"
            )


def _run(command: Sequence[str], folder: Path, statuses: Sequence[int]) -> Used:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    began = time.perf_counter()
    process = subprocess.Popen(
        command,
        cwd=folder,
        env={**environment, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    said = process.stdout.read()
    _, status, usage = os.wait4(process.pid, 0)
    wall_s = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    process.stdout.close()
    if process.returncode not in statuses:
        raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}:\n{said}")
    return Used(wall_s, usage.ru_utime + usage.ru_stime, _megabytes(usage))


def _megabytes(usage: resource.struct_rusage) -> float:
    """Peak memory, which Linux counts in KiB and macOS in bytes."""
    return usage.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)


def _header() -> None:
    print(f"{CASES * RUNS} calls of {LATENCY_S * 1000:.0f} ms")
    print(f"{'':44}{'wall':>18}{'× ideal':>10}{'bar':>10}{'CPU a call':>14}{'peak':>9}")


def _row(name: str, used: Sequence[Used], ideal_s: float, idle_s: float, bar: str) -> None:
    best = min(one.wall_s for one in used)
    cpu_ms = min(one.cpu_s - idle_s for one in used) / (CASES * RUNS) * 1000
    peak = max(one.peak_mb for one in used)
    wall = _seconds([one.wall_s for one in used])
    print(f"{name:44}{wall:>18}{best / ideal_s:>10.2f}{bar:>10}{cpu_ms:>11.2f} ms{peak:>6.0f} MB", flush=True)


def _seconds(times: Sequence[float]) -> str:
    return f"{min(times):.2f} s ({statistics.median(times):.2f})"


if __name__ == "__main__":
    main()
