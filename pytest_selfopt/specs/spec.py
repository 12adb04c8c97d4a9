"""A spec: one full configuration of model, phase and variant, with an id that can be parsed back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from pytest_selfopt.errors import SpecError
from pytest_selfopt.specs.request import Sampling

DEFAULT_SAMPLING = Sampling()
MOST_TOKENS = 1_000_000
"""The highest limit of tokens that an answer may have."""

_MODEL = r"[A-Za-z0-9](?:[A-Za-z0-9._:/@+-]*[A-Za-z0-9])?"
NAME = r"[a-z][a-z0-9_]*"
_NUMBER = r"\d+(?:\.\d+)?"
_ID = re.compile(
    rf"(?P<model>{_MODEL})/(?P<phase>{NAME})/(?P<variant>{NAME})"
    rf"/t(?P<timeout>{_NUMBER})/r(?P<retries>\d+)/i(?P<isolated>[01])(?P<warmup>/w1)?"
    rf"(?:/temp(?P<temperature>{_NUMBER}))?(?:/max(?P<max_tokens>\d+))?"
    rf"(?:/topp(?P<top_p>{_NUMBER}))?(?:/seed(?P<seed>\d+))?"
)
_SWITCH = {True: "on", False: "off"}
_FORM = "MODEL/PHASE/VARIANT/tSECONDS/rRETRIES/i0|i1, such as embedded/smollm2-135m/atomic/native_api/t60/r1/i0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """One full configuration; hashable, equal if and only if the ids are equal.

    `timeout_s` bounds a single attempt in seconds; `retries` counts attempts after the first; `isolated` asks on a
    fresh connection and without the server's prompt cache; `warmup` makes one unscored call before the first pass.

    Raises:
        SpecError: if a value is impossible.
    """

    model: str
    phase: str
    variant: str
    timeout_s: float = 60.0
    retries: int = 1
    isolated: bool = False
    warmup: bool = False
    sampling: Sampling = DEFAULT_SAMPLING

    def __post_init__(self) -> None:
        if not re.fullmatch(_MODEL, self.model):
            raise SpecError(
                f"model {self.model!r}: letters, digits and ._:/@+- only, beginning and ending in a letter or digit"
            )
        _check_name("phase", self.phase)
        _check_name("variant", self.variant)
        if not 0 < self.timeout_s <= 86_400 or not _is_plain(self.timeout_s):
            raise SpecError(f"timeout {self.timeout_s:g} s: must be 0.001 to 86400 with at most three decimals")
        if not 0 <= self.retries <= 10:
            raise SpecError(f"retries {self.retries}: must be 0 to 10")
        _check_sampling(self.sampling)

    @property
    def id(self) -> str:
        """The readable id, without default sampling values at its end; `parse_spec` is the inverse."""
        parts = [
            self.model,
            self.phase,
            self.variant,
            f"t{_plain(self.timeout_s)}",
            f"r{self.retries}",
            f"i{int(self.isolated)}",
        ]
        if self.warmup:
            parts.append("w1")
        parts.extend(_sampling_parts(self.sampling))
        return "/".join(parts)

    def __str__(self) -> str:
        return self.id


def parse_spec(text: str) -> Spec:
    """Read a spec id.

    Raises:
        SpecError: if the text has another form or a value is impossible.
    """
    match = _ID.fullmatch(text)
    if match is None:
        raise SpecError(f"{text!r} is not a spec id; the form is {_FORM}")
    return Spec(
        model=match["model"],
        phase=match["phase"],
        variant=match["variant"],
        timeout_s=float(match["timeout"]),
        retries=int(match["retries"]),
        isolated=match["isolated"] == "1",
        warmup=match["warmup"] is not None,
        sampling=_sampling(match),
    )


def _sampling(match: re.Match[str]) -> Sampling:
    """Read the sampling in an id; missing values are the defaults."""
    drawn = DEFAULT_SAMPLING
    if match["temperature"] is not None:
        drawn = replace(drawn, temperature=float(match["temperature"]))
    if match["max_tokens"] is not None:
        drawn = replace(drawn, max_tokens=int(match["max_tokens"]))
    if match["top_p"] is not None:
        drawn = replace(drawn, top_p=float(match["top_p"]))
    if match["seed"] is not None:
        drawn = replace(drawn, seed=int(match["seed"]))
    return drawn


def _sampling_parts(drawn: Sampling) -> Iterator[str]:
    """Yield the sampling parts of an id, in the order in which they are parsed."""
    usual = DEFAULT_SAMPLING
    if drawn.temperature != usual.temperature:
        yield f"temp{_plain(drawn.temperature)}"
    if drawn.max_tokens is not None:
        yield f"max{drawn.max_tokens}"
    if drawn.top_p is not None:
        yield f"topp{_plain(drawn.top_p)}"
    if drawn.seed is not None:
        yield f"seed{drawn.seed}"


def difference(before: Spec, after: Spec) -> str:
    """Describe the changes from `before` to `after`, such as "variant native_api → few_shot"."""
    old, new = dimensions(before), dimensions(after)
    changes = []
    for dimension, value in old.items():
        if new[dimension] != value:
            changes.append(f"{dimension} {value} → {new[dimension]}")
    return ", ".join(changes) or "no change"


def short_difference(before: Spec, after: Spec) -> str:
    """Describe the changes briefly: the new value alone if it implies the dimension, such as "few_shot"."""
    change = difference(before, after)
    if change.startswith(("variant ", "model ")):
        return change.rpartition("→ ")[2]
    return change.replace(" → ", "→")


def _check_name(field: str, name: str) -> None:
    if not re.fullmatch(NAME, name):
        raise SpecError(f"{field} {name!r}: lower-case letters, digits and _ only, beginning with a letter")


def _check_sampling(drawn: Sampling) -> None:
    if not 0 <= drawn.temperature <= 5 or not _is_plain(drawn.temperature):
        raise SpecError(f"temperature {drawn.temperature:g}: must be 0 to 5 with at most three decimals")
    if drawn.max_tokens is not None and not 1 <= drawn.max_tokens <= MOST_TOKENS:
        raise SpecError(f"max_tokens {drawn.max_tokens}: must be 1 to {MOST_TOKENS:,}")
    if drawn.top_p is not None and not (0 < drawn.top_p <= 1 and _is_plain(drawn.top_p)):
        raise SpecError(f"top_p {drawn.top_p:g}: must be 0.001 to 1 with at most three decimals")
    if drawn.seed is not None and drawn.seed < 0:
        raise SpecError(f"seed {drawn.seed}: must not be negative")


def _is_plain(number: float) -> bool:
    """Whether the id can represent the number exactly."""
    return float(f"{number:.3f}") == number


def _plain(number: float) -> str:
    """Format a number without an exponent, with the three decimals that a spec allows."""
    return f"{number:.3f}".rstrip("0").rstrip(".")


def dimensions(spec: Spec) -> dict[str, str]:
    """Return the values of a spec's dimensions in words, by display name."""
    drawn = spec.sampling
    return {
        "model": spec.model,
        "phase": spec.phase,
        "variant": spec.variant,
        "timeout": f"{spec.timeout_s:g} s",
        "retries": str(spec.retries),
        "isolation": _SWITCH[spec.isolated],
        "warm-up": _SWITCH[spec.warmup],
        "temperature": f"{drawn.temperature:g}",
        "max_tokens": _shown(drawn.max_tokens),
        "top_p": _shown(drawn.top_p),
        "seed": _shown(drawn.seed),
    }


def _shown(value: float | None) -> str:
    if value is None:
        return "default"
    return f"{value:g}"
