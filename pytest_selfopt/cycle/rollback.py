"""`selfopt rollback`: takes back decisions about rules, and takes rollbacks back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

from pytest_selfopt.errors import StateError
from pytest_selfopt.ledger.decision_log import check_log
from pytest_selfopt.ledger.ledger import existing_ledger
from pytest_selfopt.ledger.steps import change_state, hold_state
from pytest_selfopt.loop.undo.logged import (
    LIFTED,
    RESTORED,
    ROLLBACK,
    LoggedChange,
    LoggedRollback,
    UndoLog,
    read_undo_log,
    taken_back_of,
)
from pytest_selfopt.loop.undo.reversal import ChangedSinceError, RuleReversal, reverse, with_experiments
from pytest_selfopt.loop.undo.taken_back import in_words
from pytest_selfopt.planning.in_force import in_force_now
from pytest_selfopt.report.learned.write import learned_file
from pytest_selfopt.report.publish import refresh
from pytest_selfopt.routing.config import RoutingConfig, new_text, read_config
from pytest_selfopt.routing.decisions import Decision, Entry, entry_of
from pytest_selfopt.routing.history import DECISIONS, LEARNED
from pytest_selfopt.routing.rule import Rule, rule_to_json
from pytest_selfopt.settings import Settings
from pytest_selfopt.trial import Json

_Entry = TypeVar("_Entry", LoggedChange, LoggedRollback)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One entry for the log: the new rules of a model and phase, and the sentence about them."""

    kind: str
    cycle: int
    model: str
    phase: str
    after: tuple[Rule, ...]
    sentence: str
    evidence: dict[str, Json]


StepsOf = Callable[[UndoLog, RoutingConfig], list[Step]]
"""What is to be done, by the log and the present rules."""


def roll_back(settings: Settings, what: str | None, *, now: str, dry_run: bool, further: bool = False) -> list[str]:
    """Undo logged decisions, and log that; cycles do not decide them again.

    `what` is the number of a cycle (undone with all later ones), a rule as "model::phase" (its last decision), or None
    for the last decisions that stand. If the last of these is rolled back already, only `further` undoes the one before
    it. A trial and its outcome are one decision. Returns a sentence for each rule.

    Raises:
        StateError: if there is nothing to undo, a rule was changed by hand since, or a file cannot be used.
    """

    def steps(log: UndoLog, routing: RoutingConfig) -> list[Step]:
        missing = "no decision{} that changed a rule stands"
        if not further:
            _require_news(log, what)
        selected = with_experiments(_selected(log.standing, what, missing), log.standing)
        return [_rollback(reversal) for reversal in _reversals(selected, log.standing, routing)]

    return _carry_out(settings, steps, now=now, dry_run=dry_run)


def _require_news(log: UndoLog, what: str | None) -> None:
    """Refuse to roll back once more what nothing was decided about since.

    Raises:
        StateError: if there is nothing new to undo; it names the ways to go on.
    """
    is_about = partial(_is_about, what)
    last, earlier = log.rolled_back_last(is_about), list(filter(is_about, log.standing))
    of_cycles = what is not None and what.isdecimal()
    if last is None or (of_cycles and earlier):
        return
    model, phase = last.address
    about = what or ""
    message = (
        f"there is nothing to undo that is new: the rule for {model} in {phase} was rolled back at {last.timestamp}, "
        f"and nothing was decided since. {_command('--redo', about)} takes that rollback back"
    )
    if earlier:
        message += f"; {_command('--further', about)} also undoes what cycle {earlier[-1].cycle} decided before it"
    raise StateError(message)


def _is_about(what: str | None, entry: LoggedChange | LoggedRollback) -> bool:
    """Whether an entry is one of those that `what` selects; None selects all."""
    if what is None:
        return True
    if what.isdecimal():
        return entry.cycle >= int(what)
    model, _, phase = what.rpartition("::")
    return entry.address == (model, phase)


def _command(option: str, about: str) -> str:
    return f"selfopt rollback {option} {about}".rstrip()


