"""The slots that calls are made in: one account for all callers of a process, by model and by provider."""

from __future__ import annotations

import threading
import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_selfopt.runners.adaptive import Limit, after_rate_limit, after_success
from pytest_selfopt.trial import CallError, ErrorKind, Reply

HOLD_STEP_S = 0.1
"""Many refusals of one moment make one hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLimit:
    """How many calls one model takes at a time at most, and whose model it is."""

    most: int
    provider: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """A place that was given: when (seconds of a monotonic clock), and how many the model's calls then were."""

    model: str
    given_at: float
    in_flight: int


@dataclass(slots=True, eq=False)
class _Waiter:
    model: str
    given: Slot | None = None
    turn: threading.Event = field(default_factory=threading.Event)


class ConcurrencyLimiter:
    """Gives out slots in the order they are asked for, as far as model and provider have room.

    A model whose server answers "too many requests" gets less room and later more again, and none before the time it
    asked for has passed.
    """

    def __init__(self, rooms: Mapping[str, ModelLimit], providers: Mapping[str, int] | None = None) -> None:
        """Share out `rooms` by model; `providers` bounds all models of a provider together."""
        self._rooms = rooms
        self._providers = providers or {}
        self._limits = {model: Limit(allowed=room.most, ceiling=room.most) for model, room in rooms.items()}
        self._held_until: dict[str, float] = {}
        self._of_model: Counter[str] = Counter()
        self._of_provider: Counter[str] = Counter()
        self._waiting: deque[_Waiter] = deque()
        self._turn = threading.Lock()
        self._closed = False

    @property
    def in_flight(self) -> int:
        """How many slots are given."""
        return self._of_model.total()

    @property
    def waiting(self) -> int:
        """How many callers wait for one."""
        return len(self._waiting)

    def limit(self, model: str) -> Limit:
        """What a model is allowed now."""
        return self._limits[model]

    def most(self, model: str) -> int:
        """How many slots a model can ever have at a time."""
        room = self._rooms[model]
        return min(room.most, self._providers.get(room.provider, room.most))

    def take(self, model: str) -> Slot | None:
        """Wait for a slot; None when there will be no more of them."""
        with self._turn:
            if self._closed:
                return None
            if not self._waiting and self._fits(model, time.monotonic()):
                return self._give(model)
            waiter = _Waiter(model)
            self._waiting.append(waiter)
        waiter.turn.wait()
        return waiter.given

    def give_back(self, slot: Slot, answer: Reply | CallError) -> None:
        """Free a slot, and learn from what came of it."""
        now = time.monotonic()
        with self._turn:
            self._of_model[slot.model] -= 1
            self._of_provider[self._rooms[slot.model].provider] -= 1
            limit = self._limits[slot.model]
            if isinstance(answer, Reply):
                limit = after_success(limit, sent_at=slot.given_at, in_flight=slot.in_flight, now=now)
            elif answer.kind is ErrorKind.RATE_LIMIT:
                limit = after_rate_limit(limit, sent_at=slot.given_at, now=now)
            self._limits[slot.model] = limit
            if self._waiting:
                self._admit()

    def hold(self, model: str, seconds: float) -> None:
        """Give this model's callers no slot before `seconds` have passed."""
        until = time.monotonic() + seconds
        with self._turn:
            if until < self._held_until.get(model, 0.0) + HOLD_STEP_S:
                return
            self._held_until[model] = until
        # Nobody may be under way whose slot would come back and let the others in.
        later = threading.Timer(seconds, self._let_in)
        later.daemon = True
        later.start()

    def close(self) -> None:
        """Give out nothing more; whoever waits goes away empty-handed."""
        with self._turn:
            self._closed = True
            while self._waiting:
                self._waiting.popleft().turn.set()

    def _fits(self, model: str, now: float) -> bool:
        provider = self._rooms[model].provider
        return (
            self._of_model[model] < self._limits[model].allowed
            and self._of_provider[provider] < self._providers.get(provider, 10**9)
            and self._held_until.get(model, now) <= now
        )

    def _give(self, model: str) -> Slot:
        self._of_model[model] += 1
        self._of_provider[self._rooms[model].provider] += 1
        return Slot(model, time.monotonic(), self._of_model[model])

    def _let_in(self) -> None:
        with self._turn:
            self._admit()

    def _admit(self) -> None:
        """Give slots to all who wait and can have one, the longest waiting first."""
        now = time.monotonic()
        still: deque[_Waiter] = deque()
        for waiter in self._waiting:
            if self._fits(waiter.model, now):
                waiter.given = self._give(waiter.model)
                waiter.turn.set()
            else:
                still.append(waiter)
        self._waiting = still
