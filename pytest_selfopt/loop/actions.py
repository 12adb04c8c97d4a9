"""The effect of each recommended action on the rules: a rule on trial, or a sentence on why there is none."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_selfopt.loop.diagnosis.remedies import FALL_BACK, LONGER_TIMEOUT, MORE_TOKENS, RETRY, WARM_UP
from pytest_selfopt.loop.undo.taken_back import TakenBack, forbidding_settings, setting_of, why_not
from pytest_selfopt.routing.rule import Recommendation, Rule, rule_to_json
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.trial import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleChange:
    """One decision about a rule: what was done or not done, and why.

    `kind` is "promote", "keep" (the first rule of a phase, so that applications find the measured spec), "trial" (a
    remedy that must be proven), "confirmed" or "rolled_back" (the outcome of a trial), "expired" (the premises of a
    rule have changed), "forgotten" (a rolled-back rule may be tried again), "skip", or "refused" (what cannot be done).
    """

    kind: str
    model: str
    phase: str
    sentence: str
    evidence: dict[str, Json]
    before: Rule | None = None
    after: Rule | None = None
    """The rule after the decision; None if there is none."""
    remembered: Rule | None = None
    """The rule that is kept on record beside it, such as the one that was rolled back."""

    @property
    def applied(self) -> bool:
        """Whether the decision changed a rule."""
        return self.kind not in ("skip", "refused")

    @property
    def record(self) -> dict[str, Json]:
        """Return the log entry: the evidence and, if a rule was changed, all versions, so that it can be undone."""
        if not self.applied or (self.before is None and self.after is None):
            return self.evidence
        sides: dict[str, Json] = {
            "rule_before": _recorded(self.before),
            "rule_after": _recorded(self.after),
        }
        if self.remembered is not None:
            sides["rule_remembered"] = rule_to_json(self.remembered)
        return {**self.evidence, **sides}

    def apply(self, rules: Sequence[Rule]) -> tuple[Rule, ...]:
        """Return the rules after the decision: what it made stands where the rule before it stood, or else last."""
        made = filter(None, (self.after, self.remembered))
        if self.before is None:
            return (*rules, *made)
        place = rules.index(self.before)
        return (*rules[:place], *made, *rules[place + 1 :])


def _recorded(rule: Rule | None) -> dict[str, Any] | None:
    if rule is None:
        return None
    return rule_to_json(rule)


@dataclass(frozen=True, slots=True, kw_only=True)
class Switches:
    """The switches of automatic actions: promotion, and each action that a recommendation may ask for."""

    promote: bool = True
    warm_up: bool = True
    fall_back: bool = True
    retry: bool = True
    longer_timeout: bool = True
    more_tokens: bool = True

    def allows(self, action: str) -> bool:
        """Whether an action of a recommendation is on."""
        on = {
            WARM_UP: self.warm_up,
            FALL_BACK: self.fall_back,
            RETRY: self.retry,
            LONGER_TIMEOUT: self.longer_timeout,
            MORE_TOKENS: self.more_tokens,
        }
        return on.get(action, True)


ALL_ON = Switches()


def rule_in_force(rules: Iterable[Rule], model: str, phase: str) -> Rule | None:
    """Return the first rule in force for a model in a phase, or None."""
    for rule in rules:
        if rule.in_force and (rule.model, rule.phase) == (model, phase):
            return rule
    return None


def apply_recommendation(
    rules: Sequence[Rule],
    wanted: Recommendation,
    *,
    premises: Mapping[str, str] | None = None,
    cycle: int,
    now: str,
    switches: Switches = ALL_ON,
    taken_back: Sequence[TakenBack] = (),
) -> tuple[tuple[Rule, ...], RuleChange]:
    """Apply one recommendation; return the rules and the decision. A skipped one leaves the rules unchanged.

    `premises` are those of its diagnosis, `now` is a timestamp (ISO 8601, UTC); what a person has `taken_back` is
    skipped.
    """
    model, _, phase = wanted.target.rpartition("::")
    current = rule_in_force(rules, model, phase)
    before = current or Rule(model=model, phase=phase)
    after = _acted(before, wanted, rules, switches, taken_back)
    about: dict[str, Json] = {"action": wanted.action, "diagnosis": wanted.diagnosis}
    change = RuleChange(
        kind="trial", model=model, phase=phase, sentence=trial_sentence(wanted), evidence=about, before=current
    )
    if isinstance(after, str):
        sentence = f"skipped {wanted.action}: {after}"
        return tuple(rules), replace(change, kind="skip", sentence=sentence, before=None)
    untried = None
    if current is not None:
        untried = current.untried
    after = replace(
        after,
        reason=wanted.reason,
        source="harness_feedback",
        status="trial",
        timestamp=now,
        cycle=cycle,
        evidence={**about, "because": wanted.reason},
        premises=premises,
        before=_recorded(untried),
    )
    change = replace(change, after=after)
    return change.apply(rules), change


def _acted(
    before: Rule,
    wanted: Recommendation,
    rules: Sequence[Rule],
    switches: Switches,
    taken_back: Sequence[TakenBack],
) -> Rule | str:
    """Return the rule that an action makes, or why it makes none."""
    action = _ACTIONS.get(wanted.action)
    if action is None:
        return f"unknown action; available: {', '.join(_ACTIONS)} ({wanted.reason})"
    if not switches.allows(wanted.action):
        return "this action is switched off"
    after = action(before, wanted)
    if isinstance(after, str):
        return after
    settings = setting_of(wanted.action, after)
    forbidden = forbidding_settings(taken_back, before.model, before.phase, settings)
    if forbidden is not None:
        return why_not(forbidden)
    for rule in rules:
        if (rule.model, rule.phase) == (before.model, before.phase) and _has_failed(rule, wanted):
            return f"it was tried and rolled back in cycle {rule.cycle} ({rule.reason})"
    return after


def _has_failed(rule: Rule, wanted: Recommendation) -> bool:
    """Whether a rule records that the same action with the same values was rolled back."""
    if not _tells_of(rule, wanted.action):
        return False
    asked = (wanted.fallback, wanted.retries, wanted.timeout, wanted.max_tokens)
    tried = (rule.fallback_model, rule.retries, rule.timeout_s, rule.max_tokens)
    return all(ours is None or ours == theirs for ours, theirs in zip(asked, tried, strict=True))


def highest_tried(rules: Iterable[Rule], spec: Spec, max_tokens: int | None) -> int | None:
    """Return the highest limit of tokens that was too low for a spec: its present one, or one that was rolled back.

    Thoughts may need much more than one step adds, so that a step in vain says nothing about the next one.
    """
    for rule in rules:
        if (rule.model, rule.phase) != (spec.model, spec.phase) or not _tells_of(rule, MORE_TOKENS):
            continue
        if max_tokens is not None and rule.max_tokens is not None:
            max_tokens = max(max_tokens, rule.max_tokens)
    return max_tokens


def _tells_of(rule: Rule, action: str) -> bool:
    """Whether a rule records that an action was rolled back."""
    return rule.status == "rolled_back" and (rule.evidence or {}).get("action") == action


def with_value_of(better: Spec, wanted: Recommendation) -> Recommendation:
    """Return a recommendation with the value that `better`, the spec it leads to, has for its action's setting."""
    if wanted.action == RETRY:
        return replace(wanted, retries=better.retries)
    if wanted.action == LONGER_TIMEOUT:
        return replace(wanted, timeout=better.timeout_s)
    if wanted.action == MORE_TOKENS:
        return replace(wanted, max_tokens=better.sampling.max_tokens)
    return wanted


