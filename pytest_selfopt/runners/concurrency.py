"""Slots for calls, shared by all callers of a process, by model and by provider."""

from __future__ import annotations

import contextlib
import threading
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pytest_selfopt import clock
from pytest_selfopt.runners.adaptive import Limit, after_rate_limit, after_success
from pytest_selfopt.trial import CallError, ErrorKind, Reply

_TICK_S = 1.0
"""Seconds between looks of a waiting caller at the limits, which also change with time."""

_UNBOUNDED = 10**9

HOLD_STEP_S = 0.1
"""Seconds within which many rate limits count as one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelLimit:
    """The maximum of calls to one model in flight, and its provider."""

    most: int
    provider: str = ""


@dataclass(frozen=True, slots=True)
class Slot:
    """A slot taken, with its time (seconds of a monotonic clock) and the model's calls in flight then."""

    model: str
    given_at: float
    in_flight: int


@dataclass(slots=True, eq=False)
class _Waiter:
    model: str
    given: Slot | None = None
    turn: threading.Event = field(default_factory=threading.Event)


class ConcurrencyLimiter:
    """Grants slots in the order of requests, within the limits of model and provider.

    If a server answers "too many requests", the model's limit is lowered and later raised again, and no slot is granted
    before the time that the server asked for.
    """

    def __init__(
        self, rooms: Mapping[str, ModelLimit], providers: Mapping[str, int] | None = None, *, most: int | None = None
    ) -> None:
        """Limit each model by `rooms`, all models of a provider together by `providers`, and all models by `most`."""
        self._most = most or _UNBOUNDED
        self._taken = 0
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
        """The number of slots taken."""
        return self._taken

    @property
    def waiting(self) -> int:
        """The number of callers waiting for a slot."""
        return len(self._waiting)

    def limit(self, model: str) -> Limit:
        """Return the present limit of a model."""
        return self._limits[model]

    def most(self, model: str) -> int:
        """Return the maximum number of slots of a model."""
        room = self._rooms[model]
        return min(room.most, self._providers.get(room.provider, room.most), self._most)

    def take(self, model: str) -> Slot | None:
        """Wait for a slot; None once the limiter is closed."""
        with self._turn:
            if self._closed:
                return None
            if not self._waiting and self._fits(model, clock.monotonic()):
                return self._give(model)
            waiter = _Waiter(model)
            self._waiting.append(waiter)
        while not waiter.turn.wait(_TICK_S):
            self._let_in()
        return waiter.given

    def give_back(self, slot: Slot, answer: Reply | CallError) -> None:
        """Free a slot, and adapt the limit to the call's outcome."""
        now = clock.monotonic()
        with self._turn:
            self._taken -= 1
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
        """Grant this model no slot for `seconds`."""
        until = clock.monotonic() + seconds
        with self._turn:
            if until < self._held_until.get(model, 0.0) + HOLD_STEP_S:
                return
            self._held_until[model] = until
        # There may be no call in flight whose slot would come back and admit the others.
        later = threading.Timer(seconds, self._let_in)
        later.daemon = True
        # Whoever waits looks by himself, too, if there is no thread to spare.
        with contextlib.suppress(RuntimeError):
            later.start()

    def lower(self, model: str, most: int) -> None:
        """Grant at most `most` slots of a model from now on."""
        with self._turn:
            limit = self._limits[model]
            ceiling = min(limit.ceiling, most)
            self._limits[model] = replace(limit, ceiling=ceiling, allowed=min(limit.allowed, ceiling))
            self._rooms = {**self._rooms, model: replace(self._rooms[model], most=ceiling)}

    def close(self) -> None:
        """Grant no more slots; waiting callers get None."""
        with self._turn:
            self._closed = True
            while self._waiting:
                self._waiting.popleft().turn.set()

    def _fits(self, model: str, now: float) -> bool:
        provider = self._rooms[model].provider
        return (
            self._of_model[model] < self._limits[model].allowed
            and self._of_provider[provider] < self._providers.get(provider, _UNBOUNDED)
            and self._taken < self._most
            and self._held_until.get(model, now) <= now
        )

    def _give(self, model: str) -> Slot:
        self._taken += 1
        self._of_model[model] += 1
        self._of_provider[self._rooms[model].provider] += 1
        return Slot(model, clock.monotonic(), self._of_model[model])

    def _let_in(self) -> None:
        with self._turn:
            self._admit()

    def _admit(self) -> None:
        """Grant slots to all waiting callers within the limits, the longest waiting first."""
        now = clock.monotonic()
        still: deque[_Waiter] = deque()
        for waiter in self._waiting:
            if self._fits(waiter.model, now):
                waiter.given = self._give(waiter.model)
                waiter.turn.set()
            else:
                still.append(waiter)
        self._waiting = still
