"""The premises of rules, and the expiry of rules whose premises change.

Premises are strings by name, such as "model digest" or "suite atomic". Premises known on one side only are not
compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_selfopt.loop.actions import RuleChange
from pytest_selfopt.loop.evaluate import known
from pytest_selfopt.routing.rule import Rule

Premises = Mapping[str, str]

FALLBACK = "fallback "
"""The prefix of the names of premises about the fallback model."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """The rules after expiry for one model and phase, and the decisions about them."""

    rules: tuple[Rule, ...]
    changes: tuple[RuleChange, ...]


def together(own: Premises, stand_in: Premises | None) -> dict[str, str]:
    """Combine the premises about a rule's own model and about its fallback."""
    premises = dict(own)
    for name, value in (stand_in or {}).items():
        if not name.startswith("suite "):
            premises[f"{FALLBACK}{name}"] = value
    return premises


def changed(then: Mapping[str, Any], now: Premises) -> str:
    """Describe the changed premises; empty if all that can be compared are equal."""
    differences = []
    for name, before in then.items():
        if name in now and before != now[name]:
            differences.append(f"{name} was {before}, is {now[name]}")
    return "; ".join(differences)


def expire(
    rules: Sequence[Rule],
    model: str,
    phase: str,
    *,
    premises: Callable[[Rule], Premises],
    matters: Callable[[Rule], bool],
    now: str,
) -> Expiry:
    """Expire the rules for a model in a phase whose premises have changed.

    A confirmed rule goes on trial again, to be compared with its absence; a rule on trial ceases to be in force,
    because its diagnosis is about something else; a rolled-back rule is forgotten, so that it may be tried again.
    `premises` returns a rule's present premises, `matters` whether a rule on trial would change anything; `now` is a
    timestamp (ISO 8601, UTC).
    """
    after: list[Rule] = []
    changes: list[RuleChange] = []
    for rule in rules:
        lapse = _LAPSES.get(rule.status)
        if lapse is None or (rule.model, rule.phase) != (model, phase):
            after.append(rule)
            continue
        difference = changed(rule.premises or {}, premises(rule))
        if not difference or not _may_lapse(rule, matters):
            after.append(rule)
            continue
        lapsed, change = lapse(rule, difference, now)
        after += lapsed
        changes.append(change)
    return Expiry(rules=tuple(after), changes=tuple(changes))


def _may_lapse(rule: Rule, matters: Callable[[Rule], bool]) -> bool:
    """Whether a rule may expire: a confirmed rule goes on trial only if it would change anything."""
    return rule.status != "confirmed" or matters(replace(rule, status="trial"))


def _prove_again(rule: Rule, gone: str, now: str) -> tuple[list[Rule], RuleChange]:
    again = replace(rule, status="trial", timestamp=now)
    sentence = f"expired, and on trial again: the rule for {rule.model} in {rule.phase}, because {gone}"
    return [again], _change("expired", rule, sentence, again)


def _leave(rule: Rule, gone: str, now: str) -> tuple[list[Rule], RuleChange]:
    untried = rule.untried
    remembered = replace(rule, status="expired", reason=f"{rule.reason}; {gone}", timestamp=now, before=None)
    sentence = f"expired before it was proven: the rule for {rule.model} in {rule.phase}, because {gone}"
    change = _change("expired", rule, sentence, untried)
    return known([untried, remembered]), replace(change, remembered=remembered)


def _forget(rule: Rule, gone: str, now: str) -> tuple[list[Rule], RuleChange]:
    remembered = replace(rule, status="expired", reason=f"{rule.reason}; {gone}", timestamp=now)
    sentence = f"may be tried again: what was rolled back for {rule.model} in {rule.phase}, because {gone}"
    change = _change("forgotten", rule, sentence, None)
    return [remembered], replace(change, remembered=remembered, evidence={"was": rule.reason})


_LAPSES: Mapping[str | None, Callable[[Rule, str, str], tuple[list[Rule], RuleChange]]] = {
    "confirmed": _prove_again,
    "trial": _leave,
    "rolled_back": _forget,
}


def _change(kind: str, before: Rule, sentence: str, after: Rule | None) -> RuleChange:
    return RuleChange(
        kind=kind, model=before.model, phase=before.phase, sentence=sentence, evidence={}, before=before, after=after
    )
