"""What a person took back: changes that cycles neither try nor decide again until the person allows them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pytest_selfopt.loop.diagnosis.remedies import FALL_BACK, LONGER_TIMEOUT, MORE_TOKENS, RETRY, WARM_UP
from pytest_selfopt.routing.rule import Rule
from pytest_selfopt.specs.spec import Spec, dimensions

Setting = tuple[str, str]
"""A dimension of specs and its value, both in words, such as ("warm-up", "on")."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenBack:
    """The settings of a model in a phase that a person took back, and when (ISO 8601, UTC)."""

    model: str
    phase: str
    settings: tuple[Setting, ...]
    timestamp: str

    @property
    def address(self) -> str:
        """The rule as commands name it, "model::phase"."""
        return f"{self.model}::{self.phase}"

    @property
    def words(self) -> str:
        """The settings, such as "warm-up on and variant few_shot"."""
        return in_words(self.settings)


def in_words(settings: Iterable[Setting]) -> str:
    """Return settings as words, such as "warm-up on and variant few_shot"."""
    return " and ".join(f"{dimension} {value}" for dimension, value in settings)


def changed_settings(before: Spec, after: Spec) -> tuple[Setting, ...]:
    """Return the settings of `after` that differ from those of `before`."""
    old = dimensions(before)
    return tuple((name, value) for name, value in dimensions(after).items() if old[name] != value)


def setting_of(action: str, rule: Rule) -> tuple[Setting, ...]:
    """Return the setting that an action has made in a rule; empty if it made none that could be taken back."""
    find = _SETTINGS.get(action)
    if find is None:
        return ()
    return find(rule)


def settings_in(rule: Rule | None) -> frozenset[Setting]:
    """Return the settings that a rule has; none without a rule."""
    if rule is None:
        return frozenset()
    found = {setting for find in _SETTINGS.values() for setting in find(rule)}
    if rule.variant is not None:
        found.add(("variant", rule.variant))
    if rule.isolated is not None:
        found.add(("isolation", ("off", "on")[rule.isolated]))
    return frozenset(found)


def forbidding(taken_back: Iterable[TakenBack], baseline: Spec, candidate: Spec) -> TakenBack | None:
    """Return what forbids a candidate: a setting that it would bring back; None if nothing does."""
    return forbidding_settings(taken_back, baseline.model, baseline.phase, changed_settings(baseline, candidate))


def forbidding_settings(
    taken_back: Iterable[TakenBack], model: str, phase: str, settings: Iterable[Setting]
) -> TakenBack | None:
    """Return what forbids one of these settings for a model in a phase; None if nothing does."""
    wanted = set(settings)
    for one in taken_back:
        if (one.model, one.phase) == (model, phase) and not wanted.isdisjoint(one.settings):
            return one
    return None


def why_not(one: TakenBack) -> str:
    """Return why a cycle leaves a setting alone, and the command that allows it."""
    return (
        f"{one.words} was taken back by hand ({one.timestamp}); selfopt rollback --redo {one.address} allows it again"
    )


def _warm_up(rule: Rule) -> tuple[Setting, ...]:
    if rule.enable_warmup:
        return (("warm-up", "on"),)
    return ()


def _fallback(rule: Rule) -> tuple[Setting, ...]:
    if rule.fallback_model and not rule.allow:
        return (("model", rule.fallback_model),)
    return ()


def _retries(rule: Rule) -> tuple[Setting, ...]:
    if rule.retries is None:
        return ()
    return (("retries", str(rule.retries)),)


def _timeout(rule: Rule) -> tuple[Setting, ...]:
    if rule.timeout_s is None:
        return ()
    return (("timeout", f"{rule.timeout_s:g} s"),)


def _tokens(rule: Rule) -> tuple[Setting, ...]:
    if rule.max_tokens is None:
        return ()
    return (("max_tokens", f"{rule.max_tokens:g}"),)


_SETTINGS: Mapping[str, Callable[[Rule], tuple[Setting, ...]]] = {
    WARM_UP: _warm_up,
    FALL_BACK: _fallback,
    RETRY: _retries,
    LONGER_TIMEOUT: _timeout,
    MORE_TOKENS: _tokens,
}
"""The setting of each action, in the words of `dimensions`."""
