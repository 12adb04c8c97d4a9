"""Rules and recommendations as plain data; the standard library only, because applications import this."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SETTABLE = ("variant", "timeout", "retries", "isolation", "sampling")
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
    """One entry of the routing configuration: what holds for a model in a phase.

    `timeout_s` is "timeout" in the file, in seconds, and `isolated` is "isolation". `extra` keeps fields that this
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
    """What its proof rests on, such as the digest of the model and the content of the suite; texts by name."""
    before: Mapping[str, Any] | None = None
    """Of a rule on trial: the rule that it stands in for, as it was in the file; of a confirmed one: what would hold
    without anything that had to be proven. None when there is none."""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def on_trial(self) -> bool:
        """Whether it still has to prove itself."""
        return self.status == "trial"

    @property
    def untried(self) -> Rule | None:
        """The rule as it is without what is on trial; None when there is none then."""
        if not self.on_trial:
            return self
        if self.before is None:
            return None
        return rule_from_json(dict(self.before))

    @property
    def in_force(self) -> bool:
        """Whether the rule counts: one that was rolled back or has expired is only remembered."""
        return self.status not in ("rolled_back", "expired")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recommendation:
    """What a diagnosis recommends, in the form of the feedback file; `target` is "model::phase".

    `retries` and `timeout` (seconds) are what more retries and a longer time-out come to.
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
    diagnosis: str | None = None


def rule_from_json(value: Any) -> Rule:
    """Read a rule.

    Raises:
        ValueError: naming the field that is missing or of the wrong type.
    """
    if not isinstance(value, dict):
        raise ValueError(f"a rule must be an object, not {type(value).__name__}")
    for name in ("model", "phase"):
        if not value.get(name) or not isinstance(value[name], str):
            raise ValueError(f"{name!r} is missing, or is no text")
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
    """The rule as it stands in the file: model and phase, what is set, then what was unknown."""
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
