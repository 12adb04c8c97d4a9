"""The tokens of the prompts that trials and suites send, and their certain cost in USD."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_selfopt.bench.loading.suites import Suite
from pytest_selfopt.economy.estimate import (
    USUAL,
    Tokens,
    earlier_tokens,
    model_and_variant,
    most_tokens,
)
from pytest_selfopt.errors import SpecError
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.ledger.records import TokensOfSpec
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.models.cost import cost_of_tokens
from pytest_selfopt.planning.plan import PlannedTrial
from pytest_selfopt.settings import Settings
from pytest_selfopt.specs.request import ChatRequest
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.specs.variants import VARIANTS, build_request


def tokens_of_trials(
    model: ModelConfig,
    trials: Sequence[PlannedTrial],
    known: Sequence[TokensOfSpec],
) -> Tokens | None:
    """Return the tokens of a call of a spec, by earlier calls or by its prompts; None if they are unknown."""
    earlier = earlier_tokens(model.id, trials[0].spec.variant, known)
    if earlier is not None:
        return earlier
    if None in (model.price_in, model.price_out):
        return None
    if any(trial.case.world for trial in trials):
        return None
    try:
        return most_tokens(list(map(_request, trials)), model.max_tokens)
    except SpecError:
        # The trials of a variant that cannot ask become errors; that is no reason to refuse the session.
        return None


def _request(trial: PlannedTrial) -> ChatRequest:
    examples = trial.suite.examples
    return build_request(trial.case, examples, trial.spec, trial.variant)


def tokens_of_suites(
    spec: Spec,
    suites: Sequence[Suite],
    settings: Settings,
    known: Sequence[TokensOfSpec],
) -> Tokens | None:
    """Return the tokens of a call of a spec, by earlier calls or by the prompts; the usual ones without either."""
    earlier = earlier_tokens(spec.model, spec.variant, known)
    if earlier is not None:
        return earlier
    if not suites:
        return USUAL
    model = settings.model(spec.model)
    return most_tokens(_requests(suites, settings, spec), model.max_tokens)


def _requests(
    suites: Sequence[Suite],
    settings: Settings,
    spec: Spec,
) -> list[ChatRequest]:
    """Build the requests for all cases; none for conversations, whose length is not known in advance."""
    if any(map(_converses, suites)):
        return []
    variant = settings.variant(spec.variant)
    requests: list[ChatRequest] = []
    for suite in suites:
        for case in suite.cases:
            request = build_request(case, suite.examples, spec, variant)
            requests.append(request)
    return requests


def _converses(suite: Suite) -> bool:
    return any(case.world for case in suite.cases)


def prompts_usd(
    trials: Sequence[PlannedTrial],
    settings: Settings,
    ledger: Ledger,
) -> float:
    """Return the USD that the trials' prompts alone cost, as far as the same prompts were sent before."""
    fewest = _fewest_tokens(ledger, trials[0].key.phase)
    total = 0.0
    for trial in trials:
        tokens_in = 0
        if _sends_same_prompt(trial):
            case_hash = trial.case.content_hash
            address = (trial.spec.model, trial.spec.variant, case_hash)
            tokens_in = fewest.get(address, 0)
        model = settings.model(trial.spec.model)
        total += cost_of_tokens(tokens_in, 0, model) or 0.0
    return total


def _fewest_tokens(
    ledger: Ledger,
    phase: str,
) -> dict[tuple[str, str, str], int]:
    """Return the fewest tokens that a prompt took in a phase, by model, variant and the hash of the case."""
    fewest: dict[tuple[str, str, str], int] = {}
    by_spec_and_case = ledger.fewest_prompt_tokens(phase)
    for (spec, case_hash), tokens in by_spec_and_case.items():
        address = (*model_and_variant(spec, phase), case_hash)
        fewest[address] = min(tokens, fewest.get(address, tokens))
    return fewest


def _sends_same_prompt(trial: PlannedTrial) -> bool:
    """Whether the case alone determines the prompt: examples and tool results may have changed."""
    if trial.variant.name not in VARIANTS:
        return False
    return not trial.variant.needs_examples and trial.case.world is None