def restore(settings: Settings, what: str | None, *, now: str, dry_run: bool) -> list[str]:
    """Take rollbacks back: cycles may decide again what they took back, and rules not changed since are put back.

    `what` selects rollbacks as `roll_back` selects decisions. Returns a sentence for each rule.

    Raises:
        StateError: if there is no such rollback, or a file cannot be used.
    """

    def steps(log: UndoLog, routing: RoutingConfig) -> list[Step]:
        selected = _selected(log.rollbacks, what, "no rollback{} stands")
        # The last rollback first, so that each finds the rules that it left.
        return _restorations(selected[::-1], routing)

    return _carry_out(settings, steps, now=now, dry_run=dry_run)


def _carry_out(settings: Settings, steps_of: StepsOf, *, now: str, dry_run: bool) -> list[str]:
    """Write the configuration and the log in one step, then the pages that say what is in force."""
    lines = _change(settings, steps_of, now=now, dry_run=dry_run)
    if not dry_run:
        lines.append(refresh(settings, now=now))
    return list(filter(None, lines))


def _change(settings: Settings, steps_of: StepsOf, *, now: str, dry_run: bool) -> list[str]:
    with ExitStack() as held:
        if dry_run:
            ledger = held.enter_context(existing_ledger(settings.ledger_path))
            log = check_log(settings.state_dir, ledger)
            steps, _ = _planned(steps_of, log.entries, settings)
            return [f"would be done: {step.sentence}" for step in steps]
        if not settings.state_dir.is_dir():
            raise StateError(f"there is nothing to undo: no decision was logged in {settings.state_dir}")
        state = held.enter_context(hold_state(settings.state_dir, settings.routing_path))
        ledger = held.enter_context(existing_ledger(settings.ledger_path))
        log = check_log(settings.state_dir, ledger, take_over=True)
        steps, routing = _planned(steps_of, log.entries, settings)
        # Without a ledger no log with rules is trusted, and there was nothing to undo.
        assert ledger is not None
        with change_state(settings.state_dir, ledger, "selfopt rollback", state.lease) as written:
            text = new_text(settings.routing_path, routing, now=now)
            if text is not None:
                written.replace(settings.routing_path, text)
            decisions = [_decision(step, routing, now=now) for step in steps]
            for decision in decisions:
                written.log(settings.state_dir / DECISIONS, decision)
            taken_back = taken_back_of([*log.entries, *map(entry_of, decisions)])
            text = learned_file(ledger, taken_back, partial(in_force_now, settings, routing))
            if text is not None:
                written.replace(settings.state_dir / LEARNED, text)
        return [*state.notes, *log.notes, *(step.sentence for step in steps), *written.notes]


def _planned(steps_of: StepsOf, entries: Sequence[Entry], settings: Settings) -> tuple[list[Step], RoutingConfig]:
    """Return what is to be done, and the routing configuration that it leads to."""
    routing = read_config(settings.routing_path)
    steps = steps_of(_undo_log(entries), routing)
    for step in steps:
        routing = _with(routing, step)
    return steps, _checked(routing)


def _undo_log(entries: Sequence[Entry]) -> UndoLog:
    try:
        return read_undo_log(entries)
    except ValueError as problem:
        raise StateError(f"the decisions log holds a rule that cannot be used: {problem}") from None


def _selected(entries: Sequence[_Entry], what: str | None, missing: str) -> list[_Entry]:
    """Return the entries that `what` names, or the last ones; `missing` has a place for the reason why there is none.

    Raises:
        StateError: if there are none.
    """
    about = ""
    if what is None:
        selected = [entry for entry in entries if entry.moment == entries[-1].moment]
    elif what.isdecimal():
        selected = [entry for entry in entries if _is_about(what, entry)]
        about = f" of cycle {what} or a later one"
    else:
        selected = [entry for entry in entries if _is_about(what, entry)][-1:]
        about = f' about {what!r} (name a rule as "model::phase", or the number of a cycle)'
    if not selected:
        raise StateError(f"there is nothing to undo: {missing.format(about)}")
    return selected


