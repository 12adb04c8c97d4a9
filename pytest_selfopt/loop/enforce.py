"""Phase 6, enforce: what was picked and recommended becomes rules."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

from pytest_selfopt.loop.pick import Pick
from pytest_selfopt.routing.rule import Recommendation, Rule
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

    @property
    def applied(self) -> bool:
        """Whether a rule was changed."""
        return self.kind != "skip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Enforcement:
    """The rules afterwards, and each decision on the way there."""

    rules: tuple[Rule, ...]
    changes: tuple[RuleChange, ...]


def enforce(
    rules: Sequence[Rule],
    *,
    baseline: Spec,
    pick: Pick,
    measured: bool,
    recommendations: Sequence[Recommendation],
    cycle: int,
    now: str,
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
    changes += [_apply(known, recommendation, cycle, now) for recommendation in recommendations]
    return Enforcement(rules=tuple(known.values()), changes=tuple(changes))


def _settle(known: dict[tuple[str, str], Rule], baseline: Spec, pick: Pick, cycle: int, now: str) -> RuleChange | None:
    """Write the winner's settings; without one, the baseline's when the phase has no rule yet."""
    address = (baseline.model, baseline.phase)
    if pick.winner is None:
        if address in known:
            return None
        known[address] = _with_settings(Rule(model=baseline.model, phase=baseline.phase), baseline, cycle, now)
        known[address] = replace(known[address], reason=pick.sentence, source="selfopt-cycle")
        return _change("keep", baseline, f"kept {baseline.id}: {pick.sentence}", {})
    winner = parse_spec(pick.winner.spec)
    before = known.get(address, Rule(model=winner.model, phase=winner.phase))
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
    return _change("promote", winner, sentence, {**evidence, "spec": winner.id})


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


def _apply(known: dict[tuple[str, str], Rule], wanted: Recommendation, cycle: int, now: str) -> RuleChange:
    model, _, phase = wanted.target.rpartition("::")
    before = known.get((model, phase), Rule(model=model, phase=phase))
    about: dict[str, Json] = {"action": wanted.action}

    def skip(why: str) -> RuleChange:
        return RuleChange(
            kind="skip", model=model, phase=phase, sentence=f"skipped {wanted.action}: {why}", evidence=about
        )

    if wanted.action == "allow_for_bounded_tasks":
        if before.enable_warmup:
            return skip(f"{model} is already warmed up for {phase}")
        after = replace(before, allow=True, enable_warmup=True)
    elif wanted.action == "disable_for_stateful":
        if not wanted.fallback:
            return skip(f"no fallback is named for {model} in {phase}, and none is invented")
        if not before.allow and before.fallback_model == wanted.fallback:
            return skip(f"{model} is already disabled for {phase}")
        after = replace(before, allow=False, fallback_model=wanted.fallback)
    else:
        return skip(f"it is no routing rule; the next cycle tries it as a candidate ({wanted.reason})")
    known[model, phase] = replace(
        after, reason=wanted.reason, source="harness_feedback", status="trial", timestamp=now, cycle=cycle
    )
    return RuleChange(
        kind="trial",
        model=model,
        phase=phase,
        sentence=f"on trial: {wanted.action} for {model} in {phase}: {wanted.reason}",
        evidence=about,
    )


def _change(kind: str, spec: Spec, sentence: str, evidence: dict[str, Json]) -> RuleChange:
    return RuleChange(kind=kind, model=spec.model, phase=spec.phase, sentence=sentence, evidence=evidence)
