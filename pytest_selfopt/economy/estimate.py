"""Cost estimates of calls before they are made, with their basis."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import attrgetter

from pytest_selfopt.console.quantities import format_cost
from pytest_selfopt.ledger.records import TokensOfSpec
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.models.cost import cost_of_tokens, most_tokens_in
from pytest_selfopt.specs.request import ChatRequest

USUAL_TOKENS = 1_000
"""Tokens in and out together of a call about which nothing is known."""

BYTES_A_TOKEN = 8
"""Bytes per token of an answer of unknown text in the next prompt: twice the usual."""


class Basis(StrEnum):
    """The basis of a number of tokens."""

    EARLIER = "earlier calls"
    BYTES = "bytes of the prompts"
    USUAL = "usual tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """Mean tokens in and out of one call. `calls` is the number of earlier calls behind the means."""

    tokens_in: float
    tokens_out: float
    basis: Basis
    calls: int = 0


USUAL_ANSWER_TOKENS = 64
USUAL = Tokens(tokens_in=USUAL_TOKENS - USUAL_ANSWER_TOKENS, tokens_out=USUAL_ANSWER_TOKENS, basis=Basis.USUAL)
"""A short answer; the rest is the prompt."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CostPart:
    """Calls of one model with the same tokens (None: unknown); not `certain` if they may be skipped."""

    model: ModelConfig
    calls: int
    tokens: Tokens | None
    certain: bool = True

    @property
    def each_usd(self) -> float | None:
        """The cost of one call; None if unknown."""
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
    """The cost of calls, part by part, if each is answered at the first attempt.

    `surely_usd` is a lower bound: the prompts alone, as far as their tokens are known.
    """

    parts: tuple[CostPart, ...]
    surely_usd: float = 0.0

    @property
    def calls(self) -> int:
        """The number of certain calls."""
        return sum(map(attrgetter("calls"), self._certain))

    @property
    def most_calls(self) -> int:
        """The largest possible number of calls."""
        return sum(map(attrgetter("calls"), self.parts))

    @property
    def low_usd(self) -> float | None:
        """The cost of the certain calls; None if the cost of any is unknown."""
        return _sum(self._certain)

    @property
    def high_usd(self) -> float | None:
        """The cost of all calls; None if the cost of any is unknown."""
        return _sum(self.parts)

    @property
    def models(self) -> tuple[ModelConfig, ...]:
        """The models, without repeats."""
        by_id: dict[str, ModelConfig] = {}
        for part in self.parts:
            by_id[part.model.id] = part.model
        return tuple(by_id.values())

    @property
    def bounded(self) -> bool:
        """Whether the estimate is an upper bound, not an expectation."""
        return any(map(_is_bound, self._billed))

    def of(self, model: str) -> Estimate:
        """Return the estimate for one model."""
        own = [part for part in self.parts if part.model.id == model]
        return Estimate(parts=tuple(own))

    def exceeds(self, usd: float) -> bool:
        """Whether the cost may exceed an amount; False if it is unknown."""
        return self.high_usd is not None and self.high_usd > usd

    @property
    def grounds(self) -> str:
        """The basis, such as "by the tokens of 420 earlier calls"; empty if the cost is zero or unknown."""
        earlier, bases = self._grounds
        grounds = []
        if earlier:
            grounds.append(f"by the tokens of {_number_of('earlier call', earlier)}")
        if Basis.BYTES in bases:
            grounds.append("by the bytes of the prompts")
        if Basis.USUAL in bases:
            grounds.append(f"at {USUAL_TOKENS:,} tokens per call")
        return " and ".join(grounds)

    @property
    def _grounds(self) -> tuple[int, set[Basis]]:
        """The number of earlier calls behind it, each counted once, and all its bases."""
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
        """Return the cost as text, such as "about $0.0150", or why it is unknown."""
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
        """Return the cost as text, with its basis."""
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
        """The reason why the cost is unknown: a missing price, or unknown tokens."""
        unpriced: dict[str, None] = {}
        unasked: dict[str, None] = {}
        for part in self._billed:
            if part.unpriced:
                unpriced[part.model.id] = None
            if part.tokens is None:
                unasked[part.model.id] = None
        if unpriced:
            return f"{_with_verb(unpriced, 'has', 'have')} no price"
        return f"{_with_verb(unasked, 'was', 'were')} not asked yet, so the tokens are unknown"


def _is_bound(part: CostPart) -> bool:
    return part.tokens is not None and part.tokens.basis is Basis.BYTES


def _number_of(noun: str, number: int) -> str:
    if number == 1:
        return f"1 {noun}"
    return f"{number:,} {noun}s"


def _with_verb(names: Collection[str], singular: str, plural: str) -> str:
    """Join the names, with the verb that agrees with their number."""
    subject = ", ".join(names)
    if len(names) == 1:
        return f"{subject} {singular}"
    return f"{subject} {plural}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """Concurrent calls, each given `answers` answers of the previous stage; a possible vote may be free."""

    calls: int
    sources: int = 0
    vote: bool = False


def together(estimates: Iterable[Estimate]) -> Estimate:
    """Combine several estimates into one."""
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
    """Estimate stages that are run `times` times; call k of a stage asks model k, cyclically.

    If a stage is not decided by a vote, the `judge` is asked. `tokens` are those of a call without answers in its
    prompt, by model id (None: unknown).
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
    """Return the mean of the known tokens of an answer; 0 if none is known."""
    answers = [call.tokens_out for call in tokens if call is not None]
    if not answers:
        return 0.0
    return sum(answers) / len(answers)


def _given(tokens: Tokens | None, answers: float) -> Tokens | None:
    """Return the tokens of a call with `answers` added to its prompt; None if unknown."""
    if tokens is None or tokens.basis is Basis.USUAL:
        return tokens
    if tokens.basis is Basis.BYTES:
        answers = answers * BYTES_A_TOKEN
    return replace(tokens, tokens_in=tokens.tokens_in + answers)


def earlier_tokens(model: str, variant: str, known: Sequence[TokensOfSpec]) -> Tokens | None:
    """Return the tokens of a model's earlier calls with this variant, else of all its calls; None without calls."""
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
    """Return the model and the variant of a spec's id in a phase."""
    model, _, rest = spec.partition(f"/{phase}/")
    return model, rest.partition("/")[0]


def most_tokens(requests: Sequence[ChatRequest], max_tokens: int) -> Tokens | None:
    """Return the mean upper bound of the requests' tokens; None without requests.

    `max_tokens` limits the answers to requests without a limit of their own.
    """
    if not requests:
        return None
    tokens_in = sum(map(most_tokens_in, requests))
    tokens_out = sum(request.sampling.max_tokens or max_tokens for request in requests)
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
