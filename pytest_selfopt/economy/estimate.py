"""What calls will cost, before one is made, and on what that rests."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import attrgetter

from pytest_selfopt.console.quantities import format_cost
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
class CostPart:
    """Calls of one model that take like tokens (None: nobody knows how many); not `certain` if they may be left out."""

    model: ModelConfig
    calls: int
    tokens: Tokens | None
    certain: bool = True

    @property
    def each_usd(self) -> float | None:
        """What one of the calls costs; None when it is unknown."""
        if self.tokens is None and self.model.free:
            return 0.0
        if self.tokens is None:
            return None
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

    parts: tuple[CostPart, ...]
    surely_usd: float = 0.0

    @property
    def calls(self) -> int:
        """How many are made for certain."""
        return sum(map(attrgetter("calls"), self._certain))

    @property
    def most_calls(self) -> int:
        """How many are made at most."""
        return sum(map(attrgetter("calls"), self.parts))

    @property
    def low_usd(self) -> float | None:
        """What the calls that are made for certain cost; None when that of one is unknown."""
        return _sum(self._certain)

    @property
    def high_usd(self) -> float | None:
        """What all calls cost; None when that of one is unknown."""
        return _sum(self.parts)

    @property
    def models(self) -> tuple[ModelConfig, ...]:
        """The models that are asked, each once."""
        by_id: dict[str, ModelConfig] = {}
        for part in self.parts:
            by_id[part.model.id] = part.model
        return tuple(by_id.values())

    @property
    def bounded(self) -> bool:
        """Whether it is no expectation but a bound."""
        return any(map(_is_bound, self._billed))

    def of(self, model: str) -> Estimate:
        """The same of one model alone."""
        own = [part for part in self.parts if part.model.id == model]
        return Estimate(parts=tuple(own))

    def exceeds(self, usd: float) -> bool:
        """Whether it may come to more than so much; what is unknown does not tell."""
        return self.high_usd is not None and self.high_usd > usd

    @property
    def grounds(self) -> str:
        """On what it rests, such as "by the tokens of 420 earlier calls"; empty when it is free or unknown."""
        earlier, bases = self._grounds
        grounds = []
        if earlier:
            grounds.append(f"by the tokens of {_number_of('earlier call', earlier)}")
        if Basis.BYTES in bases:
            grounds.append("by the bytes of the prompts")
        if Basis.USUAL in bases:
            grounds.append(f"at {USUAL_TOKENS:,} tokens a call")
        return " and ".join(grounds)

    @property
    def _grounds(self) -> tuple[int, set[Basis]]:
        """How many earlier calls it rests on, each counted once, and on what else."""
        counted = set[tuple[str, Tokens]]()
        bases = set[Basis]()
        earlier = 0
        for part in self._billed:
            if part.tokens is None or part.unpriced:
                continue
            source = (part.model.id, part.tokens)
            if source in counted:
                continue
            counted.add(source)
            bases.add(part.tokens.basis)
            if part.tokens.basis is Basis.EARLIER:
                earlier += part.tokens.calls
        return earlier, bases

    @property
    def amount(self) -> str:
        """The cost in words, such as "about $0.0150", or why it is unknown."""
        low, high = self.low_usd, self.high_usd
        if low is None or high is None:
            return f"cost unknown: {self._unknown}"
        if not self._billed:
            return "free"
        if self.bounded:
            return f"at most {format_cost(high)}"
        least, most = format_cost(low), format_cost(high)
        if least == most:
            return f"about {least}"
        return f"about {least} to {most}"

    @property
    def sentence(self) -> str:
        """The cost in words, and on what it rests."""
        grounds = self.grounds
        if self.high_usd is None or not grounds:
            return self.amount
        if self.bounded:
            return f"{self.amount}, {grounds}"
        return f"{self.amount} {grounds}"

    @property
    def _certain(self) -> list[CostPart]:
        return [part for part in self.parts if part.certain]

    @property
    def _billed(self) -> tuple[CostPart, ...]:
        return tuple(part for part in self.parts if not part.model.free and part.calls)

    @property
    def _unknown(self) -> str:
        """Why the cost is unknown: a price is missing, or nobody knows the tokens."""
        unpriced: dict[str, None] = {}
        unasked: dict[str, None] = {}
        for part in self._billed:
            if part.unpriced:
                unpriced[part.model.id] = None
            if part.tokens is None:
                unasked[part.model.id] = None
        if unpriced:
            return f"{_with_verb(unpriced, 'has', 'have')} no price"
        return f"{_with_verb(unasked, 'was', 'were')} not asked yet, so nobody knows the tokens"


def _is_bound(part: CostPart) -> bool:
    return part.tokens is not None and part.tokens.basis is Basis.BYTES


def _number_of(noun: str, number: int) -> str:
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun}s"


def _with_verb(names: Collection[str], singular: str, plural: str) -> str:
    """The names, and the verb that agrees with their number."""
    subject = ", ".join(names)
    if len(names) == 1:
        return f"{subject} {singular}"
    return f"{subject} {plural}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Calls made at a time, each given so many answers of the stage before; where it may be a vote, it may be free."""

    calls: int
    sources: int = 0
    vote: bool = False


