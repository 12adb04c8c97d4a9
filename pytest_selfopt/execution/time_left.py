"""The time that the certain calls of a session still take, from the latencies that were measured so far."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

Group: TypeAlias = tuple[str, str]
"""Phase and model: calls that take about as long for each of their turns."""

MIN_CALLS = 3
"""With fewer finished calls nothing is said about the time left."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A number of calls and their turns: a conversation has one for each message of its user, any other call one."""

    calls: int
    turns: int

    def __add__(self, other: Work) -> Work:
        return Work(calls=self.calls + other.calls, turns=self.turns + other.turns)

    def __sub__(self, other: Work) -> Work:
        return Work(calls=max(0, self.calls - other.calls), turns=max(0, self.turns - other.turns))


NO_WORK = Work(calls=0, turns=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The finished calls of a group, and the seconds that they took together, retries and their pauses included."""

    work: Work
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """The most calls in flight to each model and each provider, and the provider of each model."""

    models: Mapping[str, int]
    providers: Mapping[str, int]
    provider_of: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsSoFar:
    """What was measured: finished calls, the seconds since the first began, calls in flight, and a server's wait.

    `hold` is a model and the seconds for which its server takes no calls.
    """

    measured: Mapping[Group, Measured]
    elapsed_s: float
    in_flight: int
    hold: tuple[str, float] | None = None


def time_left(remaining: Sequence[Mapping[Group, Work]], so_far: CallsSoFar, limits: CallLimits) -> float | None:
    """Return the seconds that the remaining calls take, pass by pass; None while too little was measured.

    It is never less than the calls take at the mean latencies that were measured and the highest concurrency that is
    allowed. Where calls took longer so far than they take in that way, as by slow test bodies, waits between passes or
    a lower concurrency, the rest is expected to take longer in the same proportion.
    """
    if sum(measured.work.calls for measured in so_far.measured.values()) < MIN_CALLS:
        return None
    certain_s = 0.0
    for one_pass in remaining:
        certain_s += pass_s(one_pass, so_far.measured, limits)
    left_s = certain_s * _stretch(so_far, limits)
    if so_far.hold is None:
        return left_s
    return max(left_s, _after_hold_s(*so_far.hold, remaining, so_far.measured, limits))


def pass_s(work: Mapping[Group, Work], measured: Mapping[Group, Measured], limits: CallLimits) -> float:
    """Return the seconds that the calls of a pass take at least at the mean latencies measured."""
    seconds: dict[Group, float] = {}
    calls: Counter[str] = Counter()
    for (phase, model), part in work.items():
        seconds[phase, model] = part.turns * _mean_s((phase, model), measured)
        calls[model] += part.calls
    return _parallel_s(seconds, calls, limits)


def _parallel_s(seconds: Mapping[Group, float], calls: Mapping[str, int], limits: CallLimits) -> float:
    """Return the seconds that calls of these seconds take at the highest concurrency: those of the slowest part."""
    of_models: defaultdict[str, float] = defaultdict(float)
    of_providers: defaultdict[str, float] = defaultdict(float)
    provider_calls: Counter[str] = Counter()
    for (_, model), total_s in seconds.items():
        of_models[model] += total_s
    for model, total_s in of_models.items():
        provider = limits.provider_of.get(model, model)
        of_providers[provider] += total_s
        provider_calls[provider] += calls[model]
    parts = [0.0]
    for model, total_s in of_models.items():
        parts.append(total_s / _together(limits.models.get(model), calls[model]))
    for provider, total_s in of_providers.items():
        parts.append(total_s / _together(limits.providers.get(provider), provider_calls[provider]))
    return max(parts)


def _together(limit: int | None, calls: int) -> int:
    """Return how many of some calls can be in flight at a time; all of them without a known limit."""
    if limit is None:
        return max(1, calls)
    return max(1, min(limit, calls))


def _mean_s(group: Group, measured: Mapping[Group, Measured]) -> float:
    """Return the mean seconds of a turn: in this phase by this model, or by this model, or by any that was measured."""
    _, model = group
    of_group = [part for key, part in measured.items() if key == group]
    of_model = [part for (_, measured_model), part in measured.items() if measured_model == model]
    for parts in (of_group, of_model, list(measured.values())):
        turns = sum(part.work.turns for part in parts)
        if turns:
            return sum(part.seconds for part in parts) / turns
    return 0.0


def _stretch(so_far: CallsSoFar, limits: CallLimits) -> float:
    """Return how much longer calls took so far than at the highest concurrency without pauses; at least 1."""
    seconds = {group: part.seconds for group, part in so_far.measured.items()}
    calls: Counter[str] = Counter()
    for (_, model), part in so_far.measured.items():
        calls[model] += part.work.calls
    finished_s = _parallel_s(seconds, calls, limits)
    if not finished_s:
        return 1.0
    # On average, half of a call in flight is done.
    began = sum(calls.values()) + so_far.in_flight / 2
    finished_s *= began / sum(calls.values())
    return max(1.0, so_far.elapsed_s / finished_s)


def _after_hold_s(
    model: str,
    hold_s: float,
    remaining: Sequence[Mapping[Group, Work]],
    measured: Mapping[Group, Measured],
    limits: CallLimits,
) -> float:
    """Return the seconds until a model whose server takes no calls now has answered the remaining ones."""
    calls_s = 0.0
    for one_pass in remaining:
        own = {group: work for group, work in one_pass.items() if group[1] == model and work.calls}
        calls_s += pass_s(own, measured, limits)
    if not calls_s:
        return 0.0
    return hold_s + calls_s
