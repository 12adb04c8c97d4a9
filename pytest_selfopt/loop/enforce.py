"""Phase 6, enforce: what was picked and recommended becomes rules."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from pytest_selfopt.loop.pick import Pick
from pytest_selfopt.routing.rule import Recommendation, Rule, rule_to_json
from pytest_selfopt.specs.spec import DEFAULT_SAMPLING, Spec, difference, parse_spec
from pytest_selfopt.trial import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChange:
    """One decision about a rule: what was done or left, and why.

    `kind` is "promote", "keep" (the first rule of a phase, so that applications read what was measured), "trial"
    (a remedy that the next cycles have to prove) or "skip".
    """

    kind: str
    model: str
    phase: str
    sentence: str
    evidence: dict[str, Json]
    before: Rule | None = None
    after: Rule | None = None
    """The rule as it was and as it is; None where there is none."""

    @property
    def applied(self) -> bool:
        """Whether a rule was changed."""
        return self.kind != "skip"

    @property
    def record(self) -> dict[str, Json]:
        """What the log keeps of it: the evidence and, when a rule was changed, both sides, so that it can be undone."""
        if not self.applied:
            return self.evidence
        sides = {"rule_before": self.before, "rule_after": self.after}
        return {**self.evidence, **{name: rule_to_json(rule) if rule else None for name, rule in sides.items()}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Enforcement:
    """The rules afterwards, and each decision on the way there."""

    rules: tuple[Rule, ...]
    changes: tuple[RuleChange, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """Which automatic actions are on: promoting winners, and each action that a recommendation may ask for."""

    promote: bool = True
    warm_up: bool = True
    fall_back: bool = True


ALL_ON = Switches()


def enforce(
    rules: Sequence[Rule],
    *,
    baseline: Spec,
    pick: Pick,
    measured: bool,
    recommendations: Sequence[Recommendation],
    cycle: int,
    now: str,
    switches: Switches = ALL_ON,
) -> Enforcement:
    """Turn a pick and the recommendations about one phase into rules.

    Without a proper measurement (`measured` is False, as in an outage) a baseline that merely stays gets no rule.
    `now` is the timestamp (ISO 8601, UTC) that changed rules get. Rules that say so already are left untouched, so
    that the same input twice changes nothing.
    """
    known = {(rule.model, rule.phase): rule for rule in rules}
    changes: list[RuleChange] = []
    settled = _settle(known, baseline, pick, cycle, now) if pick.winner or measured else None
    if settled is not None:
        changes.append(settled)
    after = tuple(known.values())
    for recommendation in recommendations:
        after, change = apply_recommendation(after, recommendation, cycle=cycle, now=now, switches=switches)
        changes.append(change)
    return Enforcement(rules=after, changes=tuple(changes))


def apply_recommendation(
    rules: Sequence[Rule], wanted: Recommendation, *, cycle: int, now: str, switches: Switches = ALL_ON
) -> tuple[tuple[Rule, ...], RuleChange]:
    """The rules after one recommendation, and what was done about it; what is skipped leaves them as they are."""
    model, _, phase = wanted.target.rpartition("::")
    known = {(rule.model, rule.phase): rule for rule in rules}
    before = known.get((model, phase), Rule(model=model, phase=phase))
    action = _ACTIONS.get(wanted.action)
    after = action(before, wanted, switches) if action is not None else _unknown(wanted)
    about: dict[str, Json] = {"action": wanted.action, "diagnosis": wanted.diagnosis}
    if isinstance(after, str):
        return tuple(rules), RuleChange(
            kind="skip", model=model, phase=phase, sentence=f"skipped {wanted.action}: {after}", evidence=about
        )
    there = known.get((model, phase))
    known[model, phase] = replace(
        after, reason=wanted.reason, source="harness_feedback", status="trial", timestamp=now, cycle=cycle
    )
    return tuple(known.values()), RuleChange(
        kind="trial",
        model=model,
        phase=phase,
        sentence=trial_sentence(wanted),
        evidence=about,
        before=there,
        after=known[model, phase],
    )


def trial_sentence(wanted: Recommendation) -> str:
    """What is said of a recommendation that was put on trial."""
    model, _, phase = wanted.target.rpartition("::")
    return f"on trial: {wanted.action} for {model} in {phase}: {wanted.reason}"


def _warm_up(before: Rule, wanted: Recommendation, switches: Switches) -> Rule | str:
    warm = wanted.requirements is None or "warm-up" in wanted.requirements
    if not switches.warm_up:
        return "this action is switched off"
    if before.allow and (before.enable_warmup or not warm):
        return f"{before.model} is already {'warmed up' if warm else 'allowed'} for {before.phase}"
    return replace(before, allow=True, enable_warmup=True if warm else before.enable_warmup)


def _fall_back(before: Rule, wanted: Recommendation, switches: Switches) -> Rule | str:
    if not switches.fall_back:
        return "this action is switched off"
    if not wanted.fallback:
        return f"no fallback is named for {before.model} in {before.phase}, and none is invented"
    if not before.allow and before.fallback_model == wanted.fallback:
        return f"{before.model} is already disabled for {before.phase}"
    return replace(before, allow=False, fallback_model=wanted.fallback)


def _try_first(_: Rule, wanted: Recommendation, __: Switches) -> Rule | str:
    return f"it is no routing rule; the next cycle tries it as a candidate ({wanted.reason})"


def _unknown(wanted: Recommendation) -> str:
    return f"there is no such action; known are {', '.join(_ACTIONS)} ({wanted.reason})"


_ACTIONS: Mapping[str, Callable[[Rule, Recommendation, Switches], Rule | str]] = {
    "allow_for_bounded_tasks": _warm_up,
    "disable_for_stateful": _fall_back,
    "retry": _try_first,
    "longer_timeout": _try_first,
}
"""What each action makes of the rule there is, or why it is skipped."""


def _settle(known: dict[tuple[str, str], Rule], baseline: Spec, pick: Pick, cycle: int, now: str) -> RuleChange | None:
    """Write the winner's settings; without one, the baseline's when the phase has no rule yet."""
    address = (baseline.model, baseline.phase)
    if pick.winner is None:
        if address in known:
            return None
        known[address] = _with_settings(Rule(model=baseline.model, phase=baseline.phase), baseline, cycle, now)
        known[address] = replace(known[address], reason=pick.sentence, source="selfopt-cycle")
        kept = _change("keep", baseline, f"kept {baseline.id}: {pick.sentence}", {})
        return replace(kept, after=known[address])
    winner = parse_spec(pick.winner.spec)
    there = known.get(address)
    before = there or Rule(model=winner.model, phase=winner.phase)
    evidence: dict[str, Json] = {
        "comparison": pick.winner.comparison,
        "baseline": baseline.id,
        "fixed": pick.winner.tally.wins,
        "broken": pick.winner.tally.losses,
        "passes": pick.winner.tally.passes,
    }
    known[address] = replace(
        _with_settings(before, winner, cycle, now),
        reason=pick.sentence,
        source="selfopt-cycle",
        status="confirmed",
        evidence=evidence,
    )
    sentence = f"promoted {winner.id} ({difference(baseline, winner)}): {pick.sentence}"
    promoted = _change("promote", winner, sentence, {**evidence, "spec": winner.id})
    return replace(promoted, before=there, after=known[address])


def _with_settings(rule: Rule, spec: Spec, cycle: int, now: str) -> Rule:
    drawn = {name: value for name, value in asdict(spec.sampling).items() if value is not None}
    return replace(
        rule,
        allow=True,
        variant=spec.variant,
        timeout_s=spec.timeout_s,
        retries=spec.retries,
        isolated=spec.isolated,
        enable_warmup=spec.warmup,
        sampling=drawn if spec.sampling != DEFAULT_SAMPLING else rule.sampling,
        timestamp=now,
        cycle=cycle,
    )


def _change(kind: str, spec: Spec, sentence: str, evidence: dict[str, Json]) -> RuleChange:
    return RuleChange(kind=kind, model=spec.model, phase=spec.phase, sentence=sentence, evidence=evidence)
