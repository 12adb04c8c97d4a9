"""The reversal of logged decisions: which of them belong together, and the rules without them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_selfopt.loop.undo.logged import LoggedChange
from pytest_selfopt.loop.undo.taken_back import Setting, changed_settings, in_words, setting_of, settings_in
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

    `decisions` were to be undone, and `undone` are they and all later ones, both oldest first.
    """

    model: str
    phase: str
    before: tuple[Rule, ...]
    after: tuple[Rule, ...]
    decisions: tuple[LoggedChange, ...]
    undone: tuple[LoggedChange, ...]

    @property
    def settings(self) -> tuple[Setting, ...]:
        """The settings that the decisions had put in force or on trial and that no longer are, each once.

        What was decided later is undone with them, but not taken back: cycles may decide it again.
        """
        kept = settings_in(_in_force(self.after))
        found: dict[Setting, None] = {}
        for change in self.decisions:
            found.update(dict.fromkeys(_settings(change)))
        return tuple(setting for setting in found if setting not in kept)

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
            f"{restored}; cycles leave {words} alone until selfopt rollback --redo {self.model}::{self.phase} allows it"
        )


def with_experiments(selected: Iterable[LoggedChange], standing: Sequence[LoggedChange]) -> list[LoggedChange]:
    """Return the selected decisions with those that they are one with, in the order of the log.

    The outcome of a trial is one with the trial, and a promotion of another model with how that model is asked. A
    trial that ended under a promotion of the same cycle is one with that.
    """
    together = {change.id: change for change in selected}
    for change in tuple(together.values()):
        together.update((other.id, other) for other in _promotion_over(change, standing))
    for change in tuple(together.values()):
        about = about_same_rule(change, standing)
        if change.kind in OUTCOMES:
            trial = _experiment(change, about[: about.index(change)])
            together.update((member.id, member) for member in trial)
        if change.kind == "promote":
            place = standing.index(change)
            together.update((own.id, own) for own in standing[place + 1 : place + 2] if _is_last_setting(own, standing))
    return [change for change in standing if change.id in together]


def about_same_rule(change: LoggedChange, standing: Iterable[LoggedChange]) -> list[LoggedChange]:
    """Return the decisions about the model and phase of a change."""
    return [other for other in standing if other.address == change.address]


def _promotion_over(change: LoggedChange, standing: Iterable[LoggedChange]) -> list[LoggedChange]:
    """Return the promotion over the trial that a change ended, if the same cycle made it; else nothing."""
    if change.kind != "rolled_back":
        return []
    about = about_same_rule(change, standing)
    before = about[: about.index(change)][-1:]
    return [other for other in before if (other.kind, other.moment) == ("promote", change.moment)]


def _is_last_setting(change: LoggedChange, standing: Iterable[LoggedChange]) -> bool:
    """Whether a change only set how a fallback is asked, and nothing was decided about that since."""
    return change.kind == "set" and about_same_rule(change, standing)[-1] is change


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


def reverse(rules: Sequence[Rule], decisions: Sequence[LoggedChange], standing: Iterable[LoggedChange]) -> RuleReversal:
    """Undo decisions about one model in one phase, given in the order of the log, and all that came after them.

    `rules` are all rules about it. If the one in force already is as before the decisions, they stay as they are.

    Raises:
        ChangedSinceError: if the rule in force is not as the last decision left it.
    """
    about = about_same_rule(decisions[0], standing)
    undone = about[about.index(decisions[0]) :]
    before = tuple(rules)
    after: tuple[Rule, ...] | None = before
    for change in reversed(undone):
        if after is not None:
            after = _unapply(after, change)
    if after is None:
        if _in_force(before) != undone[0].before:
            raise ChangedSinceError(undone[-1].kind)
        after = before
    if undone[0].kind in OUTCOMES:
        # A rule that was put on trial by hand has no decision that began the trial.
        after = tuple(filter(None, (rule.untried for rule in after)))
    return RuleReversal(
        model=decisions[0].model,
        phase=decisions[0].phase,
        before=before,
        after=after,
        decisions=tuple(decisions),
        undone=tuple(undone),
    )


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
