"""The local runner: daemon threads in this process, retries, and a limit for each model."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence

from pytest_selfopt.models.client import Client
from pytest_selfopt.runners.runner import Call, RunnerOptions
from pytest_selfopt.trial import CallError, CallResult, ErrorKind, Reply

RETRYABLE = frozenset(
    {
        ErrorKind.TIMEOUT,
        ErrorKind.CONNECTION,
        ErrorKind.RATE_LIMIT,
        ErrorKind.SERVER,
        ErrorKind.MALFORMED,
    }
)
"""Kinds of errors that another attempt may cure; a wrong key or request stays wrong."""

_CANCELLED = CallError(kind=ErrorKind.CANCELLED, message="cancelled before it was sent")


class LocalRunner:
    """Makes calls on threads of this process; see `Runner`.

    Threads are daemons that never print or log, so that a call that hangs can neither hold up the end of the
    session nor write into a test's captured output.
    """

    def __init__(
        self,
        clients: Mapping[str, Client],
        limits: Mapping[str, int],
        *,
        rng: random.Random,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Ask `clients` by model id, at most `limits` calls at a time each; `clock` gives seconds since the epoch."""
        self._clients = clients
        self._slots = {model: threading.BoundedSemaphore(limits[model]) for model in clients}
        self._limits = limits
        self._rng = rng
        self._clock = clock
        self._turn = threading.Lock()
        self._under_way: Counter[str] = Counter()
        self._sequence: Counter[str] = Counter()
        self._cancelled = threading.Event()

    @property
    def in_flight(self) -> int:
        """How many calls are under way."""
        return self._under_way.total()

    def run(self, call: Call) -> CallResult:
        """Carry out one call in the calling thread."""
        with self._slots[call.model]:
            return self._carry_out(call)

    def run_batch(self, calls: Sequence[Call], on_result: Callable[[Call, CallResult], None]) -> None:
        """Carry out calls, each model's in their order on as many threads as its limit allows."""
        queues: dict[str, deque[Call]] = {}
        for call in calls:
            queues.setdefault(call.model, deque()).append(call)
        handing_over = threading.Lock()

        def work(queue: deque[Call]) -> None:
            while not self._cancelled.is_set():
                try:
                    call = queue.popleft()
                except IndexError:
                    return
                result = self.run(call)
                with handing_over:
                    on_result(call, result)

        threads = [
            threading.Thread(target=work, args=(queue,), name=f"selfopt-call-{model}", daemon=True)
            for model, queue in queues.items()
            for _ in range(min(self._limits[model], len(queue)))
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def cancel(self) -> None:
        """Abort what is under way; nothing more is sent."""
        self._cancelled.set()
        for client in self._clients.values():
            client.abort()

    def _carry_out(self, call: Call) -> CallResult:
        with self._turn:
            self._under_way[call.model] += 1
            in_flight = self._under_way[call.model]
            sequence = self._sequence[call.lane]
            self._sequence[call.lane] += 1
        started = self._clock()
        try:
            last, errors = self._attempts(call)
        finally:
            with self._turn:
                self._under_way[call.model] -= 1
        return CallResult(
            reply=last if isinstance(last, Reply) else None,
            error=last if isinstance(last, CallError) else None,
            started=started,
            ended=self._clock(),
            attempt_errors=errors,
            in_flight=in_flight,
            lane=call.lane,
            lane_seq=sequence,
        )

    def _attempts(self, call: Call) -> tuple[Reply | CallError, tuple[CallError, ...]]:
        """Try until there is a reply or no retry is left; also the errors of all attempts but the last."""
        errors: list[CallError] = []
        while True:
            if self._cancelled.is_set():
                return _CANCELLED, tuple(errors)
            answer = self._clients[call.model].ask(call.request, timeout_s=call.options.timeout_s)
            pause = None if isinstance(answer, Reply) else self._pause(answer, len(errors), call.options)
            if isinstance(answer, Reply) or pause is None:
                return answer, tuple(errors)
            errors.append(answer)
            self._cancelled.wait(pause)

    def _pause(self, error: CallError, failed: int, options: RunnerOptions) -> float | None:
        """Seconds to wait before the next attempt; None when there is none."""
        if error.kind not in RETRYABLE or failed >= options.retries:
            return None
        asked = error.retry_after_s or 0.0
        if asked > options.max_retry_after_s:
            return None
        with self._turn:
            jittered = self._rng.uniform(0, min(options.max_backoff_s, options.backoff_s * 2**failed))
        return max(asked, jittered)
