"""The cost of a call by its model's prices: known, unknown, or an upper bound."""

from __future__ import annotations

from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.trial import CallResult, ErrorKind, Reply

MILLION = 1_000_000
OVERHEAD_TOKENS = 64
"""Allowance for the tokens that a chat template adds to the messages."""

UNBILLED = frozenset({ErrorKind.RATE_LIMIT, ErrorKind.AUTH, ErrorKind.REQUEST, ErrorKind.SERVER, ErrorKind.CANCELLED})
"""Errors by which a provider says that it did no work; the cost of other errors is unknown."""


def cost_of(reply: Reply, model: ModelConfig) -> float | None:
    """Return the cost of a reply in USD; None if a price or a token count is unknown (unknown is never zero)."""
    return cost_of_tokens(reply.tokens_in, reply.tokens_out, model)


def cost_of_tokens(tokens_in: float | None, tokens_out: float | None, model: ModelConfig) -> float | None:
    """Return the cost of tokens in USD; None if a price or a count is unknown."""
    if model.free:
        return 0.0
    counts_and_prices = ((tokens_in, model.price_in), (tokens_out, model.price_out))
    total = 0.0
    for count, price in counts_and_prices:
        if count is None or price is None:
            return None
        total += count * price / MILLION
    return total


def cost_of_result(result: CallResult, model: ModelConfig) -> float | None:
    """Return the cost in USD of a call with all its attempts; None if an attempt's cost is unknown."""
    if result.cost_usd is not None:
        return result.cost_usd
    if model.free:
        return 0.0
    errors = [attempt.error for attempt in result.failed_attempts]
    if result.error:
        errors.append(result.error)
    if any(error.kind not in UNBILLED for error in errors):
        return None
    if not result.reply:
        return 0.0
    return cost_of(result.reply, model)


def most_it_can_cost(request: ChatRequest, model: ModelConfig) -> float | None:
    """Return an upper bound in USD for one attempt; None without prices."""
    return cost_of_tokens(most_tokens_in(request), request.sampling.max_tokens, model)


def most_tokens_in(request: ChatRequest) -> int:
    """Return an upper bound for a request's tokens: no tokenizer makes more tokens than bytes."""
    texts = [message.content for message in request.messages]
    texts += [repr(request.tools), repr(request.answer_schema)]
    return sum(map(_size, texts)) + OVERHEAD_TOKENS


def _size(text: str) -> int:
    """Return the bytes of a text in UTF-8; lone surrogates are escaped."""
    return len(text.encode("utf-8", "backslashreplace"))
