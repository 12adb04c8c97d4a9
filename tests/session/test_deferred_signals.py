"""A signal whose handler raises cuts no section through, wherever in it it comes, and is never lost."""

from __future__ import annotations

import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType, FunctionType, TracebackType
from typing import Any

import pytest

from pytest_selfopt.deferred_signals import undisturbed
from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.execution.dispatcher import Dispatcher, Pass
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.planning.plan import TrialKey
from pytest_selfopt.trial import CallResult


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    undisturbed.watch()
    yield
    undisturbed.restore()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


def test_a_signal_waits_for_the_outermost_section() -> None:
    done = []

    def work() -> None:
        with undisturbed:
            with undisturbed:
                interrupt()
                done.append("inside")
            done.append("still inside")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["inside", "still inside"]
    with pytest.raises(KeyboardInterrupt):
        interrupt()


def test_a_section_may_handle_a_signal() -> None:
    done = []

    def work() -> None:
        with undisturbed:
            undisturbed.heed()
            interrupt()
            done.append("before")
            undisturbed.heed()
            done.append("after")

    with pytest.raises(KeyboardInterrupt):
        work()
    assert done == ["before"]
    with undisturbed:
        pass


def test_the_later_handler_counts() -> None:
    class Late(Exception):
        pass

    def late(_number: int, _frame: FrameType | None) -> None:
        raise Late

    def work() -> None:
        with undisturbed:
            signal.setitimer(signal.ITIMER_REAL, 0.01)
            threading.Event().wait(0.1)

    before = signal.signal(signal.SIGALRM, late)
    try:
        undisturbed.watch()
        with pytest.raises(Late):
            work()
        undisturbed.restore()
        assert signal.getsignal(signal.SIGALRM) is late
    finally:
        signal.signal(signal.SIGALRM, before)


def test_other_threads_ignore_deferred_signals() -> None:
    held, go_on = threading.Event(), threading.Event()

    def hold() -> None:
        with undisturbed:
            held.set()
            go_on.wait()
            undisturbed.heed()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    with pytest.raises(KeyboardInterrupt):
        interrupt()
    go_on.set()
    thread.join()


def interrupted_at(step: int, action: Callable[[], object]) -> bool:
    """Do something with Ctrl-C at the n-th bytecode of ours and of the library's locks; whether it came to that."""
    left = step

    def trace(frame: FrameType, _event: str, _argument: Any) -> Any:
        nonlocal left
        ours = frame.f_code.co_filename.endswith(
            ("selfopt/signals.py", "ledger/ledger.py", "execution/dispatcher.py", "threading.py", "contextlib.py")
        )
        if not ours:
            return None
        frame.f_trace_opcodes = True
        left -= 1
        if left == 0:
            sys.settrace(None)
            interrupt()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    except KeyboardInterrupt:
        pass
    finally:
        sys.settrace(before)
    return left <= 0


def free(action: Callable[[], object]) -> bool:
    """Whether another thread can do something, and need not wait for ever."""
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    thread.join(60)
    return not thread.is_alive()


def test_ctrl_c_leaves_the_ledger_usable(tmp_path: Path) -> None:
    with Ledger(tmp_path / "ledger.sqlite") as ledger:
        for number in range(1, 5000):
            came = interrupted_at(number, lambda: ledger.start_cycle(started=0.0, seed=1, command="", plan={}))
            assert free(ledger.cycles), number
            ledger.start_cycle(started=0.0, seed=1, command="", plan={})
            if not came:
                break
        assert number > 50
        assert [one["status"] for one in ledger.cycles()[-2:]] == ["interrupted", "running"]


class Idle:
    """A runner whose calls never come back."""

    in_flight = 0

    def has_begun(self, _call_id: str) -> bool:
        return False

    def cancel(self) -> None:
        pass


@pytest.mark.parametrize("what", ["begin", "result"])
def test_ctrl_c_leaves_calls_stoppable(what: str) -> None:
    key = TrialKey("atomic", "spec", "case", 0)
    reply = CallResult(started=0.0, ended=1.0)
    for number in range(1, 5000):
        one = Pass(phase="atomic", run=0, keys=(key,))
        calls = Dispatcher(
            runner=Idle(),  # type: ignore[arg-type]
            passes=[one],
            call_for=lambda _: pytest.fail("nothing is called"),
            id_of=lambda _: "id",
            on_results=lambda finished: finished,
            stored={"id": reply},
        )

        def work(one: Pass = one, calls: Dispatcher = calls) -> None:
            with undisturbed:
                one.release(frozenset({"spec"}))
                calls.start()
                calls.wait_until_begun(key, lambda: None) if what == "begin" else calls.result(key, lambda: None)

        came = interrupted_at(number, work)
        assert free(calls.stop), number
        if not came:
            break
    assert number > 50


def test_discarded_results_are_not_awaited() -> None:
    key = TrialKey("atomic", "spec", "case", 0)
    calls = Dispatcher(
        runner=Idle(),  # type: ignore[arg-type]
        passes=[Pass(phase="atomic", run=0, keys=(key,))],
        call_for=lambda _: pytest.fail("nothing is called"),
        id_of=lambda _: "id",
        on_results=lambda finished: finished,
        stored={},
    )
    with pytest.raises(SelfoptError, match="no longer kept"):
        # The item ends, as by a time limit, while another thread waits for its reply.
        calls.result(key, lambda: calls.discard(key))
    calls.wait_until_begun(key, lambda: None)


def test_a_signal_waits_for_a_line() -> None:
    def work() -> None:
        signal.raise_signal(signal.SIGINT)

    # As at the instructions that a compiler adds: no line of the source is theirs.
    without_lines = FunctionType(work.__code__.replace(co_linetable=b""), globals())

    def run() -> None:
        without_lines()
        time.sleep(5)

    with pytest.raises(KeyboardInterrupt) as caught:
        run()
    assert all(entry.tb_lineno is not None for entry in _entries(caught.tb))


def _entries(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback is not None:
        yield traceback
        traceback = traceback.tb_next
