"""The ledger keeps what was finished, whatever ends the process afterwards."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
import threading
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_selfopt.errors import StateError
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.ledger.records import CallRecord, Question
from pytest_selfopt.ledger.schema import SCHEMA_VERSION, why_unusable
from pytest_selfopt.trial import CallError, CallResult, ErrorKind, FailedAttempt, Outcome, Reply, ToolCall, Trial
from tests import warm
from tests.ledger_file import open_ledger

SPEC = "m/atomic/schema/t60/r1/i0"


def record(name: str, *, run: int = 0, result: CallResult | None = None) -> CallRecord:
    reply = Reply(
        text="lone \ud800 surrogate",
        tool_calls=(ToolCall(name="f", arguments={"x": [1, None, {"y": 2.5}]}),),
        served_model="m-\udfff",
        provider_id="gen-1",
        latency_s=0.5,
        tokens_in=10,
        tokens_out=3,
    )
    return CallRecord(
        id=name,
        purpose="trial",
        phase="atomic",
        spec=SPEC,
        case="suite/case",
        case_hash="abc",
        run=run,
        restraint=True,
        result=result or CallResult(reply=reply, started=1.0, ended=2.0, in_flight=3, lane="m", lane_seq=7),
    )


def trial(outcome: Outcome, reason: str = "") -> Trial:
    return Trial(phase="atomic", spec=SPEC, case="suite/case", run=0, outcome=outcome, called=True, reason=reason)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "state" / "ledger.sqlite")


def start(ledger: Ledger) -> int:
    return ledger.start_cycle(started=0.0, seed=1, command="pytest", plan={"atomic": []})


def test_a_call_round_trips(ledger: Ledger) -> None:
    error = CallError(kind=ErrorKind.RATE_LIMIT, message="slow down", status=429, retry_after_s=2.0)
    tried = FailedAttempt(error=error, started=1.0, ended=1.5)
    result = CallResult(
        error=error, started=1.0, ended=2.0, failed_attempts=(tried, tried), waited_s=0.5, queue_depth=3, in_flight=2
    )
    cycle = start(ledger)
    ledger.record_calls(cycle, [record("replied")])
    ledger.record_calls(cycle, [record("failed", result=result)])
    assert ledger.results(cycle)["replied"] == record("replied").result
    assert ledger.results(cycle)["failed"] == result
    assert "never made" not in ledger.results(cycle)


def test_the_first_record_of_a_call_wins(ledger: Ledger) -> None:
    cycle = start(ledger)
    ledger.record_calls(cycle, [record("one")])
    ledger.record_calls(cycle, [record("one", result=CallResult(started=9.0, ended=9.0))])
    assert ledger.results(cycle)["one"] == record("one").result


def test_a_trial_is_a_judged_call(ledger: Ledger) -> None:
    cycle = start(ledger)
    ledger.record_calls(cycle, [record("judged")])
    ledger.record_calls(cycle, [record("not yet", run=1)])
    ledger.record_outcomes([("judged", trial(Outcome.MISS, "said \ud800"))])
    (found,) = ledger.trials([cycle], "atomic")[cycle]
    assert (found.outcome, found.reason, found.called) == (Outcome.MISS, "said \\ud800", True)
    assert (found.latency_s, found.tokens_in, found.lane_seq, found.restraint) == (0.5, 10, 7, True)
    assert ledger.counts(cycle) == {"miss": 1, "unjudged": 1}


def read_all(ledger: Ledger, cycle: int) -> None:
    ledger.cycles()
    ledger.results(cycle)
    ledger.trials([cycle], "atomic")
    ledger.log.read()


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE call SET reply = '{'",
        "UPDATE call SET outcome = 'liss'",
        "UPDATE call SET attempt_errors = CAST(x'ff5b' AS TEXT)",
        "UPDATE call SET spec = x'00ff'",
        "UPDATE cycle SET plan = '[1, '",
        "UPDATE log_line SET hash = x'ff' WHERE number = 1",
    ],
)
def test_a_damaged_row_is_told(ledger: Ledger, change: str) -> None:
    cycle = start(ledger)
    ledger.record_calls(cycle, [record("judged")])
    ledger.record_outcomes([("judged", trial(Outcome.MISS))])
    ledger.log.extend(["0" * 64])
    with open_ledger(ledger.path) as connection:
        connection.execute(change)
        connection.commit()
    with pytest.raises(StateError, match=r"ledger\.sqlite: .*move it away to start a new one"):
        read_all(ledger, cycle)


def test_a_resumed_cycle_runs_and_decides_anew(ledger: Ledger) -> None:
    cycle = ledger.start_cycle(started=1.0, seed=0, command="pytest", plan={})
    ledger.record_decision(cycle, time=2.0, phase="atomic", kind="hold", spec=SPEC, sentence="", detail={})
    ledger.finish_cycle(cycle, ended=2.0, status="interrupted")
    ledger.resume_cycle(cycle)
    with open_ledger(ledger.path) as connection:
        assert connection.execute("SELECT status, ended FROM cycle").fetchall() == [("running", None)]
        assert connection.execute("SELECT count(*) FROM decision").fetchone() == (0,)


def test_a_comparison_keeps_its_number(ledger: Ledger) -> None:
    first, second = start(ledger), start(ledger)
    where: dict[str, Any] = {"phase": "atomic", "baseline": "b", "suite_hash": "s:1", "share_of": share}
    one = ledger.open_comparison(**where, candidate="c1", cycle=first)
    two = ledger.open_comparison(**where, candidate="c2", cycle=first)
    ledger.settle_comparison(one.number, state="held", wins=3, losses=1, passes=3, sentence="more is needed")
    again = ledger.open_comparison(**where, candidate="c1", cycle=second)
    other_suite = ledger.open_comparison(
        phase="atomic", baseline="b", candidate="c1", suite_hash="s:2", cycle=second, share_of=share
    )
    assert (one.number, two.number, again.number, other_suite.number) == (1, 2, 1, 3)
    assert again.cycles == (first, second)
    assert [comparison.number for comparison in ledger.comparisons("atomic")] == [1, 2, 3]
    assert ledger.comparisons("extended") == ()


def share(test: int) -> float:
    return 1 / (test + 1)


def test_the_spent_budget_sums_the_shares(ledger: Ledger) -> None:
    cycle = start(ledger)
    where: dict[str, Any] = {"phase": "atomic", "baseline": "b", "suite_hash": "s:1", "cycle": cycle}
    free = ledger.open_comparison(**where, candidate="c1", share_of=None)
    first = ledger.open_comparison(**where, candidate="c2", share_of=share)
    again = ledger.open_comparison(**where, candidate="c2", share_of=share)
    assert (free.test, free.share) == (None, 0)
    assert (first.test, first.share) == (again.test, again.share) == (1, 0.5)
    assert [one.share for one in ledger.comparisons()] == [0, 0.5]


def test_only_new_trials_make_an_unguaranteed_comparison_count(ledger: Ledger) -> None:
    first, second = start(ledger), start(ledger)
    where: dict[str, Any] = {"phase": "atomic", "baseline": "b", "suite_hash": "s:1", "candidate": "c"}
    free = ledger.open_comparison(**where, cycle=first, share_of=None)
    counted = ledger.open_comparison(**where, cycle=second, share_of=share)
    assert (free.cycles, counted.cycles) == ((first,), (second,))
    assert (counted.number, counted.test) == (free.number, 1)
    kept = ledger.open_comparison(**where, cycle=start(ledger), share_of=None)
    assert (kept.test, kept.share, kept.cycles) == (1, 0.5, (second, 3))


def test_many_threads_write_at_once(ledger: Ledger) -> None:
    cycle = start(ledger)

    def write(worker: int) -> None:
        for index in range(25):
            ledger.record_calls(cycle, [record(f"{worker}-{index}")])

    threads = [threading.Thread(target=write, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert ledger.counts(cycle) == {"unjudged": 200}


def test_kill_9_loses_no_recorded_call(tmp_path: Path) -> None:
    script = textwrap.dedent("""
        import sys
        from pathlib import Path
        from pytest_selfopt.ledger.ledger import Ledger
        from pytest_selfopt.ledger.records import CallRecord, Question
        from pytest_selfopt.trial import CallResult, Reply
        ledger = Ledger(Path(sys.argv[1]))
        cycle = ledger.start_cycle(started=0.0, seed=1, command="c", plan={})
        for index in range(1_000_000):
            result = CallResult(reply=Reply(text="x" * 500), started=0.0, ended=0.0)
            ledger.record_calls(cycle, [CallRecord(id=str(index), purpose="trial", phase="p", spec="s", case="c",
                                                   case_hash="h", run=0, restraint=False, result=result)])
            print(index, flush=True)
    """)
    path = tmp_path / "ledger.sqlite"
    process = subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    seen = [int(process.stdout.readline()) for _ in range(200)]
    os.kill(process.pid, signal.SIGKILL)
    seen += [int(line) for line in process.stdout.read().splitlines() if line.strip()]
    process.stdout.close()
    process.wait()
    with Ledger(path) as ledger:
        assert str(seen[-1]) in ledger.results(1)
        assert ledger.counts(1)["unjudged"] >= len(seen)


def test_a_foreign_file_is_refused_untouched(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_text("these are my notes, not a database; " * 20)
    with pytest.raises(StateError, match="move it away"):
        Ledger(path)
    assert path.read_text().startswith("these are my notes")


def test_a_newer_ledger_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    Ledger(path).close()
    with open_ledger(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StateError, match="version 99"):
        Ledger(path)


def test_an_uncreatable_state_directory_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the folder should be")
    with pytest.raises(StateError, match="cannot open the ledger"):
        Ledger(tmp_path / "state" / "ledger.sqlite")


COMPARED: dict[str, Any] = {"phase": "atomic", "baseline": "b", "suite_hash": "s:1", "cycle": 1}


def make_old(path: Path, version: int) -> None:
    """Make a ledger as a version left it: one cycle with a call, and two comparisons."""
    with Ledger(path) as ledger:
        cycle = start(ledger)
        ledger.record_calls(cycle, [record("kept")])
        ledger.record_outcomes([("kept", trial(Outcome.MISS, "wrong"))])
        for name in ("c1", "c2"):
            ledger.open_comparison(**COMPARED, candidate=name, share_of=share)
    undo = {
        8: "DROP TABLE log_line;",
        7: "DROP TABLE step;",
        6: "DROP INDEX call_by_answer; ALTER TABLE call DROP COLUMN answer_id; ALTER TABLE call DROP COLUMN copied;",
        5: "ALTER TABLE call DROP COLUMN weight;",
        4: "ALTER TABLE call DROP COLUMN finish_reason;",
        3: "DROP TABLE question;",
        2: "DROP INDEX IF EXISTS comparison_by_test; CREATE TABLE older AS SELECT number, phase, baseline, candidate, "
        "suite_hash, state, cycles, wins, losses, passes, sentence FROM comparison; DROP TABLE comparison; "
        "ALTER TABLE older RENAME TO comparison;",
        1: "ALTER TABLE call DROP COLUMN first_try; ALTER TABLE call DROP COLUMN waited_s; "
        "ALTER TABLE call DROP COLUMN queue_depth;",
    }
    with open_ledger(path) as connection:
        for step in range(SCHEMA_VERSION - 1, version - 1, -1):
            connection.executescript(undo[step])
        connection.execute(f"PRAGMA user_version = {version}")
    connection.close()


@pytest.mark.parametrize("version", [1, 2, 3, 4, 5, 6, 7, 8])
def test_an_older_ledger_is_migrated_losslessly(tmp_path: Path, version: int) -> None:
    path, cycle = tmp_path / "ledger.sqlite", 1
    make_old(path, version)
    with Ledger(path) as ledger:
        shares = [(1, 220), (2, 264)] if version < 3 else [(1, 2), (2, 3)]
        assert [(one.test, round(1 / one.share)) for one in ledger.comparisons()] == shares
        assert ledger.results(cycle)["kept"].first_try
        assert [answered.cycle for answered in ledger.answered(["gen-1"], outside=2)["gen-1"]] == [cycle]
        (found,) = ledger.trials([cycle], "atomic")[cycle]
        assert (found.outcome, found.copied) == (Outcome.MISS, "")
        assert ledger.open_comparison(**COMPARED, candidate="c3", share_of=share).test == 3
        question = Question(case_hash="abc", prompt="lone \ud800 surrogate", expected="nothing")
        assert ledger.questions(["abc"]) == {}
        ledger.record_questions([question, Question(case_hash="abc", prompt="another", expected="")])
        assert ledger.questions(["abc", "def"])["abc"].prompt == "lone \\ud800 surrogate"


OPENS = """
import sys
from pathlib import Path
from pytest_selfopt.ledger.ledger import Ledger
print("ready", flush=True)
while not Path(sys.argv[2]).exists():
    pass
