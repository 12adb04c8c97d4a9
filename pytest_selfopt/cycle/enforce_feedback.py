"""`selfopt enforce`: turns a feedback file into rules, and looks up each as an application would."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_selfopt.errors import SelfoptError, StateError
from pytest_selfopt.ledger.decision_log import check_log
from pytest_selfopt.ledger.ledger import Ledger, existing_ledger
from pytest_selfopt.ledger.steps import change_state, hold_state
from pytest_selfopt.loop.actions import RuleChange, apply_recommendation, highest_tried, trial_sentence, with_value_of
from pytest_selfopt.loop.diagnosis.remedies import FALL_BACK, LONGER_TIMEOUT, MORE_TOKENS, RETRY, remedy
from pytest_selfopt.loop.undo.taken_back import TakenBack
from pytest_selfopt.planning.capabilities import max_tokens_of
from pytest_selfopt.planning.fallback import fallback_for
from pytest_selfopt.planning.past_comparisons import taken_back_in
from pytest_selfopt.routing.config import RoutingConfig, load_config, new_text, read_config
from pytest_selfopt.routing.decisions import Decision, reasons_of
from pytest_selfopt.routing.feedback import PHASES, Feedback, read_feedback
from pytest_selfopt.routing.history import DECISIONS
from pytest_selfopt.routing.rule import Recommendation, Rule
from pytest_selfopt.routing.state_change import StateChange
from pytest_selfopt.settings import Settings
from pytest_selfopt.specs.routed import apply_route
from pytest_selfopt.trial import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class EnforcementReport:
    """The result of enforcing a feedback file: rules applied, recommendations skipped, and errors."""

    applied: tuple[RuleChange, ...]
    skipped: tuple[RuleChange, ...]
    refused: tuple[RuleChange, ...]
    """The recommendations that cannot be read or followed, with the reasons, which are among the errors, too."""
    errors: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """The counts, such as "2 applied, 1 skipped, 0 errors"."""
        done = f"{len(self.applied)} applied, {len(self.skipped)} skipped"
        return f"{done}, {len(self.errors)} errors"


def enforce_feedback(path: Path, settings: Settings, *, now: str, dry_run: bool) -> EnforcementReport:
    """Turn the recommendations of a feedback file into rules on trial, save them, check and log them.

    What is skipped or refused is logged, too, with the reason.

    A dry run reports what would be done; it takes no lock and writes nothing.

    Raises:
        StateError: if the file, the routing configuration or the state directory cannot be used.
    """
    phases = tuple(dict.fromkeys([*settings.phases, *PHASES]))
    feedback = read_feedback(path, phases, state=path.parent == settings.state_dir)
    with ExitStack() as held:
        if dry_run:
            routing = read_config(settings.routing_path)
            ledger = held.enter_context(existing_ledger(settings.ledger_path))
            log = check_log(settings.state_dir, ledger)
            return _apply(feedback, routing, settings, ledger, taken_back_in(log.entries), now=now)[1]
        state = held.enter_context(hold_state(settings.state_dir, settings.routing_path))
        routing = load_config(settings.routing_path)
        ledger = held.enter_context(existing_ledger(settings.ledger_path))
        log = check_log(settings.state_dir, ledger, take_over=True)
        notes = [*state.notes, routing.problem, *log.notes]
        routing, enforced = _apply(feedback, routing, settings, ledger, taken_back_in(log.entries), now=now)
        ledger = ledger or held.enter_context(Ledger(settings.ledger_path))
        with change_state(settings.state_dir, ledger, "selfopt enforce", state.lease) as written:
            text = new_text(settings.routing_path, routing, now=now)
            if enforced.applied and text is not None:
                written.replace(settings.routing_path, text)
            _log(written, settings.state_dir / DECISIONS, feedback, enforced, routing, now=now)
        fresh = read_config(settings.routing_path)
        errors = (*enforced.errors, *_not_in_effect(fresh, enforced.applied))
        notes += written.notes
        return replace(enforced, errors=errors, notes=tuple(filter(None, notes)))


def _apply(
    feedback: Feedback,
    routing: RoutingConfig,
    settings: Settings,
    ledger: Ledger | None,
    taken_back: Sequence[TakenBack],
    *,
    now: str,
) -> tuple[RoutingConfig, EnforcementReport]:
    applied: list[RuleChange] = []
    skipped: list[RuleChange] = []
    refused: list[RuleChange] = [_refused("", "", problem, {}) for problem in feedback.problems]
    errors = list(feedback.problems)
    for recommendation in feedback.recommendations:
        try:
            wanted = _completed(recommendation, settings, routing, ledger)
            rules, change = apply_recommendation(
                routing.rules,
                wanted,
                cycle=feedback.cycle,
                now=now,
                switches=settings.switches,
                taken_back=taken_back,
            )
            after = routing.with_rules(rules)
            _check(after, change, settings)
        except SelfoptError as problem:
            sentence = f"{recommendation.action} for {recommendation.target}: {problem}"
            errors.append(sentence)
            model, _, phase = recommendation.target.rpartition("::")
            refused.append(_refused(model, phase, sentence, {"action": recommendation.action}))
            continue
        routing = after
        if change.applied:
            applied.append(change)
        else:
            skipped.append(change)
    return routing, EnforcementReport(
        applied=tuple(applied),
        skipped=tuple(skipped),
        refused=tuple(refused),
        errors=tuple(errors),
    )


def _refused(model: str, phase: str, sentence: str, evidence: dict[str, Json]) -> RuleChange:
    return RuleChange(kind="refused", model=model, phase=phase, sentence=f"refused {sentence}", evidence=evidence)


def _completed(
    wanted: Recommendation, settings: Settings, routing: RoutingConfig, ledger: Ledger | None
) -> Recommendation:
    """Fill in what a recommendation leaves open: the fallback, or the next value of the search space.

    Raises:
        SelfoptError: if its target is not a known model and phase.
    """
    model, _, phase = wanted.target.rpartition("::")
    if wanted.action == FALL_BACK and not wanted.fallback:
        rule = routing.get_rule(model, phase)
        if rule is not None and rule.fallback_model:
            return replace(wanted, fallback=rule.fallback_model)
        fallback = fallback_for(model, phase, settings, routing, ledger)
        return replace(wanted, fallback=fallback)
    if wanted.action not in _VALUED or _has_value(wanted):
        return wanted
    start = replace(settings.phase(phase).baseline, model=model)
    route = routing.without_trials().apply_routing(model, phase)
    spec = apply_route(start, route)
    max_tokens = None
    if wanted.action == MORE_TOKENS:
        # Only here, because the other actions need no known model.
        max_tokens = highest_tried(routing.rules, spec, max_tokens_of(spec, settings))
    better = remedy(wanted.action, spec, settings.space, max_tokens=max_tokens)
    if better is None:
        return wanted
    return with_value_of(better, wanted)


_VALUED = (RETRY, LONGER_TIMEOUT, MORE_TOKENS)
"""The actions that set a value of the search space."""


def _has_value(wanted: Recommendation) -> bool:
    return (wanted.retries, wanted.timeout, wanted.max_tokens) != (None, None, None)


def _check(routing: RoutingConfig, change: RuleChange, settings: Settings) -> None:
    """Refuse a rule that would leave a phase without a model.

    Raises:
        SelfoptError: if the rule would do so, or names an unknown model.
    """
    if not change.applied:
        return
    route = routing.apply_routing(change.model, change.phase)
    if not route.allowed:
        raise StateError(f"no model would be left for {change.phase}: {'; '.join(route.because)}")
    if route.rerouted:
        settings.model(route.model)


def _not_in_effect(fresh: RoutingConfig, applied: Sequence[RuleChange]) -> list[str]:
    """Return an error for each applied change that is not in effect when the file is read again."""
    errors: list[str] = []
    for change in applied:
        if not _in_effect(fresh, change):
            action = change.evidence["action"]
            subject = f"{action} for {change.model} in {change.phase}"
            errors.append(f"{subject} did not take effect")
    return errors


def _in_effect(fresh: RoutingConfig, change: RuleChange) -> bool:
    route = fresh.apply_routing(change.model, change.phase)
    if change.evidence["action"] == FALL_BACK:
        return route.allowed and route.rerouted
    if not route.allowed or route.rerouted:
        return False
    rule = change.after
    if rule is None:
        return True
    return (
        _agrees(rule.enable_warmup, route.enable_warmup)
        and _agrees(rule.retries, route.retries)
        and _agrees(rule.timeout_s, route.timeout_s)
        and (rule.sampling is None or rule.sampling == route.sampling)
    )


def _agrees(asked: float | None, routed_to: float | None) -> bool:
    """Whether a setting of a route is what a rule asks for; a rule may leave it open (None)."""
    return asked is None or asked == routed_to


def _log(
    written: StateChange,
    path: Path,
    feedback: Feedback,
    enforced: EnforcementReport,
    routing: RoutingConfig,
    *,
    now: str,
) -> None:
    """Log every rule that this feedback put on trial, and what was skipped or refused, unless it is in the log.

    Versions that wrote the two files one after the other may have left a rule without its entry.
    """
    changes = [*_trials(feedback, enforced, routing), *enforced.skipped, *enforced.refused]
    known = reasons_of(written.entries, feedback.cycle)
    for change in changes:
        # A rule that was rolled back may be made again, and is then in the log already.
        if change.after is None and (change.phase, change.model, change.sentence) in known:
            continue
        decision = Decision(
            timestamp=now,
            cycle=feedback.cycle,
            kind=change.kind,
            phase=change.phase,
            model=change.model,
            effective=routing.apply_routing(change.model, change.phase).model,
            reason=change.sentence,
            evidence=change.record,
        )
        written.log(path, decision)


def _trials(feedback: Feedback, enforced: EnforcementReport, routing: RoutingConfig) -> Iterator[RuleChange]:
    """Yield the decision behind each rule on trial that comes from this feedback."""
    applied = {change.sentence: change for change in enforced.applied}
    for wanted in feedback.recommendations:
        model, _, phase = wanted.target.rpartition("::")
        sentence = trial_sentence(wanted)
        if not _comes_from(routing.get_rule(model, phase), wanted):
            continue
        evidence: dict[str, Json] = {"action": wanted.action}
        unlogged = RuleChange(kind="trial", model=model, phase=phase, sentence=sentence, evidence=evidence)
        yield applied.get(sentence, unlogged)


def _comes_from(rule: Rule | None, wanted: Recommendation) -> bool:
    """Whether a rule was made from this recommendation."""
    if rule is None or rule.source != "harness_feedback":
        return False
    return (rule.reason, (rule.evidence or {}).get("action")) == (wanted.reason, wanted.action)