def _reversals(
    selected: Sequence[LoggedChange], standing: Sequence[LoggedChange], routing: RoutingConfig
) -> list[RuleReversal]:
    by_rule: dict[tuple[str, str], list[LoggedChange]] = {}
    for change in selected:
        by_rule.setdefault(change.address, []).append(change)
    reversals: list[RuleReversal] = []
    for address, decisions in by_rule.items():
        try:
            reversals.append(reverse(_rules_about(routing, address), decisions, standing))
        except ChangedSinceError:
            model, phase = address
            raise StateError(
                f"the rule for {model} in {phase} is not what the decision of cycle {decisions[-1].cycle} made it: it "
                "was changed by hand or by a later cycle. Roll that back first, or edit the file"
            ) from None
    return reversals


def _rollback(reversal: RuleReversal) -> Step:
    taken_back: list[Json] = []
    for setting, value in reversal.settings:
        one: Json = {"setting": setting, "value": value}
        taken_back.append(one)
    return Step(
        kind=ROLLBACK,
        cycle=reversal.undone[-1].cycle,
        model=reversal.model,
        phase=reversal.phase,
        after=reversal.after,
        sentence=reversal.sentence,
        evidence={
            "rules_before": _to_json(reversal.before),
            "rules_after": _to_json(reversal.after),
            "undoes": [change.id for change in reversal.undone],
            "taken_back": taken_back,
        },
    )


def _restorations(rollbacks: Sequence[LoggedRollback], routing: RoutingConfig) -> list[Step]:
    steps: list[Step] = []
    for rollback in rollbacks:
        model, phase = rollback.address
        now = _rules_about(routing, rollback.address)
        step = Step(
            kind=RESTORED,
            cycle=rollback.cycle,
            model=model,
            phase=phase,
            after=rollback.before,
            sentence=f"the rule for {model} in {phase} is as it was before the rollback of {rollback.timestamp}",
            evidence={"takes_back": [rollback.id]},
        )
        if now != rollback.after:
            allowed = f"cycles may decide again about {in_words(rollback.settings) or 'it'} for {model} in {phase}"
            step = replace(
                step,
                kind=LIFTED,
                after=now,
                sentence=f"{allowed}; the rule was changed since, and stays as it is",
            )
        steps.append(step)
        routing = _with(routing, step)
    return steps


def _rules_about(routing: RoutingConfig, address: tuple[str, str]) -> tuple[Rule, ...]:
    return tuple(rule for rule in routing.rules if (rule.model, rule.phase) == address)


def _with(routing: RoutingConfig, step: Step) -> RoutingConfig:
    others = [rule for rule in routing.rules if (rule.model, rule.phase) != (step.model, step.phase)]
    return replace(routing, rules=(*others, *step.after))


def _checked(routing: RoutingConfig) -> RoutingConfig:
    """Return the configuration with its rules in order; only what all steps lead to must be free of circles.

    Raises:
        StateError: if fallbacks are circular.
    """
    try:
        return routing.with_rules(routing.rules)
    except StateError as problem:
        raise StateError(
            f"nothing was changed, because then {problem}. Take back the decision about the other model as well: "
            "selfopt rollback CYCLE undoes all decisions of a cycle and of later ones"
        ) from None


def _decision(step: Step, routing: RoutingConfig, *, now: str) -> Decision:
    reasons = {ROLLBACK: "rolled back", RESTORED: "rollback taken back", LIFTED: "allowed again"}
    return Decision(
        timestamp=now,
        cycle=step.cycle,
        kind=step.kind,
        phase=step.phase,
        model=step.model,
        effective=routing.apply_routing(step.model, step.phase).model,
        reason=f"{reasons[step.kind]}: {step.sentence}",
        evidence=step.evidence,
    )


def _to_json(rules: Sequence[Rule]) -> list[Json]:
    return list[Json](map(rule_to_json, rules))
