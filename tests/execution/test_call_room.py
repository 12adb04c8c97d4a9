"""No more calls at a time than this process has descriptors, memory and threads for; none of them fails for that."""

from __future__ import annotations

import random
import threading
from collections import Counter
from typing import Any

import pytest

from pytest_selfopt.execution.call_room import CallRoom, Limits, room_for
from pytest_selfopt.runners.concurrency import ConcurrencyLimiter, ModelLimit
from pytest_selfopt.runners.local import LocalRunner
from pytest_selfopt.runners.runner import Finished
from pytest_selfopt.trial import Reply
from tests.runners.test_local import Client, call

MIB = 1024 * 1024


def limits(**change: Any) -> Limits:
    values: dict[str, Any] = {"descriptors": None, "opened": 20, "address_space": None, "used": 100 * MIB, "cores": 2}
    return Limits(**{**values, **change})


def test_without_limits_all_calls_fit() -> None:
    assert room_for(4096, 4, limits()) == CallRoom()
    assert room_for(8, 4, limits(descriptors=1024, address_space=8192 * MIB)) == CallRoom()


def test_calls_fit_into_the_descriptors_that_are_left() -> None:
    room = room_for(512, 4, limits(descriptors=256))
    assert room.most is not None
    assert 20 + 4 * room.most < 256
    assert room.sentence == (
        f"at most {room.most} calls at a time, not 512: this process may open 256 files and connections, and has 20 "
        "open (ulimit -n)"
    )
    assert room_for(512, 4, limits(descriptors=30)).sentence.startswith("at most 1 call at a time, not 512: ")


def test_calls_fit_into_the_address_space() -> None:
    room = room_for(512, 4, limits(address_space=1000 * MIB))
    assert room.most is not None
    assert 1 <= room.most * 72 * MIB <= 450 * MIB
    assert room.sentence.endswith("may use 1,000 MiB of address space, and uses 100 (ulimit -v)")
    most = [room_for(512, 4, limits(address_space=space * MIB)).most or 512 for space in range(50, 12_000, 50)]
    assert most == sorted(most)
    assert (most[0], most[-1]) == (1, 512)


@pytest.mark.parametrize("started", [0, 1, 5])
def test_threads_that_cannot_be_started_are_done_without(monkeypatch: pytest.MonkeyPatch, started: int) -> None:
    start, counted = threading.Thread.start, Counter[str]()

    def refusing(thread: threading.Thread) -> None:
        if thread.name.startswith("selfopt-call"):
            counted["threads"] += 1
            if counted["threads"] > started:
                raise RuntimeError("can't start new thread")
        start(thread)

    # No limit of threads binds root, and with little address space other things fail first, each time others.
    monkeypatch.setattr(threading.Thread, "start", refusing)
    client = Client(lambda: Reply(text="ok"))
    made = LocalRunner({"m": client}, ConcurrencyLimiter({"m": ModelLimit(most=64)}), rng=random.Random(1))
    for batch in range(2):
        ended: list[Finished] = []
        calls = [call(f"{batch}-{index}") for index in range(40)]
        made.run_batch(calls, ended.extend)
        assert all(end.result.reply for end in ended)
        got = [end.call.id for end in ended]
        assert sorted(got) == sorted(one.id for one in calls)
    assert " at a time, not 40: this process can start no more threads (ulimit -u or -v)" in made.few_threads
    made.cancel()
