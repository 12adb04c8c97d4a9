"""The reversal of logged decisions: which of them belong together, and the rules without them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_selfopt.loop.undo.logged import LoggedChange
from pytest_selfopt.loop.undo.taken_back import Setting, changed_settings, in_words, setting_of
from pytest_selfopt.routing.rule import Rule
from pytest_selfopt.specs.spec import parse_spec

OUTCOMES = ("confirmed", "rolled_back")
"""The kinds of decisions that end a trial; they are one decision with the trial."""
_NOUNS = {
    "keep": "first rule",
    "promote": "promotion",
    "confirmed": "confirmation",
    "rolled_back": "rollback",
    "expired": "expiry",
    "forgotten": "expiry",
    "set": "promotion",
}
_LIFE = ("trial", *OUTCOMES, "expired")
"""The kinds of decisions about a rule that is, or was, on trial."""


class ChangedSinceError(ValueError):
    """A rule is not as the decision to be undone left it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleReversal:
    """The reversal of decisions about one model in one phase: all rules about it before and after.

    `undone` are the decisions, oldest first; `settings` are what they had changed, which is taken back.
    """

    model: str
    phase: str
    before: tuple[Rule, ...]
    after: tuple[Rule, ...]
    undone: tuple[LoggedChange, ...]

    @property
    def settings(self) -> tuple[Setting, ...]:
        """The settings that the decisions had put in force or on trial, each once."""
        found: dict[Setting, None] = {}
        for change in self.undone:
            found.update(dict.fromkeys(_settings(change)))
        return tuple(found)

    @property
    def sentence(self) -> str:
        """A description of the reversal, and what follows from it."""
        first = self.undone[0]
        decision = f"the {_NOUNS.get(first.kind, first.kind)} of cycle {first.cycle}"
        subject = f"the rule for {self.model} in {self.phase}"
        restored = f"{subject} is as it was before {decision}"
        if _in_force(self.after) is None:
            restored = f"{subject} is removed, there was none before {decision}"
        if not self.settings:
            return restored
        words = in_words(self.settings)
        return (
            f"{restored}; cycles leave {words} alone until selfopt rollback --undo {self.model}::{self.phase} allows it"
        )


def with_experiments(selected: Iterable[LoggedChange], standing: Sequence[LoggedChange]) -> list[LoggedChange]:
    """Return the selected decisions with those that they are one with, in the order of the log.

    The outcome of a trial is one with the trial, and a promotion of another model with how that model is asked.
    """
    together = {change.id: change for change in selected}
    for change in tuple(together.values()):
        about = [other for other in standing if other.address == change.address]
        if change.kind in OUTCOMES:
            trial = _experiment(change, about[: about.index(change)])
            together.update((member.id, member) for member in trial)
        if change.kind == "promote" and change.after is not None and not change.after.allow:
            place = standing.index(change)
            together.update((own.id, own) for own in standing[place + 1 : place + 2] if own.kind == "set")
    return [change for change in standing if change.id in together]


def _experiment(outcome: LoggedChange, earlier: Sequence[LoggedChange]) -> list[LoggedChange]:
    """Return the decisions that led to an outcome: its trial, and all that an expired rule had been proven by."""
    restored = None
    if outcome.before is not None:
        restored = outcome.before.untried
    members: list[LoggedChange] = []
    expired = False
    for change in reversed(earlier):
        if change.kind in OUTCOMES and not expired:
            break
        if expired or change.kind in _LIFE:
            members.append(change)
        expired = expired or change.kind == "expired"
        if members and change.before == restored:
            break
        if change.kind == "trial" and not expired and not _is_on_trial(change.before):
            break
    return members


def reverse(rules: Sequence[Rule], undone: Sequence[LoggedChange]) -> RuleReversal:
    """Undo decisions about one model in one phase, given in the order of the log.

    `rules` are all rules about it. If they already are as before the decisions, they stay as they are.

    Raises:
        ChangedSinceError: if the rule in force is not as the last of the decisions left it.
    """
    newest = undone[-1]
    about = tuple(rules)
    after = about
    for change in reversed(undone):
        unapplied = _unapply(after, change)
        if unapplied is not None:
            after = unapplied
        elif change is newest and _in_force(about) != _target(undone):
            raise ChangedSinceError(newest.kind)
        elif change is newest:
            break
        elif newest.kind in OUTCOMES:
            after = _without_trial(after)
    if newest.kind in OUTCOMES:
        after = _without_trial(after)
    return RuleReversal(model=newest.model, phase=newest.phase, before=about, after=after, undone=tuple(undone))


def _target(undone: Sequence[LoggedChange]) -> Rule | None:
    """Return the rule in force before the first of the decisions; what only was on trial is left out."""
    before = undone[0].before
    if undone[-1].kind in OUTCOMES and before is not None:
        return before.untried
    return before


def _unapply(rules: tuple[Rule, ...], change: LoggedChange) -> tuple[Rule, ...] | None:
    """Return the rules before a change; None if they are not as it left them."""
    left = list(rules)
    place = len(left)
    for rule in change.added:
        if rule not in left:
            return None
        place = min(place, left.index(rule))
        left.remove(rule)
    if change.before is not None:
        if change.before.in_force and _in_force(left) is not None:
            return None
        left.insert(place, change.before)
    return tuple(left)


def _without_trial(rules: Iterable[Rule]) -> tuple[Rule, ...]:
    return tuple(filter(None, (rule.untried for rule in rules)))


def _in_force(rules: Iterable[Rule]) -> Rule | None:
    return next((rule for rule in rules if rule.in_force), None)


def _is_on_trial(rule: Rule | None) -> bool:
    return rule is not None and rule.on_trial


def _settings(change: LoggedChange) -> tuple[Setting, ...]:
    """Return the settings that a decision had put in force or on trial."""
    evidence = change.evidence
    if change.kind == "trial" and change.after is not None:
        return setting_of(str(evidence.get("action")), change.after)
    if change.kind in ("promote", *OUTCOMES) and "spec" in evidence and "baseline" in evidence:
        return changed_settings(parse_spec(evidence["baseline"]), parse_spec(evidence["spec"]))
    return ()