def trial_sentence(wanted: Recommendation) -> str:
    """Return the sentence about a recommendation that was put on trial."""
    model, _, phase = wanted.target.rpartition("::")
    return f"on trial: {wanted.action} for {model} in {phase}: {wanted.reason}"


def _warm_up(before: Rule, wanted: Recommendation) -> Rule | str:
    if wanted.requirements is None or "warm-up" in wanted.requirements:
        if before.allow and before.enable_warmup:
            return f"{before.model} is already warmed up for {before.phase}"
        return replace(before, allow=True, enable_warmup=True)
    if before.allow:
        return f"{before.model} is already allowed for {before.phase}"
    return replace(before, allow=True)


def _fall_back(before: Rule, wanted: Recommendation) -> Rule | str:
    if not wanted.fallback:
        named = f"no fallback is named for {before.model} in {before.phase}, and none is invented"
        return f"{named}; name one as phases.{before.phase}.fallback"
    if not before.allow and before.fallback_model == wanted.fallback:
        return f"{before.model} is already disabled for {before.phase}"
    return replace(before, allow=False, fallback_model=wanted.fallback)


def _retry(before: Rule, wanted: Recommendation) -> Rule | str:
    obstacle = _no_higher(before, "retries", before.retries, wanted.retries)
    return obstacle or replace(before, retries=wanted.retries)


def _longer_timeout(before: Rule, wanted: Recommendation) -> Rule | str:
    obstacle = _no_higher(before, "timeout", before.timeout_s, wanted.timeout)
    return obstacle or replace(before, timeout_s=wanted.timeout)


def _more_tokens(before: Rule, wanted: Recommendation) -> Rule | str:
    obstacle = _no_higher(before, "max_tokens", before.max_tokens, wanted.max_tokens)
    return obstacle or replace(before, sampling={**(before.sampling or {}), "max_tokens": wanted.max_tokens})


def _no_higher(before: Rule, name: str, current: float | None, value: float | None) -> str:
    """Say why a setting is not raised to a value; empty if it is."""
    if value is None:
        return f"the search space has no higher {name} to offer"
    if current is None or current < value:
        return ""
    return f"{before.model} already has {name} {current:g} in {before.phase}"


_ACTIONS: Mapping[str, Callable[[Rule, Recommendation], Rule | str]] = {
    WARM_UP: _warm_up,
    FALL_BACK: _fall_back,
    RETRY: _retry,
    LONGER_TIMEOUT: _longer_timeout,
    MORE_TOKENS: _more_tokens,
}
"""The function of each action: from the present rule to the new one, or to the reason for skipping it."""
