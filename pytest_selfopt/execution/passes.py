"""The passes of a session: the trials that are called together, and the passes that begin without a decision."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial

from pytest_selfopt.execution.calls import CallFactory
from pytest_selfopt.execution.dispatcher import Pass
from pytest_selfopt.loop.gates.measures import EXTENDED
from pytest_selfopt.planning.plan import PlannedTrial, TrialKey
from pytest_selfopt.planning.session_plan import SessionPlan
from pytest_selfopt.runners.runner import Call
from pytest_selfopt.settings import Settings
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.trial import CallResult


def make_passes(
    session_plan: SessionPlan,
    selected: Sequence[PlannedTrial],
    factory: CallFactory,
    settings: Settings,
    unload: Callable[[Sequence[Spec]], None],
) -> list[Pass]:
    """Make the passes, in the order of the items; the first passes are released at once.

    `unload` makes the models of specs cold, before a block that begins cold.
    """
    keys: dict[tuple[str, int], list[TrialKey]] = {}
    for trial in selected:
        keys.setdefault((trial.key.phase, trial.key.run), []).append(trial.key)
    passes: list[Pass] = []
    begun: set[str] = set()
    for (phase, run), of_pass in keys.items():
        plan = session_plan.plans[phase]
        overlap = all(settings.model(spec.model).overlap for spec in plan.specs)
        begins_block = plan.begins_block(run)
        specs = plan.specs_in(run)
        warmups: tuple[Call, ...] = ()
        if phase not in begun or begins_block:
            warmups = factory.warmups(plan, run)
        prepare: Callable[[], None] | None = None
        if begins_block:
            prepare = partial(unload, specs)
        one_pass = Pass(
            phase=phase,
            run=run,
            keys=tuple(of_pass),
            warmups=warmups,
            overlap=overlap and not plan.block_passes,
            prepare=prepare,
        )
        begun.add(phase)
        # A spec with only wrong answers may be out after its first pass, so later passes wait for a decision.
        if run == 0 or (run < plan.least_passes and phase != EXTENDED):
            one_pass.release(frozenset(spec.id for spec in specs))
        passes.append(one_pass)
    return passes


def next_in_lanes(results: Iterable[CallResult]) -> dict[str, int]:
    """Return the next sequence number of each lane, after what an earlier session recorded."""
    following: Counter[str] = Counter()
    for result in results:
        known = following[result.lane]
        following[result.lane] = max(known, result.lane_seq + 1)
    return dict(following)
