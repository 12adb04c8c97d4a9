"""Rules and recommendations as plain data; the standard library only, because applications import this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

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
    "timestamp": (str,),
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
    version does not know, so that a rewrite loses nothing.
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
    timestamp: str | None = None
    cycle: int | None = None
    evidence: Mapping[str, Any] | None = None
    premises: Mapping[str, Any] | None = None
    """What its proof depends on, such as the model's digest and the suite's content; strings by name."""
    before: Mapping[str, Any] | None = None
    """The rule without what is or was on trial, as in the file: for a rule on trial the one it replaces, for a
    confirmed rule the one without its proven parts. None if there is none."""
    extra: Mapping[str, Any] = field(default_factory=dict)

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
    if not isinstance(value, dict):
        raise ValueError(f"a rule must be an object, not {type(value).__name__}")
    for name in ("model", "phase"):
        if not value.get(name) or not isinstance(value[name], str):
            raise ValueError(f"{name!r} is missing or not a string")
    document: dict[str, Any] = value
    known: dict[str, Any] = {}
    extra: dict[str, Any] = {}
    for name, field_value in document.items():
        if name not in _TYPES:
            extra[name] = field_value
            continue
        if field_value is not None or name not in _NULLABLE:
            _check(name, field_value)
        known[_FIELDS.get(name, name)] = field_value
    return Rule(**known, extra=extra)


def rule_to_json(rule: Rule) -> dict[str, Any]:
    """Return the rule in the file's form: model and phase, the set fields, then unknown fields."""
    document: dict[str, Any] = {}
    for name in _TYPES:
        value = getattr(rule, _FIELDS.get(name, name))
        if isinstance(value, Mapping):
            value = dict(value)
        if value is not None:
            document[name] = value
    return {**document, **rule.extra}


def _check(name: str, value: Any) -> None:
    kinds, number = _TYPES[name], value
    if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
        raise ValueError(f"{name!r} must be {' or '.join(kind.__name__ for kind in kinds)}, not {value!r}")
    if name == "status" and value not in STATUSES:
        raise ValueError(f"'status' must be one of {', '.join(STATUSES)}, not {value!r}")
    if name in ("timeout", "retries") and number < 0:
        raise ValueError(f"{name!r} must not be negative, not {value!r}")
