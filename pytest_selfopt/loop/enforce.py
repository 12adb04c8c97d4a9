"""Phase 6, enforce: turn the pick and the recommendations into rules."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from pytest_selfopt.loop.actions import ALL_ON, RuleChange, Switches, apply_recommendation, rule_in_force
from pytest_selfopt.loop.gate import CandidateJudgement
from pytest_selfopt.loop.gates.gate_result import Verdict, lasting_reason
from pytest_selfopt.loop.pick import Pick
from pytest_selfopt.loop.provenance import Premises, together
from pytest_selfopt.loop.race import MOST_HELD_PASSES
from pytest_selfopt.loop.undo.taken_back import TakenBack
from pytest_selfopt.routing.rule import Recommendation, Rule, rule_to_json
from pytest_selfopt.specs.spec import DEFAULT_SAMPLING, Spec, difference, parse_spec
from pytest_selfopt.trial import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Enforcement:
    """The new rules, and each decision that led to them."""

    rules: tuple[Rule, ...]
    changes: tuple[RuleChange, ...]


def enforce(
    rules: Sequence[Rule],
    *,
    baseline: Spec,
    pick: Pick,
    trial: CandidateJudgement | None,
    measured: bool,
    recommendations: Sequence[Recommendation],
    premises: Mapping[str, Premises],
    diagnosed: str,
    cycle: int,
    now: str,
    switches: Switches = ALL_ON,
    taken_back: Sequence[TakenBack] = (),
) -> Enforcement:
    """Turn a pick, the verdict on the rule on trial, and the recommendations about one phase into rules.

    `baseline` is the spec without the rule on trial. If `measured` is False, as in an outage, a baseline that merely
    stays gets no rule. `premises` are those of each spec's results, by id; the recommendations are about the
    `diagnosed` spec. `now` is the timestamp of changed rules (ISO 8601, UTC).
    What a person has `taken_back` is not put on trial again. Rules that already agree stay untouched, so that a
    repeated call changes nothing.
    """
    current = rule_in_force(rules, baseline.model, baseline.phase)
    settling = _Settling(baseline=baseline, current=current, rules=rules, premises=premises, cycle=cycle, now=now)
    changes = settling.settle(pick, trial, measured=measured)
    after = tuple(rules)
    for settled in changes:
        after = settled.apply(after)
    for recommendation in recommendations:
        if _rolled_back_now(after, recommendation, cycle):
            continue
        after, change = apply_recommendation(
            after,
            recommendation,
            premises=premises.get(diagnosed),
            cycle=cycle,
            now=now,
            switches=switches,
            taken_back=taken_back,
        )
        changes.append(change)
    return Enforcement(rules=after, changes=tuple(changes))


_ROUTES = ("allow", "fallback_model", "enable_warmup", "variant", "timeout_s", "retries", "isolated", "sampling")
"""The fields of a rule that decide which model is asked, and how."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Settling:
    """Decides about the rule in force for a baseline's model and phase; `current` is that rule, if any."""

    baseline: Spec
    current: Rule | None
    rules: Sequence[Rule]
    premises: Mapping[str, Premises]
    cycle: int
    now: str

    def settle(self, pick: Pick, trial: CandidateJudgement | None, *, measured: bool) -> list[RuleChange]:
        """Promote, confirm, roll back, or change nothing; each change is made to the rules that the one before left."""
        current, winner = self.current, pick.winner
        if current is not None and current.on_trial and trial is not None:
            return self._settle_trial(current, trial, winner)
        if winner is not None:
            return self._promote(winner, current, self._promoted(current, winner))
        if current is not None or not measured:
            return []
        return [self._keep(pick)]

    def _keep(self, pick: Pick) -> RuleChange:
        """Create the first rule of a baseline that stays."""
        rule = self._set(self._fresh(), self.baseline)
        rule = replace(rule, reason=pick.sentence, source="selfopt-cycle")
        sentence = f"kept {self.baseline.id}: {pick.sentence}"
        return self._change("keep", sentence, {}, None, rule)

    def _settle_trial(
        self, current: Rule, trial: CandidateJudgement, winner: CandidateJudgement | None
    ) -> list[RuleChange]:
        if winner is trial:
            return [self._confirm(current, trial)]
        changes: list[RuleChange] = []
        on_trial = current
        if winner is not None:
            on_trial = self._trial_over(current, self._promoted(current.untried, winner))
            changes += self._promote(winner, current, on_trial)
        if has_lost(trial):
            changes.append(self._roll_back(on_trial, trial))
        return changes

    def _confirm(self, current: Rule, trial: CandidateJudgement) -> RuleChange:
        rule = self._confirmed(current, trial)
        sentence = f"confirmed {self._action(current)}: {trial.sentence}"
        evidence = _judged(trial, self.baseline)
        return self._change("confirmed", sentence, evidence, current, rule)

    def _roll_back(self, on_trial: Rule, trial: CandidateJudgement) -> RuleChange:
        sentence = f"rolled back {self._action(on_trial)}: {trial.sentence}"
        evidence = _judged(trial, self.baseline)
        change = self._change("rolled_back", sentence, evidence, on_trial, on_trial.untried)
        return replace(change, remembered=self._remembered(on_trial, trial))

    def _remembered(self, current: Rule, trial: CandidateJudgement) -> Rule:
        """Return the rolled-back rule, which is kept so that it is not tried again."""
        return replace(
            current,
            status="rolled_back",
            reason=trial.sentence,
            cycle=self.cycle,
            timestamp=self.now,
            premises=self._rests_on(trial),
            before=None,
        )

    def _confirmed(self, current: Rule, trial: CandidateJudgement) -> Rule:
        spec = parse_spec(trial.spec)
        known = current.evidence or {}
        rule = current
        if spec.model == current.model:
            rule = self._set(current, spec)
        reasons = filter(None, [known.get("because"), trial.sentence])
        return replace(
            rule,
            status="confirmed",
            reason="; ".join(reasons),
            cycle=self.cycle,
            timestamp=self.now,
            evidence={**known, **_numbers(trial, self.baseline)},
            premises=self._rests_on(trial),
            before=_unproven(current.untried),
        )

    def _rests_on(self, judged: CandidateJudgement) -> Premises | None:
        """Return the premises of a proof; for a fallback they include those of the model it replaces."""
        own = self.premises.get(judged.spec)
        model = parse_spec(judged.spec).model
        if own is None or model == self.baseline.model:
            return own
        replaced = self.premises.get(self.baseline.id, {})
        return together(replaced, own)

    def _trial_over(self, current: Rule, base: Rule) -> Rule:
        """Apply the changes of the rule on trial to another base, such as one promoted meanwhile."""
        return replace(
            replace(base, **_changed_routes(current.untried or self._fresh(), current)),
            status="trial",
            reason=current.reason,
            source=current.source,
            cycle=current.cycle,
            evidence=current.evidence,
            premises=current.premises,
            before=rule_to_json(base),
        )

    def _promoted(self, before: Rule | None, winner: CandidateJudgement) -> Rule:
        return replace(
            self._led_to(before or self._fresh(), parse_spec(winner.spec)),
            reason=winner.sentence,
            source="selfopt-cycle",
            status="confirmed",
            evidence=_numbers(winner, self.baseline),
            premises=self._rests_on(winner),
            before=_unproven(before),
        )

    def _led_to(self, rule: Rule, spec: Spec) -> Rule:
        """Return the rule with the settings of a spec or, if the spec has another model, with that as the fallback."""
        if spec.model == self.baseline.model:
            return self._set(rule, spec)
        return replace(rule, allow=False, fallback_model=spec.model, timestamp=self.now, cycle=self.cycle)

    def _promote(self, winner: CandidateJudgement, before: Rule | None, after: Rule) -> list[RuleChange]:
        """Put the winner in force; another model becomes the fallback, with its settings in its own rule.

        That rule also ends what may have disabled that model, such as an earlier fallback to the baseline's model.
        """
        promotion = self._promotion(winner, before, after)
        spec = parse_spec(winner.spec)
        if spec.model == self.baseline.model:
            return [promotion]
        known = rule_in_force(self.rules, spec.model, spec.phase)
        own = self._set(known or Rule(model=spec.model, phase=spec.phase), spec)
        own = replace(own, reason=winner.sentence, source="selfopt-cycle", status="confirmed")
        own = replace(own, evidence=_numbers(winner, self.baseline), premises=None, before=None)
        sentence = f"set how {spec.model} is asked in {spec.phase}, where it stands in for {self.baseline.model}"
        change = self._change("set", sentence, {}, known, own)
        return [promotion, replace(change, model=spec.model)]

    def _promotion(self, winner: CandidateJudgement, before: Rule | None, after: Rule) -> RuleChange:
        change = difference(self.baseline, parse_spec(winner.spec))
        sentence = f"promoted {winner.spec} ({change}): {winner.sentence}"
        return self._change("promote", sentence, _judged(winner, self.baseline), before, after)

    def _fresh(self) -> Rule:
        return Rule(model=self.baseline.model, phase=self.baseline.phase)

    def _action(self, rule: Rule) -> str:
        action = (rule.evidence or {}).get("action", "the rule")
        return f"{action} for {rule.model} in {rule.phase}"

    def _set(self, rule: Rule, spec: Spec) -> Rule:
        """Return the rule with all settings of a spec."""
        sampling = rule.sampling
        if spec.sampling != DEFAULT_SAMPLING:
            sampling = {name: value for name, value in asdict(spec.sampling).items() if value is not None}
        return replace(
            rule,
            allow=True,
            variant=spec.variant,
            timeout_s=spec.timeout_s,
            retries=spec.retries,
            isolated=spec.isolated,
            enable_warmup=spec.warmup,
            sampling=sampling,
            timestamp=self.now,
            cycle=self.cycle,
        )

    def _change(
        self, kind: str, sentence: str, evidence: dict[str, Json], before: Rule | None, after: Rule | None
    ) -> RuleChange:
        return RuleChange(
            kind=kind,
            model=self.baseline.model,
            phase=self.baseline.phase,
            sentence=sentence,
            evidence=evidence,
            before=before,
            after=after,
        )


