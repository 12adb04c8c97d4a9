"""The cost of a call by its model's prices: known, unknown, or an upper bound."""

from __future__ import annotations

from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.trial import CallError, CallResult, ErrorKind, Reply

MILLION = 1_000_000
OVERHEAD_TOKENS = 64
"""Allowance for the tokens that a chat template adds to the messages."""

UNBILLED = frozenset(
    {
        ErrorKind.RATE_LIMIT,
        ErrorKind.QUOTA,
        ErrorKind.AUTH,
        ErrorKind.REQUEST,
        ErrorKind.SERVER,
        ErrorKind.CANCELLED,
    }
)
"""Errors by which a provider says that it did no work; the cost of other errors is unknown without their usage."""


def cost_of(reply: Reply, model: ModelConfig) -> float | None:
    """Return the cost of a reply in USD; None if a price or a token count is unknown (unknown is never zero).

    A copy from a cache of answers costs nothing. The provider's own figure counts before the prices. Prompt tokens from
    a prompt cache, and those written to it, have prices of their own where the model has them.
    """
    # Of a conversation some answers may be new.
    if model.free or (reply.copied and reply.conversation is None):
        return 0.0
    if reply.cost_usd is not None:
        return reply.cost_usd
    total = cost_of_tokens(reply.tokens_in, reply.tokens_out, model)
    if total is None or reply.tokens_in is None or model.price_in is None:
        return total
    cached = min(reply.tokens_cached or 0, reply.tokens_in)
    written = min(reply.tokens_cache_write or 0, reply.tokens_in - cached)
    for tokens, price in ((cached, model.price_cache_read), (written, model.price_cache_write)):
        if price is not None:
            total += tokens * (price - model.price_in) / MILLION
    return total


def cost_of_tokens(tokens_in: float | None, tokens_out: float | None, model: ModelConfig) -> float | None:
    """Return the cost of tokens in USD, none of them cached; None if a price or a count is unknown."""
    if model.free:
        return 0.0
    counts_and_prices = ((tokens_in, model.price_in), (tokens_out, model.price_out))
    total = 0.0
    for count, price in counts_and_prices:
        if count is None or price is None:
            return None
        total += count * price / MILLION
    return total


def cost_of_answer(answer: Reply | CallError, model: ModelConfig) -> float | None:
    """Return the cost of one attempt in USD; None if it is unknown."""
    if isinstance(answer, Reply):
        return cost_of(answer, model)
    if answer.reply is not None:
        return cost_of(answer.reply, model)
    if answer.kind in UNBILLED or model.free:
        return 0.0
    return None


def cost_of_result(result: CallResult, model: ModelConfig) -> float | None:
    """Return the cost in USD of a call with all its attempts; None if an attempt's cost is unknown."""
    if result.cost_usd is not None:
        return result.cost_usd
    answers: list[Reply | CallError] = [attempt.error for attempt in result.failed_attempts]
    answers += filter(None, (result.error, result.reply))
    total = 0.0
    for answer in answers:
        cost = cost_of_answer(answer, model)
        if cost is None:
            return None
        total += cost
    return total


def most_it_can_cost(request: ChatRequest, model: ModelConfig) -> float | None:
    """Return an upper bound in USD for one attempt; None without prices.

    It holds for models whose thinking counts towards the limit of tokens.
    """
    tokens_in = most_tokens_in(request)
    cost = cost_of_tokens(tokens_in, request.sampling.max_tokens or model.max_tokens, model)
    if cost is None or model.price_in is None or model.price_cache_write is None:
        return cost
    return cost + tokens_in * max(0.0, model.price_cache_write - model.price_in) / MILLION


def most_tokens_in(request: ChatRequest) -> int:
    """Return an upper bound for a request's tokens: no tokenizer makes more tokens than bytes."""
    texts = [message.content for message in request.messages]
    texts += [repr(request.tools), repr(request.answer_schema)]
    return sum(map(_size, texts)) + OVERHEAD_TOKENS


def _size(text: str) -> int:
    """Return the bytes of a text in UTF-8; lone surrogates are escaped."""
    return len(text.encode("utf-8", "backslashreplace"))
