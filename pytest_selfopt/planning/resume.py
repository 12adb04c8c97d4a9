"""The resumption of an interrupted cycle: its plan as stored in the ledger, and whether that still applies."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_selfopt.bench.loading.suites import Suite, groups_of
from pytest_selfopt.errors import SettingsError, SpecError, StateError
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.loop.generate import Candidate
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.planning.planner import suite_address
from pytest_selfopt.routing.config import RoutingConfig
from pytest_selfopt.routing.rule import Rule, rule_from_json, rule_to_json
from pytest_selfopt.specs.spec import parse_spec
from pytest_selfopt.trial import Json

RESUMABLE = ("running", "interrupted", "stopped")
"""The states from which a cycle can be resumed; one still "running" while we hold the lock was interrupted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptedCycle:
    """An unfinished cycle: its number, its seed, and its plan as it was stored."""

    cycle: int
    seed: int
    plan: Mapping[str, Any]


def to_stored(plan: PhasePlan, suites: Sequence[Suite], rules: Sequence[Rule]) -> dict[str, Json]:
    """Convert a phase's plan to the ledger's JSON, with the rules at its start."""
    candidates: list[Json] = []
    for candidate in plan.candidates:
        row: Json = {"spec": candidate.spec.id, "why": candidate.why}
        candidates.append(row)
    rules_of_phase = [rule for rule in rules if rule.phase == plan.phase]
    groups: dict[str, Json] = {}
    if any(groups_of(suites)):
        groups["groups"] = dict[str, Json](groups_of(suites))
    return {
        "baseline": plan.baseline.id,
        "candidates": candidates,
        "because": list(plan.because),
        "least_passes": plan.least_passes,
        "most_passes": plan.most_passes,
        "baseline_passes": plan.baseline_passes,
        "known_cycles": list(plan.known_cycles),
        "leaves_early": plan.leaves_early,
        "left": plan.left,
        "trial": plan.trial,
        "turns": plan.block_passes,
        "only_proves": plan.only_proves,
        "rules": list[Json](map(rule_to_json, rules_of_phase)),
        "suites": list[Json](sorted(map(suite_address, suites))),
        **groups,
    }


def nothing_to_resume() -> StateError:
    """Return the error of a resumption without a cycle."""
    return StateError("--selfopt-resume: the ledger has no cycle to resume; leave the option out")


def interrupted_cycle(ledger: Ledger) -> InterruptedCycle:
    """Return the last cycle if it is unfinished; cycles of a partial selection are skipped.

    Raises:
        StateError: if there is nothing to resume.
    """
    whole = [cycle for cycle in ledger.cycles() if cycle["status"] != "partial"]
    if not whole:
        raise nothing_to_resume()
    last = whole[-1]
    if last["status"] not in RESUMABLE:
        raise StateError(
            f"--selfopt-resume: the last cycle, {last['id']}, is finished; leave the option out to begin a new one"
        )
    return InterruptedCycle(cycle=last["id"], seed=last["seed"], plan=last["plan"])


def restore_rules(routing: RoutingConfig, interrupted: InterruptedCycle) -> RoutingConfig:
    """Return the configuration at the start of a cycle, which may have written rules before it was interrupted.

    The resumed cycle must decide from the same rules as before. Rules that it did not write stay.
    """
    rules = list(routing.rules)
    for phase, stored in interrupted.plan.items():
        if not isinstance(stored, dict) or "rules" not in stored:
            continue
        if _wrote_rule(rules, phase, interrupted.cycle):
            rules = [rule for rule in rules if rule.phase != phase]
            rules += map(rule_from_json, stored["rules"])
    return routing.with_rules(rules)


def _wrote_rule(
    rules: Sequence[Rule],
    phase: str,
    cycle: int,
) -> bool:
    """Whether a cycle wrote a rule of a phase."""
    return any(rule.phase == phase and rule.cycle == cycle for rule in rules)


def check_suites(interrupted: InterruptedCycle, phase: str, suites: Sequence[Suite]) -> None:
    """Refuse to resume with changed suites.

    Raises:
        SettingsError: if a suite was changed, added or left out since.
    """
    asked = interrupted.plan[phase]["suites"]
    changed = [suite.name for suite in suites if suite_address(suite) not in asked]
    if changed or len(suites) != len(asked):
        what = f"{len(asked)} suites of {phase!r}"
        if changed:
            what = f"another version of the suite {changed[0]!r}"
        raise SettingsError(
            f"--selfopt-resume: cycle {interrupted.cycle} asked {what}; "
            "its trials cannot be judged together with new ones. "
            "Leave the option out to begin a new cycle, or undo the change"
        )


def resumed_plan(interrupted: InterruptedCycle, phase: str, planned: PhasePlan) -> PhasePlan:
    """Return the plan of a phase in a resumed cycle; `planned` is what a new cycle would do.

    Raises:
        SettingsError: if the baseline or the configuration has changed so that its calls do not fit any more.
    """
    stored = interrupted.plan.get(phase)
    prefix = f"--selfopt-resume: cycle {interrupted.cycle}"
    if not isinstance(stored, dict) or "least_passes" not in stored:
        raise SettingsError(f"{prefix} has no plan for phase {phase!r}; leave the option out to begin a new cycle")
    try:
        baseline = parse_spec(stored["baseline"])
        candidates = tuple(map(_candidate, stored["candidates"]))
    except SpecError as problem:
        raise SettingsError(f"{prefix}: {problem}") from None
    in_force = planned.baseline
    specs = [candidate.spec for candidate in candidates]
    if in_force != baseline and in_force not in specs:
        raise SettingsError(
            f"{prefix} compared with {baseline.id}, "
            f"but {in_force.id} is in force now; "
            "leave the option out to begin a new cycle"
        )
    return PhasePlan(
        phase=phase,
        baseline=baseline,
        candidates=candidates,
        because=tuple(stored["because"]),
        least_passes=stored["least_passes"],
        most_passes=stored["most_passes"],
        baseline_passes=stored.get("baseline_passes", 0),
        known_cycles=tuple(stored.get("known_cycles", ())),
        leaves_early=stored.get("leaves_early", False),
        left=stored["left"],
        trial=stored.get("trial", ""),
        block_passes=stored.get("turns", 0),
        only_proves=stored.get("only_proves", False),
        requested=planned.requested,
        forced=planned.forced,
        overruled=planned.overruled,
    )


def _candidate(row: Mapping[str, str]) -> Candidate:
    """Parse a stored candidate."""
    spec = parse_spec(row["spec"])
    return Candidate(spec=spec, why=row["why"])
