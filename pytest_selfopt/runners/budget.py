"""The budget of a session, in calls and dollars; never exceeded, even with many calls in flight."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_selfopt.console.quantities import format_cost
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.models.cost import UNBILLED, cost_of_answer, cost_of_result, most_it_can_cost
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.trial import CallError, CallResult, Reply

_TICK_S = 1.0
"""Seconds between looks of a waiting caller at the budget."""


@dataclass(frozen=True, slots=True)
class Reservation:
    """The attempts and USD reserved for a call."""

    attempts: int
    cost_usd: float


class CallBudget:
    """Admits attempts as long as the budget lasts.

    The maximum cost of an attempt is reserved before it is sent, and replaced by its actual cost afterwards. An attempt
    of unknown cost, such as one that timed out, counts at its maximum.

    Some models think beyond the limit of tokens, so that an attempt costs more than its maximum. A model's first
    attempt is therefore made alone; where one was dearer than it could be, twice as much is reserved for each.
    """

    def __init__(
        self,
        models: Mapping[str, ModelConfig],
        *,
        max_calls: int | None = None,
        max_cost_usd: float | None = None,
        calls: int = 0,
        cost_usd: float = 0.0,
    ) -> None:
        """Bound attempts and USD; a resumed cycle has already used `calls` and `cost_usd`."""
        self._models = models
        self._max_calls = max_calls
        self._max_cost = max_cost_usd
        self.calls = calls
        self.cost_usd = cost_usd
        self._reserved: list[float] = []
        self._settled = threading.Condition()
        self._dearest: dict[str, float] = {}
        """The dearest attempt of each model whose first is over, in USD."""
        self._first: set[str] = set()
        """The models whose first attempt is under way."""
        self.spent = ""
        """Why no further attempt is admitted; empty while the budget lasts."""
        self._closed = False
        """Whether the session has ended, so that nobody waits for a reservation."""

    def admit(self, model: str, request: ChatRequest) -> float | None:
        """Reserve for an attempt and return the USD reserved; None if it must not be made."""
        with self._settled:
            self._await_first(model)
            most = self._most_cost(model, request)
            # Calls in flight may cost less than reserved; used attempts do not come back.
            while not self._is_over and self._has_calls and not self._affords(most) and self._reserved:
                self._settled.wait(_TICK_S)
            if not self._is_over and not (self._has_calls and self._affords(most)):
                self.spent = self._reason()
                self._settled.notify_all()
            if self._is_over:
                self._over(model, None)
                return None
            self.calls += 1
            self._reserved.append(most)
            return most

    def settle(self, model: str, reserved: float, answer: Reply | CallError) -> None:
        """Replace the reservation of an attempt by its actual cost."""
        with self._settled:
            self._reserved.remove(reserved)
            cost = cost_of_answer(answer, self._models[model])
            if cost is None:
                cost = reserved
            self.cost_usd += cost
            error = None
            if isinstance(answer, CallError):
                error = answer
            self._over(model, cost, answered=_is_typical(error))
            self._settled.notify_all()

    def admit_call(self, model: str, request: ChatRequest, attempts: int, *, least: int) -> Reservation | None:
        """Reserve all attempts of a remote call at once; None if fewer than `least` are left.

        Unused reservations of other calls come back, so fewer attempts than asked for are granted only when no call
        has a reservation.
        """
        with self._settled:
            self._await_first(model)
            most = self._most_cost(model, request)
            while not self._is_over:
                fitting = self._fitting(attempts, most)
                if fitting >= least and (fitting == attempts or not self._reserved):
                    self.calls += fitting
                    self._reserved.append(fitting * most)
                    return Reservation(fitting, fitting * most)
                if not self._reserved:
                    self.spent = self._reason()
                    self._settled.notify_all()
                else:
                    self._settled.wait(_TICK_S)
            self._over(model, None)
            return None

    def settle_call(self, model: str, reservation: Reservation, result: CallResult) -> None:
        """Replace the reservation of a call by its actual cost."""
        with self._settled:
            self._reserved.remove(reservation.cost_usd)
            made = result.attempts
            if result.cancelled:
                made = 0
            self.calls += made - reservation.attempts
            cost = cost_of_result(result, self._models[model])
            if made:
                if cost is None:
                    cost = reservation.cost_usd * made / reservation.attempts
                self.cost_usd += cost
                self._over(model, cost / made, answered=_is_typical(result.error))
            else:
                self._over(model, None)
            self._settled.notify_all()

    def close(self) -> None:
        """Admit nothing more, and wake whoever waits; a second call is harmless."""
        with self._settled:
            self._closed = True
            self._settled.notify_all()

    @property
    def _is_over(self) -> bool:
        return self._closed or bool(self.spent)

    def _await_first(self, model: str) -> None:
        """Wait until the first attempt of a model is over, or make this one the first."""
        if self._max_cost is None:
            return
        while model in self._first and not self._is_over:
            self._settled.wait(_TICK_S)
        if model not in self._dearest:
            self._first.add(model)

    def _over(self, model: str, cost: float | None, *, answered: bool = False) -> None:
        """Note that an attempt is over; one that was `answered` says what the model's attempts cost."""
        self._first.discard(model)
        if answered and cost is not None:
            self._dearest[model] = max(cost, self._dearest.get(model, 0.0))

    def _most_cost(self, model: str, request: ChatRequest) -> float:
        """Return the USD to reserve for an attempt; 0 if USD are not bounded or prices are unknown."""
        if self._max_cost is None:
            return 0.0
        most = most_it_can_cost(request, self._models[model]) or 0.0
        dearest = self._dearest.get(model, 0.0)
        if dearest > most:
            return 2 * dearest
        return most

    def _fitting(self, attempts: int, most: float) -> int:
        """Return how many of `attempts` fit at this cost each."""
        if self._max_calls is not None:
            attempts = min(attempts, self._max_calls - self.calls)
        while attempts and not self._affords(attempts * most):
            attempts -= 1
        return attempts

    @property
    def _has_calls(self) -> bool:
        return self._max_calls is None or self.calls < self._max_calls

    def _affords(self, most: float) -> bool:
        return self._max_cost is None or self.cost_usd + sum(self._reserved) + most <= self._max_cost

    def _reason(self) -> str:
        if not self._has_calls:
            return f"the budget of {self._max_calls:,} calls (--selfopt-max-calls) is used up"
        return (
            f"the budget of ${self._max_cost:g} (--selfopt-max-cost) is used up: {format_cost(self.cost_usd)} spent, "
            "and another call could exceed it"
        )


def _is_typical(error: CallError | None) -> bool:
    """Whether an attempt that ended in this error, or in none, says what attempts of its model cost."""
    return error is None or error.reply is not None or error.kind not in UNBILLED