def together(estimates: Iterable[Estimate]) -> Estimate:
    """Several estimates as one."""
    parts: list[CostPart] = []
    surely_usd: list[float] = []
    for estimate in estimates:
        parts += estimate.parts
        surely_usd.append(estimate.surely_usd)
    return Estimate(parts=tuple(parts), surely_usd=sum(surely_usd))


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
    answer = _mean_answer(tokens.values())
    parts = []
    for stage in stages:
        asked = models
        if stage.vote:
            asked = (judge,)
        for place, model in enumerate(asked):
            calls = len(range(place, stage.calls, len(asked))) * times
            if calls:
                given = _given(tokens[model.id], stage.sources * answer)
                part = CostPart(model=model, calls=calls, tokens=given, certain=not stage.vote)
                parts.append(part)
    return Estimate(parts=tuple(parts))


def _mean_answer(tokens: Iterable[Tokens | None]) -> float:
    """The tokens of an answer, on average over those that are known; 0 when none is."""
    answers = [call.tokens_out for call in tokens if call is not None]
    if not answers:
        return 0.0
    return sum(answers) / len(answers)


def _given(tokens: Tokens | None, answers: float) -> Tokens | None:
    """The tokens of a call to which answers of so many tokens are added; None when they are unknown."""
    if tokens is None or tokens.basis is Basis.USUAL:
        return tokens
    if tokens.basis is Basis.BYTES:
        answers = answers * BYTES_A_TOKEN
    return replace(tokens, tokens_in=tokens.tokens_in + answers)


def earlier_tokens(model: str, variant: str, known: Sequence[TokensOfSpec]) -> Tokens | None:
    """What calls of a model took: those that asked in this manner, else all; None when there was none."""
    own, alike = [], []
    for spent in known:
        asked, manner = model_and_variant(spent.spec, spent.phase)
        if asked == model:
            own.append(spent)
            if manner == variant:
                alike.append(spent)
    relevant = alike or own
    calls: int = sum(map(attrgetter("calls"), relevant))
    if not calls:
        return None
    return Tokens(
        tokens_in=sum(spent.tokens_in * spent.calls for spent in relevant) / calls,
        tokens_out=sum(spent.tokens_out * spent.calls for spent in relevant) / calls,
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
    tokens_in = sum(map(most_tokens_in, requests))
    tokens_out = sum(request.sampling.max_tokens for request in requests)
    return Tokens(
        tokens_in=tokens_in / len(requests),
        tokens_out=tokens_out / len(requests),
        basis=Basis.BYTES,
    )


def _sum(parts: Iterable[CostPart]) -> float | None:
    total = 0.0
    for part in parts:
        each = part.each_usd
        if each is None and part.calls:
            return None
        total += part.calls * (each or 0.0)
    return total
