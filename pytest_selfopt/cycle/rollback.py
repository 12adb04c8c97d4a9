"""`selfopt rollback`: restores the rules from before a cycle, or from before the last change of one rule."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from pytest_selfopt.errors import StateError
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.routing.config import RoutingConfig, read_config, save_config
from pytest_selfopt.routing.decisions import Decision, append_decision, read_decisions
from pytest_selfopt.routing.history import DECISIONS
from pytest_selfopt.routing.lock import hold_lock
from pytest_selfopt.routing.rule import Rule, rule_from_json, rule_to_json
from pytest_selfopt.settings import Settings
from pytest_selfopt.trial import Json

KIND = "rollback"


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleReversal:
    """The reversal of the changes of one rule: `now` is the current rule, `then` the rule before them."""

    model: str
    phase: str
    now: Rule | None
    then: Rule | None
    cycle: int
    tests: tuple[int, ...]
    """The numbers of the comparisons that promoted the rule."""

    @property
    def sentence(self) -> str:
        """A description of the reversal."""
        restored = "as it was before"
        if self.then is None:
            restored = "is removed, there was none before"
        subject = f"the rule for {self.model} in {self.phase}"
        return f"{subject} {restored} (cycle {self.cycle})"


def roll_back(settings: Settings, what: str | None, *, now: str, dry_run: bool) -> list[str]:
    """Undo logged changes of rules, and log the rollback.

    `what` is the number of a cycle (undone with all later ones), a rule as "model::phase" (its last change), or None
    for the last cycle that changed a rule. Undoing can be undone. Returns a sentence for each rule.

    Raises:
        StateError: if there is nothing to undo, a rule was changed by hand since, or a file cannot be used.
    """
    with ExitStack() as held:
        if not dry_run:
            if not settings.state_dir.is_dir():
                raise StateError(f"there is nothing to undo: no decision was logged in {settings.state_dir}")
            held.enter_context(hold_lock(settings.state_dir))
        path = settings.state_dir / DECISIONS
        routing = read_config(settings.routing_path)
        changes = list(filter(_changes_rule, read_decisions(path)))
        undos = _undos(_selected(changes, what), routing)
        if dry_run:
            return [f"would be done: {undo.sentence}" for undo in undos]
        after = save_config(settings.routing_path, _restored(routing, undos), now=now)
        for undo in undos:
            append_decision(path, _decision(undo, after, now=now))
        if settings.ledger_path.exists():
            ledger = held.enter_context(Ledger(settings.ledger_path))
            for undo in undos:
                for test in undo.tests:
                    ledger.take_back(test, sentence="promoted, and rolled back by hand")
        return [undo.sentence for undo in undos]


def _changes_rule(entry: dict[str, Any]) -> bool:
    """Whether an entry of the log changed a rule."""
    evidence = entry.get("evidence")
    return isinstance(evidence, dict) and "rule_after" in evidence


def _selected(changes: Sequence[dict[str, Any]], what: str | None) -> list[dict[str, Any]]:
    if not changes:
        raise StateError("there is nothing to undo: no logged decision has changed a rule")
    if what is None:
        return _last_together(changes)
    if what.isdecimal():
        selected = _since(changes, int(what))
        missing = f"no decision of cycle {what} or a later one has changed a rule"
    else:
        model, _, phase = what.rpartition("::")
        selected = [entry for entry in changes if _address_of(entry) == (model, phase)][-1:]
        missing = f'no logged decision has changed a rule {what!r}; name it "model::phase", or the number of a cycle'
    if not selected:
        raise StateError(f"there is nothing to undo: {missing}")
    return selected


def _last_together(changes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the changes of the last cycle that changed a rule, or those of its rollback if there was one."""
    last = changes[-1]
    of_cycle = (entry for entry in changes if entry["cycle"] == last["cycle"])
    rolled_back = last["kind"] == KIND
    return [entry for entry in of_cycle if (entry["kind"] == KIND) == rolled_back]


def _since(changes: Sequence[dict[str, Any]], cycle: int) -> list[dict[str, Any]]:
    """Return the changes that a cycle and all later ones made, without rollbacks."""
    return [entry for entry in changes if entry["cycle"] >= cycle and entry["kind"] != KIND]


def _address_of(entry: dict[str, Any]) -> tuple[str, str]:
    """Return the model and the phase of the rule that an entry of the log is about."""
    return entry["original_model"], entry["phase"]


def _undos(selected: Sequence[dict[str, Any]], routing: RoutingConfig) -> list[RuleReversal]:
    by_rule: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for entry in selected:
        entries = by_rule.setdefault(_address_of(entry), [])
        entries.append(entry)
    undos: list[RuleReversal] = []
    for (model, phase), entries in by_rule.items():
        current = routing.get_rule(model, phase)
        undo = _undo(model, phase, entries, current)
        if undo is not None:
            undos.append(undo)
    if not undos:
        raise StateError("there is nothing to undo: the rules already are as they were before")
    return undos


def _undo(model: str, phase: str, entries: Sequence[dict[str, Any]], current: Rule | None) -> RuleReversal | None:
    """Return the reversal of the changes of one rule; None if the rule is as it was before them.

    Raises:
        StateError: if the rule was changed after the last of them.
    """
    first, last = entries[0], entries[-1]
    before = _rule(first["evidence"]["rule_before"])
    after = _rule(last["evidence"]["rule_after"])
    if current == before:
        return None
    if current != after:
        raise StateError(
            f"the rule for {model} in {phase} is not what "
            f"the decision of cycle {last['cycle']} made it: "
            "it was changed by hand or by a later cycle. "
            "Roll that back first, or edit the file"
        )
    return RuleReversal(
        model=model,
        phase=phase,
        now=current,
        then=before,
        cycle=first["cycle"],
        tests=_tests_of(entries),
    )


def _tests_of(entries: Sequence[dict[str, Any]]) -> tuple[int, ...]:
    """Return the numbers of the comparisons that promoted a rule."""
    tests: list[int] = []
    for entry in entries:
        comparison = entry["evidence"].get("comparison")
        if entry["kind"] == "promote" and isinstance(comparison, int):
            tests.append(comparison)
    return tuple(tests)


def _rule(value: Any) -> Rule | None:
    if value is None:
        return None
    try:
        return rule_from_json(value)
    except ValueError as problem:
        raise StateError(f"the decisions log holds a rule that cannot be used: {problem}") from None


def _restored(routing: RoutingConfig, undos: Sequence[RuleReversal]) -> RoutingConfig:
    addresses = {(undo.model, undo.phase) for undo in undos}
    rules: list[Rule] = []
    for rule in routing.rules:
        address = (rule.model, rule.phase)
        if not rule.in_force or address not in addresses:
            rules.append(rule)
    rules += [undo.then for undo in undos if undo.then is not None]
    return routing.with_rules(rules)


def _decision(undo: RuleReversal, routing: RoutingConfig, *, now: str) -> Decision:
    sides: dict[str, Json] = {
        "rule_before": _to_json(undo.now),
        "rule_after": _to_json(undo.then),
    }
    return Decision(
        timestamp=now,
        cycle=undo.cycle,
        kind=KIND,
        phase=undo.phase,
        model=undo.model,
        effective=routing.apply_routing(undo.model, undo.phase).model,
        reason=f"rolled back: {undo.sentence}",
        evidence=sides,
    )


def _to_json(rule: Rule | None) -> Json:
    if rule is None:
        return None
    return rule_to_json(rule)
