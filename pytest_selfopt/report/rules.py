"""The rules of the routing configuration with their grounds, and their history in the decisions log."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence

from pytest_selfopt.loop.undo.logged import read_undo_log
from pytest_selfopt.report.document import Event, RuleReport
from pytest_selfopt.report.json_fields import Entry, count_in, text_in
from pytest_selfopt.routing.atomic_files import timestamp
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
"""The settings of a rule, and their names for people."""


def events_of(decisions: Sequence[Entry]) -> tuple[Event, ...]:
    """Return the lines of the decisions log as events."""
    return tuple(map(_event, decisions))


def promotions_taken_back(decisions: Sequence[Entry]) -> Mapping[tuple[int, str], str]:
    """Return when promotions were rolled back by hand, by cycle and phase; nothing if the log cannot be used."""
    try:
        return read_undo_log(decisions).promotions_taken_back
    except ValueError:
        return {}


def _event(decision: Entry) -> Event:
    return Event(
        timestamp=text_in(decision, "timestamp"),
        cycle=count_in(decision, "cycle"),
        kind=text_in(decision, "kind"),
        phase=text_in(decision, "phase"),
        model=text_in(decision, "original_model"),
        effective=text_in(decision, "effective_model"),
        reason=text_in(decision, "reason"),
    )


def rule_reports(rules: Sequence[Rule], events: Sequence[Event]) -> tuple[RuleReport, ...]:
    """Return the reports on rules, each with the events of its model and phase."""
    return tuple(_rule(rule, events) for rule in rules)


def says(rule: Rule) -> tuple[str, ...]:
    """Return a phrase for each setting of a rule."""
    values = rule_to_json(rule)
    phrases = []
    if not rule.allow:
        phrases.append("not allowed")
    for name, word in SAID.items():
        if values.get(name) is not None:
            value = _value(name, values[name])
            phrases.append(f"{word} {value}")
    return tuple(phrases)


def _value(name: str, value: object) -> str:
    if value is True:
        return "on"
    if value is False:
        return "off"
    if name == "timeout" and isinstance(value, int | float):
        return f"{value:g} s"
    return str(value)


def _rule(rule: Rule, events: Sequence[Event]) -> RuleReport:
    address = (rule.model, rule.phase)
    return RuleReport(
        model=rule.model,
        phase=rule.phase,
        status=rule.status or "kept",
        says=says(rule),
        reason=rule.reason or "",
        source=rule.source or "",
        cycle=rule.cycle,
        timestamp=_moment(rule.timestamp),
        evidence=tuple(_evidence(rule)),
        rests_on=tuple(f"{name} {value}" for name, value in (rule.premises or {}).items()),
        events=tuple(event for event in events if (event.model, event.phase) == address),
    )


def _moment(stamp: str | float | None) -> str:
    """Return the time of a rule, which may be in seconds since the epoch, in ISO 8601; one that is no time as it is."""
    if isinstance(stamp, int | float):
        with contextlib.suppress(ValueError, OverflowError, OSError):
            return timestamp(stamp)
    return str(stamp or "")


def _evidence(rule: Rule) -> Iterator[str]:
    for name, value in (rule.evidence or {}).items():
        if isinstance(value, str | int | float):
            words = name.replace("_", " ")
            yield f"{words} {value}"
