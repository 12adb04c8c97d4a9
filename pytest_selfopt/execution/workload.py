"""The calls of a session that are certain to be made, by pass, and which of them are left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pytest_selfopt.execution.call_meter import Metered, work_of
from pytest_selfopt.execution.dispatcher import Pass
from pytest_selfopt.execution.time_left import NO_WORK, Group, Work
from pytest_selfopt.planning.plan import PhasePlan, PlannedTrial, TrialKey


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """The certain calls: their number, what is left of each pass, and whether further passes may follow.

    `released` are those left in passes that have begun or may begin.
    """

    calls: int
    released: int
    remaining: Sequence[Mapping[Group, Work]]
    may_grow: bool


class WorkloadPlan:
    """The calls of all passes, by spec."""

    def __init__(
        self, passes: Sequence[Pass], plans: Mapping[str, PhasePlan], planned: Mapping[TrialKey, PlannedTrial]
    ) -> None:
        self._passes = passes
        self._plans = plans
        self._work: dict[tuple[str, int], dict[str, tuple[str, Work]]] = {}
        """The model and the work of each spec in a pass."""
        for one_pass in passes:
            of_specs: dict[str, tuple[str, Work]] = {}
            for key in one_pass.keys:
                _, work = of_specs.get(key.spec, ("", NO_WORK))
                trial = planned[key]
                of_specs[key.spec] = (trial.spec.model, work + work_of(trial))
            self._work[one_pass.phase, one_pass.run] = of_specs

    def at(self, metered: Metered, *, partial: bool) -> Workload:
        """Return the workload after the metered calls; a partial session has no race."""
        calls, released, may_grow = 0, 0, False
        remaining: list[Mapping[Group, Work]] = []
        before: dict[str, frozenset[str]] = {}
        for one_pass in self._passes:
            plan = self._plans[one_pass.phase]
            is_released = one_pass.released.is_set()
            previous = before.get(one_pass.phase)
            live = certain_specs(one_pass, previous, plan)
            if not is_released and one_pass.run >= plan.least_passes:
                if partial:
                    live = frozenset()
                elif previous != frozenset():
                    may_grow = True
            # In blocks each pass asks another spec.
            if is_released and not plan.block_passes:
                before[one_pass.phase] = live
            left, number = self._left(one_pass, live, metered)
            calls += number
            remaining.append(left)
            if is_released:
                released += sum(work.calls for work in left.values())
        return Workload(calls=calls, released=released, remaining=remaining, may_grow=may_grow)

    def _left(self, one_pass: Pass, live: frozenset[str], metered: Metered) -> tuple[dict[Group, Work], int]:
        """Return what is left of a pass by group, and the number of all its calls."""
        whole: dict[str, Work] = {}
        for spec, (model, work) in self._work[one_pass.phase, one_pass.run].items():
            if spec in live:
                whole[model] = whole.get(model, NO_WORK) + work
        left: dict[Group, Work] = {}
        for model, work in whole.items():
            done = metered.done.get((one_pass.phase, one_pass.run, model), NO_WORK)
            left[one_pass.phase, model] = work - done
        return left, sum(work.calls for work in whole.values())


def certain_specs(one_pass: Pass, before: frozenset[str] | None, plan: PhasePlan) -> frozenset[str]:
    """Return the specs that a pass is certain to ask.

    Once it is released they are known. Until then, the first passes are expected to ask those of the specs that the
    plan names for certain which the pass `before` that was released last (None: any) asked, unless one of them turns
    out to be hopeless; nothing is certain of later passes, which the race may not need.
    """
    if one_pass.released.is_set():
        return one_pass.live
    specs = frozenset(key.spec for key in one_pass.keys if plan.is_certain(key.spec, one_pass.run))
    if before is None:
        return specs
    return specs & before
