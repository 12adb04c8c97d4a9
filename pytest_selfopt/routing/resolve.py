"""The interface for applications: model and settings in effect for (model, phase). Standard library only.

from pytest_selfopt.routing.resolve import resolve
route = resolve("embedded/smollm2-135m", "atomic")
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from pytest_selfopt.routing.readable import read_bytes
from pytest_selfopt.routing.regular_file import read_regular
from pytest_selfopt.routing.rule import Rule
from pytest_selfopt.settings_lookup import routing_file

Index: TypeAlias = Mapping[tuple[str, str], Rule]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The effective model for a request, and the settings of its rule (None: not set).

    `allowed` is False if the model is disabled without a usable fallback; `because` explains the route, one sentence
    per step; `evidence` is what its rule rests on, as in the file, such as "claim" for a promotion: the prompts that it
    rests on, and those for which it is shown.
    """

    requested: str
    phase: str
    model: str
    allowed: bool = True
    enable_warmup: bool | None = None
    variant: str | None = None
    timeout_s: float | None = None
    retries: int | None = None
    isolated: bool | None = None
    sampling: Mapping[str, Any] | None = None
    because: tuple[str, ...] = ()
    evidence: Mapping[str, Any] | None = None

    @property
    def rerouted(self) -> bool:
        """Whether the model in effect differs from the requested one."""
        return self.model != self.requested


def index_rules(rules: Iterable[Rule]) -> dict[tuple[str, str], Rule]:
    """Return the rules in force by (model, phase)."""
    return {(rule.model, rule.phase): rule for rule in rules if rule.in_force}


def route(index: Index, model: str, phase: str, *, fallback: str | None = None) -> Route:
    """Follow fallbacks from `model` to the first allowed model; a loop or a dead end gives a route not allowed.

    `fallback` is the phase's own: it replaces a disabled model whose rule names none.
    """
    steps: list[str] = []
    seen = [model]
    while True:
        rule = index.get((seen[-1], phase))
        if rule is None or rule.allow:
            return _settled(model, phase, seen[-1], rule, steps)
        why = ""
        if rule.reason:
            why = f" ({rule.reason})"
        following, whose = rule.fallback_model, ""
        if not following and fallback not in seen:
            following, whose = fallback, ", the fallback of the phase,"
        if not following:
            steps.append(f"{seen[-1]} is disabled for {phase} and has no fallback{why}")
            break
        steps.append(f"{seen[-1]} is disabled for {phase}; {following}{whose} replaces it{why}")
        if following in seen:
            steps.append(f"the fallbacks of {phase} lead back to {following}")
            break
        seen.append(following)
    return Route(requested=model, phase=phase, model=model, allowed=False, because=tuple(steps))


def _settled(requested: str, phase: str, model: str, rule: Rule | None, steps: list[str]) -> Route:
    if rule is None:
        return Route(requested=requested, phase=phase, model=model, because=tuple(steps))
    because = f"the rule for {model} in {phase}"
    if rule.reason:
        because += f": {rule.reason}"
    timeout_s = rule.timeout_s
    if timeout_s is not None:
        timeout_s = float(timeout_s)
    return Route(
        requested=requested,
        phase=phase,
        model=model,
        enable_warmup=rule.enable_warmup,
        variant=rule.variant,
        timeout_s=timeout_s,
        retries=rule.retries,
        isolated=rule.isolated,
        sampling=rule.sampling,
        because=(*steps, because),
        evidence=rule.evidence,
    )


_turn = threading.Lock()
_read: dict[str, tuple[tuple[int, int, int], Index, str]] = {}


def resolve(model: str, phase: str, *, path: str | Path | None = None, default: str | None = None) -> Route:
    """Return the route for a model in a phase by the configuration at `path`.

    Without a path it is that of the project: the settings nearest upwards from the working directory lead to it, as in
    sessions of pytest. An application that runs elsewhere names it.


    Never raises because of the file. The readable rules of a broken one hold. If the file is missing, or broken without
    a readable rule on the model, `default` (or the requested model) is in effect; of a dead end, only `default` is.
    `because` says why, and what is wrong with the file. It is read again only after a change.
    """
    if path is None:
        path, note = routing_file()
        found = resolve(model, phase, path=path, default=default)
        if not note:
            return found
        return replace(found, because=(*found.because, note))
    try:
        index, problem = _index(str(path))
    except FileNotFoundError:
        return _instead(model, phase, default, f"{path} does not exist")
    except (OSError, ValueError) as error:
        return _instead(model, phase, default, f"{path} cannot be used: {error}")
    if problem and (model, phase) not in index:
        return _instead(model, phase, default, problem, index=index)
    settled = route(index, model, phase)
    if problem:
        settled = replace(settled, because=(*settled.because, problem))
    if settled.allowed or default is None:
        return settled
    return _instead(model, phase, default, *settled.because, index=index)


def _instead(model: str, phase: str, default: str | None, *because: str, index: Index | None = None) -> Route:
    """Return the route of the default, or of the model itself; a readable rule about it holds for it, too."""
    instead = route(index or {}, default or model, phase)
    return replace(instead, requested=model, because=(*because, *instead.because))


def _index(path: str) -> tuple[Index, str]:
    """Return the rules in force, and a sentence on what is wrong with the file (empty: nothing)."""
    status = Path(path).stat()
    mark = (status.st_mtime_ns, status.st_size, status.st_ino)
    known = _read.get(path)
    if known is not None and known[0] == mark:
        return known[1:]
    with _turn:
        reading = read_bytes(read_regular(Path(path)))
        index, problem = index_rules(reading.rules), reading.sentence(path)
        _read[path] = (mark, index, problem)
        return index, problem
