"""The decisions log as far as it can be undone: the changes of rules that stand, and the rollbacks that hold."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_selfopt.loop.undo.taken_back import Setting, TakenBack
from pytest_selfopt.routing.rule import Rule, rule_from_json

ROLLBACK = "rollback"
"""The kind of an entry that undoes others."""
RESTORED = "restored"
"""The kind of an entry that takes rollbacks back, with the rules as they were before them."""
LIFTED = "lifted"
"""The kind of an entry that only allows cycles again what rollbacks took back."""
BY_HAND = (ROLLBACK, RESTORED, LIFTED)
"""The kinds of what a person decided by `selfopt rollback`."""

Entry = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedChange:
    """One logged change of a rule; `id` is the hash of the line before it in the log, made unique where that is not.

    It replaced `before` by `after`, and left `remembered` on record beside it; None where there is no such rule.
    """

    id: str
    cycle: int
    timestamp: str
    kind: str
    model: str
    phase: str
    before: Rule | None
    after: Rule | None
    remembered: Rule | None
    evidence: Mapping[str, Any]

    @property
    def address(self) -> tuple[str, str]:
        """The model and the phase of the rule."""
        return self.model, self.phase

    @property
    def moment(self) -> tuple[int, str]:
        """What it has in common with the changes that were logged together with it."""
        return self.cycle, self.timestamp

    @property
    def added(self) -> tuple[Rule, ...]:
        """The rules that it made."""
        return tuple(filter(None, (self.after, self.remembered)))


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedRollback:
    """One rollback that holds: the rules of one model and phase before and after it, and the `id`s that it undid."""

    id: str
    cycle: int
    timestamp: str
    model: str
    phase: str
    before: tuple[Rule, ...]
    after: tuple[Rule, ...]
    undoes: tuple[str, ...]
    settings: tuple[Setting, ...]

    @property
    def address(self) -> tuple[str, str]:
        """The model and the phase of the rules."""
        return self.model, self.phase

    @property
    def moment(self) -> str:
        """What it has in common with the other rollbacks of one command, which may undo several cycles."""
        return self.timestamp


@dataclass(frozen=True, slots=True, kw_only=True)
class UndoLog:
    """All changes and rollbacks, the changes that are not undone, and the rollbacks that hold, each oldest first."""

    entries: tuple[LoggedChange | LoggedRollback, ...]
    standing: tuple[LoggedChange, ...]
    rollbacks: tuple[LoggedRollback, ...]

    @property
    def promotions_taken_back(self) -> dict[tuple[int, str], str]:
        """When each promotion was rolled back, by its cycle and phase; a confirmation is a promotion, too."""
        changes = [entry for entry in self.entries if isinstance(entry, LoggedChange)]
        promotions = {change.id: change for change in changes if change.kind in ("promote", "confirmed")}
        moments: dict[tuple[int, str], str] = {}
        for rollback in self.rollbacks:
            for undone in rollback.undoes:
                change = promotions.get(undone)
                if change is not None:
                    moments[change.cycle, change.phase] = rollback.timestamp
        return moments

    def rolled_back_last(self, is_about: Callable[[LoggedChange | LoggedRollback], bool]) -> LoggedRollback | None:
        """Return the last of the entries about something, if it is a rollback that holds; else None."""
        about = list(filter(is_about, self.entries))
        if about and isinstance(about[-1], LoggedRollback) and about[-1] in self.rollbacks:
            return about[-1]
        return None


def read_undo_log(entries: Iterable[Entry]) -> UndoLog:
    """Read the entries of the decisions log, oldest first.

    Raises:
        ValueError: if a rule in it cannot be used.
    """
    try:
        return _read_undo_log(entries)
    except (KeyError, TypeError, AttributeError):
        # No version writes such an entry, but a person may have accepted a log that has one.
        raise ValueError("the evidence of an entry has not the form that it is written in") from None


def _read_undo_log(entries: Iterable[Entry]) -> UndoLog:
    changes: list[LoggedChange] = []
    logged: list[LoggedChange | LoggedRollback] = []
    rollbacks: dict[str, LoggedRollback] = {}
    undone: set[str] = set()
    for entry in _identified(entries):
        evidence = entry["evidence"]
        kind = entry["kind"]
        if kind == ROLLBACK:
            rollback = _rollback(entry, evidence)
            rollbacks[rollback.id] = rollback
            logged.append(rollback)
            undone.update(rollback.undoes)
        elif kind in (RESTORED, LIFTED):
            for name in evidence.get("takes_back", ()):
                lifted = rollbacks.pop(name, None)
                if lifted is not None and kind == RESTORED:
                    undone.difference_update(lifted.undoes)
        elif "rule_after" in evidence:
            changes.append(_change(entry, evidence))
            logged.append(changes[-1])
    standing = tuple(change for change in changes if change.id not in undone)
    return UndoLog(entries=tuple(logged), standing=standing, rollbacks=tuple(rollbacks.values()))


def _identified(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Yield the entries with evidence; in merged branches several follow one line, and are told apart by a number."""
    followers = Counter[str]()
    for entry in entries:
        previous = entry["previous"]
        followers[previous] += 1
        evidence = entry.get("evidence")
        if not isinstance(evidence, dict):
            continue
        if followers[previous] > 1:
            previous = f"{previous}:{followers[previous]}"
        yield {**entry, "previous": previous}


def taken_back_of(entries: Iterable[Entry]) -> tuple[TakenBack, ...]:
    """Return what the log says that a person took back and has not allowed since.

    Raises:
        ValueError: if a rule in it cannot be used.
    """
    taken: list[TakenBack] = []
    for rollback in read_undo_log(entries).rollbacks:
        if rollback.settings:
            one = TakenBack(
                model=rollback.model, phase=rollback.phase, settings=rollback.settings, timestamp=rollback.timestamp
            )
            taken.append(one)
    return tuple(taken)


def _change(entry: Entry, evidence: Entry) -> LoggedChange:
    return LoggedChange(
        id=entry["previous"],
        cycle=entry["cycle"],
        timestamp=entry["timestamp"],
        kind=entry["kind"],
        model=entry["original_model"],
        phase=entry["phase"],
        before=_rule(evidence.get("rule_before")),
        after=_rule(evidence["rule_after"]),
        remembered=_rule(evidence.get("rule_remembered")),
        evidence=evidence,
    )


def _rollback(entry: Entry, evidence: Entry) -> LoggedRollback:
    settings = ((one["setting"], one["value"]) for one in evidence.get("taken_back", ()))
    return LoggedRollback(
        id=entry["previous"],
        cycle=entry["cycle"],
        timestamp=entry["timestamp"],
        model=entry["original_model"],
        phase=entry["phase"],
        before=_rules(evidence.get("rules_before", ())),
        after=_rules(evidence.get("rules_after", ())),
        undoes=tuple(evidence.get("undoes", ())),
        settings=tuple(settings),
    )


def _rules(values: Sequence[Any]) -> tuple[Rule, ...]:
    return tuple(map(rule_from_json, values))


def _rule(value: Any) -> Rule | None:
    if value is None:
        return None
    return rule_from_json(value)