with Ledger(Path(sys.argv[1])) as ledger:
    print(len(ledger.cycles()))
"""


@pytest.mark.parametrize("version", [None, 1, 3])
def test_concurrent_processes_all_open_the_ledger(tmp_path: Path, version: int | None) -> None:
    for attempt in range(4):
        path = tmp_path / f"{attempt}.sqlite"
        if version is not None:
            make_old(path, version)
        begin = tmp_path / f"{attempt}.begin"
        command = [warm.python(), "-c", OPENS, str(path), str(begin)]
        opened = [
            subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(8)
        ]
        for one in opened:
            assert one.stdout is not None
            assert one.stdout.readline() == "ready\n"
        begin.touch()
        told = [one.communicate() for one in opened]
        assert {out.strip() for out, _ in told} == {"0" if version is None else "1"}, told
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA user_version").fetchone()[0] == SCHEMA_VERSION
            assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"


def test_totals_state_the_unknown_cost(ledger: Ledger) -> None:
    first, second = start(ledger), start(ledger)
    ledger.record_calls(first, [record("one"), record("two", run=1)])
    ledger.record_calls(second, [replace(record("three"), cost_usd=0.25)])
    ledger.finish_cycle(first, ended=10.0, status="decided")
    of_first, of_all = ledger.totals(first), ledger.totals()
    assert (of_first.trials, of_first.calls, of_first.tokens, of_first.unpriced) == (2, 2, 26, 2)
    assert (of_all.trials, of_all.known_cost_usd, of_all.unpriced) == (3, 0.25, 2)
    assert (of_first.seconds, of_all.seconds) == (10.0, 10.0)


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (sqlite3.SQLITE_NOTADB, "move it away to start a new one"),
        (sqlite3.SQLITE_FULL, "free space for "),
        (sqlite3.SQLITE_READONLY, "and its files have to be writable, or choose another state directory"),
        (sqlite3.SQLITE_CANTOPEN, "and its files have to be writable, or choose another state directory"),
    ],
)
def test_only_a_damaged_ledger_is_moved_away(tmp_path: Path, number: int, advice: str) -> None:
    problem = sqlite3.OperationalError("no")
    problem.sqlite_errorcode = number
    said = why_unusable(tmp_path / "ledger.sqlite", problem)
    assert advice in said
    assert ("move it away" in said) is (number == sqlite3.SQLITE_NOTADB)
