"""The limits that all callers of swarms share."""

from __future__ import annotations

import threading
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.swarm.permits import Permits


def test_512_callers_respect_limits_without_starving() -> None:
    """Each caller comes several times, so that some are always waiting when others come back."""
    most_in_all, most, callers, turns = 24, {"a": 3, "b": 8, "c": 20}, 512, 4
    permits = Permits(most_in_all)
    turn = threading.Lock()
    now: Counter[str] = Counter()
    peaks: Counter[str] = Counter()
    served: Counter[int] = Counter()
    done = threading.Semaphore(0)

    def end(swarm: str, caller: int) -> None:
        with turn:
            now[swarm] -= 1
            served[caller] += 1
            again = served[caller] < turns
        permits.leave(swarm)
        if again:
            enter(caller)
        else:
            done.release()

    def begin(swarm: str, caller: int) -> None:
        with turn:
            now[swarm] += 1
            peaks[swarm] = max(peaks[swarm], now[swarm])
            peaks["all"] = max(peaks["all"], now.total())
        threading.Timer(0.0005, end, (swarm, caller)).start()

    def enter(caller: int) -> None:
        swarm = "abc"[caller % 3]
        permits.enter(swarm, most[swarm], lambda: begin(swarm, caller))

    threads = [threading.Thread(target=enter, args=(caller,)) for caller in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for _ in range(callers):
        assert done.acquire(timeout=60)
    assert served == dict.fromkeys(range(callers), turns)
    assert all(peaks[swarm] <= limit for swarm, limit in most.items())
    assert peaks["all"] <= most_in_all
    assert permits.in_flight == 0


@given(st.data(), st.integers(1, 6), st.lists(st.integers(1, 4), min_size=1, max_size=3))
def test_permits_keep_limits_and_order(data: st.DataObject, most_in_all: int, most: list[int]) -> None:
    permits = Permits(most_in_all)
    begun: list[tuple[int, int]] = []
    running: list[int] = []
    came = 0
    for _ in range(data.draw(st.integers(1, 40))):
        leaves: bool = data.draw(st.booleans())
        if running and leaves:
            swarm = running.pop(data.draw(st.integers(0, len(running) - 1)))
            permits.leave(str(swarm))
        else:
            swarm, number = data.draw(st.integers(0, len(most) - 1)), came
            came += 1

            def begin(swarm: int = swarm, number: int = number) -> None:
                begun.append((swarm, number))
                running.append(swarm)

            permits.enter(str(swarm), most[swarm], begin)
        counts = Counter(running)
        assert len(running) == permits.in_flight <= most_in_all
        assert all(counts[swarm] <= limit for swarm, limit in enumerate(most))
        waiting = came - len(begun)
        full = len(running) == most_in_all
        # Nobody waits while there is room for them.
        assert not waiting or full or any(counts[swarm] == limit for swarm, limit in enumerate(most))
    for swarm in range(len(most)):
        order = [number for one, number in begun if one == swarm]
        assert order == sorted(order)


def test_a_closed_limiter_admits_no_caller() -> None:
    permits, begun = Permits(1), Counter[str]()
    for name in ("first", "second"):
        permits.enter("swarm", 1, lambda name=name: begun.update([name]))  # type: ignore[misc]
    permits.close()
    permits.leave("swarm")
    assert begun == {"first": 1}
