"""The rules of the routing configuration with what they rest on, and their life in the decisions log."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_selfopt.report.document import Event, RuleReport
from pytest_selfopt.report.json_fields import Entry, count_in, text_in
from pytest_selfopt.routing.rule import Rule, rule_to_json

SAID = {
    "fallback_model": "falls back to",
    "enable_warmup": "warm-up",
    "variant": "variant",
    "timeout": "timeout",
    "retries": "retries",
    "isolation": "isolation",
    "sampling": "sampling",
}
"""What a rule may set, and how that is called."""


def events_of(decisions: Sequence[Entry]) -> tuple[Event, ...]:
    """The lines of the decisions log."""
    return tuple(
        Event(
            timestamp=text_in(one, "timestamp"),
            cycle=count_in(one, "cycle"),
            kind=text_in(one, "kind"),
            phase=text_in(one, "phase"),
            model=text_in(one, "original_model"),
            effective=text_in(one, "effective_model"),
            reason=text_in(one, "reason"),
        )
        for one in decisions
    )


def rule_reports(rules: Sequence[Rule], events: Sequence[Event]) -> tuple[RuleReport, ...]:
    """The rules, each with the events that are about its model and phase."""
    return tuple(_rule(rule, events) for rule in rules)


def says(rule: Rule) -> tuple[str, ...]:
    """What a rule sets, a phrase for each setting."""
    values = rule_to_json(rule)
    phrases = [f"{word} {_value(name, values[name])}" for name, word in SAID.items() if name in values]
    return tuple(phrases if rule.allow else ["not allowed", *phrases])


def _value(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return f"{value:g} s" if name == "timeout" and isinstance(value, int | float) else str(value)


def _rule(rule: Rule, events: Sequence[Event]) -> RuleReport:
    return RuleReport(
        model=rule.model,
        phase=rule.phase,
        status=rule.status or "kept",
        says=says(rule),
        reason=rule.reason or "",
        source=rule.source or "",
        cycle=rule.cycle,
        timestamp=rule.timestamp or "",
        evidence=tuple(
            f"{name.replace('_', ' ')} {value}"
            for name, value in (rule.evidence or {}).items()
            if isinstance(value, str | int | float)
        ),
        rests_on=tuple(f"{name} {value}" for name, value in (rule.premises or {}).items()),
        events=tuple(one for one in events if (one.model, one.phase) == (rule.model, rule.phase)),
    )
