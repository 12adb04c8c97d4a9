"""Rules and recommendations as plain data; the standard library only, because applications import this."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_selfopt.bounded_text import brief

_TYPES: dict[str, tuple[type, ...]] = {
    "model": (str,),
    "phase": (str,),
    "allow": (bool,),
    "fallback_model": (str,),
    "enable_warmup": (bool,),
    "variant": (str,),
    "timeout": (int, float),
    "retries": (int,),
    "isolation": (bool,),
    "sampling": (dict,),
    "status": (str,),
    "reason": (str,),
    "source": (str,),
    "timestamp": (str, int, float),
    "cycle": (int,),
    "evidence": (dict,),
    "premises": (dict,),
    "before": (dict,),
}
_FIELDS: dict[str, str] = {"timeout": "timeout_s", "isolation": "isolated"}
_NULLABLE = ("fallback_model", "enable_warmup", "reason", "source", "timestamp")
STATUSES = ("trial", "confirmed", "rolled_back", "expired")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One entry of the routing configuration: the settings of a model in a phase.

    In the file, `timeout_s` is "timeout" (seconds) and `isolated` is "isolation". `extra` keeps fields that this
    version does not know, so that a rewrite loses nothing. A timestamp is ISO 8601 or seconds since the epoch.
    """

    model: str
    phase: str
    allow: bool = True
    fallback_model: str | None = None
    enable_warmup: bool | None = None
    variant: str | None = None
    timeout_s: float | None = None
    retries: int | None = None
    isolated: bool | None = None
    sampling: Mapping[str, Any] | None = None
    status: str | None = None
    reason: str | None = None
    source: str | None = None
    timestamp: str | float | None = None
    cycle: int | None = None
    evidence: Mapping[str, Any] | None = None
    premises: Mapping[str, Any] | None = None
    """What its proof depends on, such as the model's digest and the suite's content; strings by name."""
    before: Mapping[str, Any] | None = None
    """The rule without what is or was on trial, as in the file: for a rule on trial the one it replaces, for a
    confirmed rule the one without its proven parts. None if there is none."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    written: Mapping[str, Any] | None = field(default=None, compare=False, repr=False)
    """The rule in the words of the file it was read from; None if it was not read. It holds until the rule changes."""

    @property
    def on_trial(self) -> bool:
        """Whether the rule still has to prove itself."""
        return self.status == "trial"

    @property
    def max_tokens(self) -> int | None:
        """The limit of tokens that its sampling sets; None if it sets none."""
        limit = (self.sampling or {}).get("max_tokens")
        # Not isinstance: true and false are no limits.
        if type(limit) is not int:
            return None
        return limit

    @property
    def untried(self) -> Rule | None:
        """The rule without what is on trial, or None."""
        if not self.on_trial:
            return self
        if self.before is None:
            return None
        return rule_from_json(dict(self.before))

    @property
    def in_force(self) -> bool:
        """Whether the rule applies; one that was rolled back or has expired is only kept on record."""
        return self.status not in ("rolled_back", "expired")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """A diagnosis's recommendation, in the form of the feedback file; `target` is "model::phase".

    `retries`, `timeout` (seconds) and `max_tokens` are the recommended new values.
    """

    type: str
    target: str
    action: str
    reason: str
    allow: bool | None = None
    fallback: str | None = None
    requirements: tuple[str, ...] | None = None
    retries: int | None = None
    timeout: float | None = None
    max_tokens: int | None = None
    diagnosis: str | None = None


def rule_from_json(value: Any) -> Rule:
    """Read a rule.

    Raises:
        ValueError: if a field is missing or has the wrong type; the message names it.
    """
    rule, problems = read_rule(value)
    if rule is None or problems:
        raise ValueError(problems[0])
    return rule


def read_rule(value: Any) -> tuple[Rule | None, tuple[str, ...]]:
    """Return what can be read of a rule, and a sentence for each field that cannot; None without model and phase."""
    if not isinstance(value, dict):
        return None, (f"a rule must be an object, not {type(value).__name__}",)
    for name in ("model", "phase"):
        if not value.get(name) or not isinstance(value[name], str):
            return None, (f"{name!r} is missing or not a string",)
    document: dict[str, Any] = value
    known: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    problems: list[str] = []
    for name, field_value in document.items():
        if name not in _TYPES:
            extra[name] = field_value
            continue
        found = list(_problems(name, field_value))
        problems += found
        if not found:
            known[_FIELDS.get(name, name)] = field_value
    known["allow"] = _allows(document)
    written = None
    if not problems:
        written = dict(document)
    return Rule(**known, extra=extra, written=written), tuple(problems)


def _allows(document: Mapping[str, Any]) -> bool:
    """Return whether a rule allows its model. If it does not say, a rule that names a fallback routes to it.

    A value that is neither true nor false does not allow: whoever wrote it hardly meant to say nothing.
    """
    allow = document.get("allow")
    if allow is None:
        return not document.get("fallback_model")
    return allow is True


def rule_to_json(rule: Rule) -> dict[str, Any]:
    """Return the rule in the file's form: as it was read if it has not changed since.

    Otherwise model and phase, the set fields, then unknown fields.
    """
    if rule.written is not None and rule_from_json(rule.written) == rule:
        return dict(rule.written)
    document: dict[str, Any] = {}
    for name in _TYPES:
        value = getattr(rule, _FIELDS.get(name, name))
        if isinstance(value, Mapping):
            value = dict(value)
        if value is not None:
            document[name] = value
    return {**document, **rule.extra}


def _problems(name: str, value: Any) -> Iterator[str]:
    """Yield what is wrong with the value of a field, if anything is."""
    if value is None and name in _NULLABLE:
        return
    kinds, number = _TYPES[name], value
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        yield f"{name!r} must be {' or '.join(kind.__name__ for kind in kinds)}, not {brief(value)}"
    elif name == "status" and value not in STATUSES:
        yield f"'status' must be one of {', '.join(STATUSES)}, not {brief(value)}"
    elif name in ("timeout", "retries") and number < 0:
        yield f"{name!r} must not be negative, not {brief(value)}"