def _changed_routes(before: Rule, after: Rule) -> dict[str, Any]:
    """Return the fields of `_ROUTES` that differ, with their values in `after`."""
    changed = {}
    for name in _ROUTES:
        value = getattr(after, name)
        if value != getattr(before, name):
            changed[name] = value
    return changed


def _rolled_back_now(rules: Sequence[Rule], wanted: Recommendation, cycle: int) -> bool:
    """Whether this cycle rolled the action back; repeating its recommendation would be pointless."""
    return any(_has_failed_in(cycle, rule, wanted.action) for rule in rules)


def _has_failed_in(cycle: int, rule: Rule, action: str) -> bool:
    if rule.status != "rolled_back" or rule.cycle != cycle:
        return False
    return (rule.evidence or {}).get("action") == action


def _unproven(rule: Rule | None) -> Mapping[str, Any] | None:
    """Return the rule without its proven parts, as in the file."""
    if rule is None:
        return None
    if rule.status == "confirmed":
        return rule.before
    return rule_to_json(rule)


def has_lost(trial: CandidateJudgement) -> bool:
    """Whether a rule on trial has failed: it is not better, or not proven in the passes of three cycles or of any."""
    if trial.verdict is Verdict.HOLD:
        return trial.tally.passes >= MOST_HELD_PASSES or bool(lasting_reason(trial.gates))
    return trial.verdict is Verdict.REJECT


def _judged(judgement: CandidateJudgement, baseline: Spec) -> dict[str, Json]:
    """Return the log entry of a verdict: its counts, and the number and limit of each gate."""
    gates: dict[str, Json] = {}
    for gate in judgement.gates:
        gates[gate.name] = [gate.value, gate.limit]
    return {**_numbers(judgement, baseline), "spec": judgement.spec, "gates": gates}


def _numbers(judgement: CandidateJudgement, baseline: Spec) -> dict[str, Json]:
    return {
        "comparison": judgement.comparison,
        "baseline": baseline.id,
        **judgement.numbers,
    }
