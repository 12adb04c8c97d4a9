"""What is known of each phase and model, as plain data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Trend:
    """What one change of a model in a phase has come to, over all its comparisons.

    `change` names it, such as "variant native_api → schema"; the numbers are sums over its `comparisons`.
    """

    change: str
    fixed: int
    broken: int
    passes: int
    comparisons: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFacts:
    """What is known of one model in one phase; `taken_back` are settings that a person took back."""

    model: str
    won: tuple[Trend, ...] = ()
    never_helped: tuple[Trend, ...] = ()
    open: tuple[Trend, ...] = ()
    taken_back: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseFacts:
    """What is known of one phase: the spec in force, the right answers and answers of each spec, and its models."""

    phase: str
    in_force: str
    measured: Mapping[str, tuple[int, int]]
    models: tuple[ModelFacts, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """All that `LEARNED.md` says; `cycles` is the number of decided cycles, `last` that of the last one."""

    cycles: int
    last: int
    phases: tuple[PhaseFacts, ...]
