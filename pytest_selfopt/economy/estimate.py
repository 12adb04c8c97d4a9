"""What calls will cost, before one is made, and on what that rests."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from pytest_selfopt.ledger.records import TokensOfSpec
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.models.cost import cost_of_tokens, most_tokens_in
from pytest_selfopt.specs.request import ChatRequest, Sampling

USUAL_TOKENS = 1_000
"""Of a call of which nothing at all is known."""

BYTES_A_TOKEN = 8
"""At which an answer that is put into the next prompt is counted where its text is not known: twice the usual."""


class Basis(StrEnum):
    """On what a number of tokens rests."""

    EARLIER = "earlier calls"
    BYTES = "bytes of the prompts"
    USUAL = "usual tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """What one call takes on average: tokens in and out. `calls` are the earlier ones it rests on."""

    tokens_in: float
    tokens_out: float
    basis: Basis
    calls: int = 0


_ANSWER = Sampling().max_tokens
USUAL = Tokens(tokens_in=USUAL_TOKENS - _ANSWER, tokens_out=_ANSWER, basis=Basis.USUAL)
"""The answer at its usual limit, the rest is the prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Calls of one model that take like tokens (None: nobody knows how many); not `certain` if they may be left out."""

    model: ModelConfig
    calls: int
    tokens: Tokens | None
    certain: bool = True

    @property
    def each_usd(self) -> float | None:
        """What one of the calls costs; None when it is unknown."""
        if self.tokens is None:
            return 0.0 if self.model.free else None
        return cost_of_tokens(self.tokens.tokens_in, self.tokens.tokens_out, self.model)

    @property
    def unpriced(self) -> bool:
        """Whether a price is missing."""
        return not self.model.free and None in (self.model.price_in, self.model.price_out)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What calls will cost, part by part, if each is answered at its first attempt.

    `surely_usd` is what they cannot be had for less: the prompts alone, where their tokens are known.
    """

    parts: tuple[Part, ...]
    surely_usd: float = 0.0

    @property
    def calls(self) -> int:
        """How many are made for certain."""
        return sum(part.calls for part in self.parts if part.certain)

    @property
    def most_calls(self) -> int:
        """How many are made at most."""
        return sum(part.calls for part in self.parts)

    @property
    def low_usd(self) -> float | None:
        """What the calls that are made for certain cost; None when that of one is unknown."""
        return _sum(part for part in self.parts if part.certain)

    @property
    def high_usd(self) -> float | None:
        """What all calls cost; None when that of one is unknown."""
        return _sum(self.parts)

    @property
    def models(self) -> tuple[ModelConfig, ...]:
        """The models that are asked, each once."""
        return tuple({part.model.id: part.model for part in self.parts}.values())

    @property
    def bounded(self) -> bool:
        """Whether it is no expectation but a bound."""
        return any(part.tokens.basis is Basis.BYTES for part in self._billed if part.tokens is not None)

    def of(self, model: str) -> Estimate:
        """The same of one model alone."""
        return Estimate(parts=tuple(part for part in self.parts if part.model.id == model))

    def exceeds(self, usd: float) -> bool:
        """Whether it may come to more than so much; what is unknown does not tell."""
        return self.high_usd is not None and self.high_usd > usd

    @property
    def grounds(self) -> str:
        """On what it rests, such as "by the tokens of 420 earlier calls"; empty when it is free or unknown."""
        tokens = {
            (part.model.id, part.tokens) for part in self._billed if part.tokens is not None and not part.unpriced
        }
        known = [one for _, one in tokens]
        earlier = sum(one.calls for one in known if one.basis is Basis.EARLIER)
        said = [f"by the tokens of {earlier:,} earlier call{'' if earlier == 1 else 's'}"] if earlier else []
        said += ["by the bytes of the prompts"] if any(one.basis is Basis.BYTES for one in known) else []
        said += [f"at {USUAL_TOKENS:,} tokens a call"] if any(one.basis is Basis.USUAL for one in known) else []
        return " and ".join(said)

    @property
    def amount(self) -> str:
        """The cost in words, such as "about $0.0150", or why it is unknown."""
        low, high = self.low_usd, self.high_usd
        if low is None or high is None:
            return f"cost unknown: {self._unknown}"
        if not self._billed:
            return "free"
        if self.bounded:
            return f"at most {dollars(high)}"
        return f"about {dollars(low)}" + (f" to {dollars(high)}" if dollars(high) != dollars(low) else "")

    @property
    def sentence(self) -> str:
        """The cost in words, and on what it rests."""
        known = self.high_usd is not None and self.grounds
        return f"{self.amount}{',' if self.bounded else ''} {self.grounds}" if known else self.amount

    @property
    def _billed(self) -> tuple[Part, ...]:
        return tuple(part for part in self.parts if not part.model.free and part.calls)

    @property
    def _unknown(self) -> str:
        """Why the cost is unknown: a price is missing, or nobody knows the tokens."""
        unpriced = dict.fromkeys(part.model.id for part in self._billed if part.unpriced)
        if unpriced:
            return f"{', '.join(unpriced)} {'has' if len(unpriced) == 1 else 'have'} no price"
        unasked = dict.fromkeys(part.model.id for part in self._billed if part.tokens is None)
        return (
            f"{', '.join(unasked)} {'was' if len(unasked) == 1 else 'were'} not asked yet, so nobody knows the tokens"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Calls made at a time, each given so many answers of the stage before; where it may be a vote, it may be free."""

    calls: int
    sources: int = 0
    vote: bool = False


def together(estimates: Iterable[Estimate]) -> Estimate:
    """Several estimates as one."""
    known = tuple(estimates)
    return Estimate(
        parts=tuple(part for one in known for part in one.parts), surely_usd=sum(one.surely_usd for one in known)
    )


def estimate_stages(
    stages: Sequence[Stage],
    models: Sequence[ModelConfig],
    judge: ModelConfig,
    tokens: Mapping[str, Tokens | None],
    times: int,
) -> Estimate:
    """What stages cost that are gone through so many times: call k of a stage asks model k, and begins anew after all.

    Where a stage is no vote, the `judge` is asked. `tokens` are those of a call by model id (None: unknown) that is
    given no answers.
    """
    answers = [one.tokens_out for one in tokens.values() if one is not None]
    answer = sum(answers) / len(answers) if answers else 0.0
    parts = []
    for stage in stages:
        asked = (judge,) if stage.vote else models
        for place, model in enumerate(asked):
            calls = len(range(place, stage.calls, len(asked))) * times
            if calls:
                own = tokens[model.id]
                given = own and _given(own, stage.sources * answer)
                parts.append(Part(model=model, calls=calls, tokens=given, certain=not stage.vote))
    return Estimate(parts=tuple(parts))


def _given(tokens: Tokens, answers: float) -> Tokens:
    """The tokens of a call that is given answers of so many tokens, too."""
    if tokens.basis is Basis.USUAL:
        return tokens
    each = BYTES_A_TOKEN if tokens.basis is Basis.BYTES else 1
    return replace(tokens, tokens_in=tokens.tokens_in + answers * each)


def earlier_tokens(model: str, variant: str, known: Sequence[TokensOfSpec]) -> Tokens | None:
    """What calls of a model took: those that asked in this manner, else all; None when there was none."""
    own = [one for one in known if model_and_variant(one.spec, one.phase)[0] == model]
    found = [one for one in own if model_and_variant(one.spec, one.phase)[1] == variant] or own
    calls = sum(one.calls for one in found)
    if not calls:
        return None
    return Tokens(
        tokens_in=sum(one.tokens_in * one.calls for one in found) / calls,
        tokens_out=sum(one.tokens_out * one.calls for one in found) / calls,
        basis=Basis.EARLIER,
        calls=calls,
    )


def model_and_variant(spec: str, phase: str) -> tuple[str, str]:
    """Who is asked and in which manner, by the id of a spec of a phase."""
    model, _, rest = spec.partition(f"/{phase}/")
    return model, rest.partition("/")[0]


def most_tokens(requests: Sequence[ChatRequest]) -> Tokens | None:
    """What one of the requests takes at most, on average over them; None when there are none."""
    if not requests:
        return None
    return Tokens(
        tokens_in=sum(map(most_tokens_in, requests)) / len(requests),
        tokens_out=sum(request.sampling.max_tokens for request in requests) / len(requests),
        basis=Basis.BYTES,
    )


def dollars(usd: float) -> str:
    """An amount for people: four decimals, as most of them are cents; of less than a cent the first two digits."""
    decimals = 4 if usd == 0 or usd >= 0.01 else 1 - math.floor(math.log10(usd))
    return f"${usd:,.{decimals}f}"


def _sum(parts: Iterable[Part]) -> float | None:
    total = 0.0
    for part in parts:
        each = part.each_usd
        if each is None and part.calls:
            return None
        total += part.calls * (each or 0.0)
    return total
