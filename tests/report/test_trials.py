"""Trials as a table, whatever their texts hold and however many there are."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.export.trials import COLUMNS, trials_csv, trials_json
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.ledger.records import CallRecord
from pytest_selfopt.trial import CallResult, ErrorKind, Outcome, Trial

# What SQLite gives back: no lone surrogates, and no NUL in what the ledger writes.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20) | st.sampled_from(
    ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "\nx", "'", "'=x", '"', 'a","b', "a\r\nb"]
)
NUMBERS = st.none() | st.floats(allow_nan=False, allow_infinity=False)
TRIALS = st.tuples(
    st.integers(1, 9),
    st.builds(
        Trial,
        phase=TEXTS,
        spec=TEXTS,
        case=TEXTS,
        run=st.integers(0, 20),
        outcome=st.sampled_from(Outcome),
        restraint=st.booleans(),
        error_kind=st.none() | st.sampled_from(ErrorKind),
        reason=TEXTS,
        latency_s=NUMBERS,
        cost_usd=NUMBERS,
        tokens_in=st.none() | st.integers(0, 10**9),
        served_model=TEXTS,
    ),
)
LISTS = st.lists(TRIALS, max_size=5)


@given(LISTS)
def test_escaped_formulas_can_be_restored(trials: list[tuple[int, Trial]]) -> None:
    table = list(csv.reader(io.StringIO("".join(trials_csv(trials)), newline=""), strict=True))
    assert table[0] == list(COLUMNS)
    assert len(table) == len(trials) + 1
    for cells, (cycle, trial) in zip(table[1:], trials, strict=True):
        row = dict(zip(COLUMNS, cells, strict=True))
        assert row["cycle"] == str(cycle)
        for name in ("phase", "spec", "case", "reason", "served_model"):
            assert not row[name].startswith(("=", "+", "-", "@", "\t", "\r", "\n"))
            assert row[name].removeprefix("'") == getattr(trial, name)
        assert row["cost_usd"] == ("" if trial.cost_usd is None else repr(trial.cost_usd))
        assert row["restraint"] == str(trial.restraint).lower()


@given(LISTS)
def test_json_gives_the_trials_back(trials: list[tuple[int, Trial]]) -> None:
    text = "".join(trials_json(trials))
    document = json.loads(text)
    assert [(one["cycle"], Trial.from_json(one)) for one in document["trials"]] == trials
    assert text.isascii()
    assert len(text.splitlines()) == len(trials) + 2


def _most_memory(state: Path, form: str) -> int:
    """MiB that the command takes at most."""
    code = (
        "import resource, sys\nfrom pytest_selfopt.cli import main\n"
        f"status = main(['export', {form!r}, '--state-dir', {str(state)!r}, '-o', {str(state / form)!r}])\n"
        "print(status, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, sys.platform)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=state)
    status, most, platform = done.stdout.split()[-3:]
    assert status == "0"
    return int(most) // (1024 * 1024 if platform == "darwin" else 1024)


def test_many_trials_need_little_memory(tmp_path: Path) -> None:
    few, many = tmp_path / "few", tmp_path / "many"
    for state, number in ((few, 10), (many, 30_000)):
        _fill(state, number)
    for form in ("csv", "json"):
        assert _most_memory(many, form) < _most_memory(few, form) + 12
        assert (many / form).read_bytes().count(b"\n") >= 30_001


def _fill(state: Path, number: int) -> None:
    result = CallResult(started=1.0, ended=2.0)
    with Ledger(state / "ledger.sqlite") as ledger:
        cycle = ledger.start_cycle(started=0.0, seed=1, command="pytest", plan={})
        spec = "desk/llama/atomic/native_api/t60/r1/i0"
        for run in range(max(1, number // 1000)):
            names = [f"case-{place}" for place in range(min(number, 1000))]
            records = [
                CallRecord(
                    id=f"{name}-{run}",
                    purpose="trial",
                    phase="atomic",
                    spec=spec,
                    case=name,
                    case_hash="0123456789abcdef",
                    run=run,
                    restraint=False,
                    result=result,
                )
                for name in names
            ]
            ledger.record_calls(cycle, records)
            reason = "expected look_up, and no tool was called at all in this answer" * 3
            judged = Trial(phase="atomic", spec=spec, case="", run=run, outcome=Outcome.MISS, reason=reason)
            ledger.record_outcomes([(one.id, judged) for one in records])
