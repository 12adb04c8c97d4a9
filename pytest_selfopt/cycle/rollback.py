"""`selfopt rollback`: the rules as they were before a cycle, or before the last change of one rule."""

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
    """The changes of one rule that are taken back: `now` is the rule as it is, `then` as it was before them."""

    model: str
    phase: str
    now: Rule | None
    then: Rule | None
    cycle: int
    tests: tuple[int, ...]
    """The comparisons by which it had been promoted."""

    @property
    def sentence(self) -> str:
        """What is done."""
        restored = "as it was before" if self.then is not None else "is removed, there was none before"
        return f"the rule for {self.model} in {self.phase} {restored} (cycle {self.cycle})"


def roll_back(settings: Settings, what: str | None, *, now: str, dry_run: bool) -> list[str]:
    """Undo what the log says was done to the rules, and log that.

    `what` is the number of a cycle (undone with all later ones), a rule as "model::phase" (its last change), or None
    for the last cycle that changed a rule. Undoing can be undone. Returns a sentence for each rule.

    Raises:
        StateError: when there is nothing to undo, a rule was changed by hand since, or a file cannot be used.
    """
    with ExitStack() as held:
        if not dry_run:
            if not settings.state_dir.is_dir():
                raise StateError(f"there is nothing to undo: no decision was logged in {settings.state_dir}")
            held.enter_context(hold_lock(settings.state_dir))
        path = settings.state_dir / DECISIONS
        routing = read_config(settings.routing_path)
        undos = _undos(_selected(_changes(read_decisions(path)), what), routing)
        if dry_run:
            return [f"would be done: {undo.sentence}" for undo in undos]
        after = save_config(settings.routing_path, _restored(routing, undos), now=now)
        for undo in undos:
            append_decision(path, _decision(undo, after, now=now))
        ledger_path = settings.state_dir / "ledger.sqlite"
        if ledger_path.exists():
            ledger = held.enter_context(Ledger(ledger_path))
            for test in (test for undo in undos for test in undo.tests):
                ledger.take_back(test, sentence="promoted, and rolled back by hand")
        return [undo.sentence for undo in undos]


def _changes(entries: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The entries that changed a rule."""
    return [entry for entry in entries if isinstance(entry.get("evidence"), dict) and "rule_after" in entry["evidence"]]


def _selected(changes: Sequence[dict[str, Any]], what: str | None) -> list[dict[str, Any]]:
    if not changes:
        raise StateError("there is nothing to undo: no logged decision has changed a rule")
    if what is None:
        last = changes[-1]
        return [
            one for one in changes if one["cycle"] == last["cycle"] and (one["kind"] == KIND) == (last["kind"] == KIND)
        ]
    if what.isdecimal():
        found = [one for one in changes if one["cycle"] >= int(what) and one["kind"] != KIND]
        missing = f"no decision of cycle {what} or a later one has changed a rule"
    else:
        model, _, phase = what.rpartition("::")
        found = [one for one in changes if (one["original_model"], one["phase"]) == (model, phase)][-1:]
        missing = f'no logged decision has changed a rule {what!r}; name it "model::phase", or the number of a cycle'
    if not found:
        raise StateError(f"there is nothing to undo: {missing}")
    return found


def _undos(selected: Sequence[dict[str, Any]], routing: RoutingConfig) -> list[RuleReversal]:
    by_rule: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for entry in selected:
        by_rule.setdefault((entry["original_model"], entry["phase"]), []).append(entry)
    undos = []
    for (model, phase), entries in by_rule.items():
        there = routing.get_rule(model, phase)
        then, last = _rule(entries[0]["evidence"]["rule_before"]), _rule(entries[-1]["evidence"]["rule_after"])
        if there == then:
            continue
        if there != last:
            raise StateError(
                f"the rule for {model} in {phase} is not what the decision of cycle {entries[-1]['cycle']} made it: "
                "it was changed by hand or by a later cycle. Roll that back first, or edit the file"
            )
        tests = (entry["evidence"].get("comparison") for entry in entries if entry["kind"] == "promote")
        undos.append(
            RuleReversal(
                model=model,
                phase=phase,
                now=there,
                then=then,
                cycle=entries[0]["cycle"],
                tests=tuple(test for test in tests if isinstance(test, int)),
            )
        )
    if not undos:
        raise StateError("there is nothing to undo: the rules are as they were before already")
    return undos


def _rule(value: Any) -> Rule | None:
    try:
        return None if value is None else rule_from_json(value)
    except ValueError as problem:
        raise StateError(f"the decisions log holds a rule that cannot be used: {problem}") from None


def _restored(routing: RoutingConfig, undos: Sequence[RuleReversal]) -> RoutingConfig:
    addresses = {(undo.model, undo.phase) for undo in undos}
    kept = [rule for rule in routing.rules if not (rule.in_force and (rule.model, rule.phase) in addresses)]
    return routing.with_rules([*kept, *(undo.then for undo in undos if undo.then is not None)])


def _decision(undo: RuleReversal, routing: RoutingConfig, *, now: str) -> Decision:
    sides: dict[str, Json] = {
        "rule_before": rule_to_json(undo.now) if undo.now is not None else None,
        "rule_after": rule_to_json(undo.then) if undo.then is not None else None,
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
