"""`selfopt models`: which models there are, and whether each answers."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from pytest_selfopt.commands.common.arguments import Subparsers
from pytest_selfopt.commands.common.exit_status import exit_status
from pytest_selfopt.commands.common.printing import write_lines
from pytest_selfopt.commands.common.project import add_project_options, load_project

if TYPE_CHECKING:
    from pytest_selfopt.execution.availability import Availability
    from pytest_selfopt.models.config import ModelConfig


def add_parser(subparsers: Subparsers) -> None:
    """Add `selfopt models`."""
    parser = subparsers.add_parser(
        "models",
        help="list the models, whether each answers, and what is missing",
        epilog="example: selfopt models ollama/llama3.2:1b",
    )
    parser.add_argument(
        "name",
        nargs="*",
        help="only these models (default: all that are built in or configured)",
    )
    parser.add_argument(
        "--no-ask",
        action="store_true",
        help="make no calls, only check keys, packages and model files",
    )
    add_project_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Ask one model after the other, and print each as soon as it has answered."""
    from pytest_selfopt.execution.availability import check_availability, configured_models, is_spare

    settings = load_project(args)
    named = tuple(map(settings.model, args.name))
    failed = False
    for model in named or configured_models(settings):
        availability = check_availability(model, ask=not args.no_ask)
        # What no session would ask may lack its package.
        needed = bool(named) or not is_spare(model, settings)
        failed = failed or (needed and availability.answers is False)
        write_lines(_describe(availability))
    return exit_status(ok=not failed)


def _describe(availability: Availability) -> list[str]:
    from pytest_selfopt.redaction.addresses import shown_address

    model = availability.model
    provider = model.provider
    facts = [
        f"{provider.name} ({provider.client or provider.wire})",
        shown_address(provider.base_url),
        _describe_prices(model),
        f"{model.max_concurrency} calls at a time",
    ]
    if model.tier:
        facts.append(f"tier {model.tier}")
    if model.context:
        facts.append(f"context {model.context:,} tokens")
    joined = ", ".join(filter(None, facts))
    sentences = (availability.sentence, *availability.notes)
    return [model.id, f"  {joined}", *(f"  {sentence}" for sentence in sentences)]


def _describe_prices(model: ModelConfig) -> str:
    if model.free:
        return "free"
    price_in = _describe_price(model.price_in)
    price_out = _describe_price(model.price_out)
    return f"per million tokens {price_in} in, {price_out} out"


def _describe_price(usd: float | None) -> str:
    if usd is None:
        return "unknown"
    return f"${usd:g}"
