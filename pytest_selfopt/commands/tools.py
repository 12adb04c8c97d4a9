"""The commands that look ahead, look around and lend a hand."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_selfopt.commands.common import EXIT_FAILED, AddCommand, add_places, let_import_from, settings_of, tell
from pytest_selfopt.console.output import Verbatim
from pytest_selfopt.errors import SettingsError

if TYPE_CHECKING:
    from pytest_selfopt.execution.availability import Availability
    from pytest_selfopt.models.config import ModelConfig


def add_commands(add: AddCommand) -> None:
    """Add them to the parser."""
    _add_models(add)
    _add_enforce(add)
    _add_verify(add)
    _add_suites(add)


def _add_models(add: AddCommand) -> None:
    """Add `selfopt models`."""
    models = add(
        "models",
        help="which models there are, whether each answers, and what is missing",
        epilog="example: selfopt models ollama/llama3.2:1b",
    )
    models.add_argument(
        "name",
        nargs="*",
        help="only these models (default: all that are built in or configured)",
    )
    models.add_argument(
        "--no-ask",
        action="store_true",
        help="look only, make no call",
    )
    add_places(models)
    models.set_defaults(command=_models)


def _add_enforce(add: AddCommand) -> None:
    """Add `selfopt enforce`."""
    enforce = add(
        "enforce",
        help="turn the recommendations of a feedback file into rules on trial",
        epilog="example: selfopt enforce harness_feedback.json --dry-run",
    )
    enforce.add_argument(
        "feedback",
        type=Path,
        nargs="?",
        help="the file (default: the one of the last cycle)",
    )
    enforce.add_argument(
        "--dry-run",
        action="store_true",
        help="say what would be done, write nothing",
    )
    add_places(enforce)
    enforce.set_defaults(command=_enforce)


def _add_verify(add: AddCommand) -> None:
    """Add `selfopt verify`."""
    verify = add("verify", help="check the seals of the decisions log", epilog="example: selfopt verify")
    add_places(verify)
    verify.set_defaults(command=_verify)


def _add_suites(add: AddCommand) -> None:
    """Those about suites."""
    _add_power(add)
    _add_check(add)
    _add_bring(add)


def _add_power(add: AddCommand) -> None:
    """Add `selfopt power`."""
    power = add(
        "power",
        help="what gain a cycle over these suites can find, and in how many calls",
        epilog="example: selfopt power benchmarks/atomic.jsonl --candidates 3",
    )
    power.add_argument(
        "suite",
        type=Path,
        nargs="+",
        help="the suite files of one phase",
    )
    power.add_argument(
        "--phase",
        default="atomic",
        help="which phase they are of (default: atomic)",
    )
    power.add_argument(
        "--candidates", type=int, help="how many are compared with the baseline (default: as configured)"
    )
    add_places(power)
    power.set_defaults(command=_power)


def _add_check(add: AddCommand) -> None:
    """Add `selfopt suite check`."""
    suite = add(
        "suite",
        help="what can be said about suites without asking a model",
        epilog="example: selfopt suite check benchmarks",
    )
    check = suite.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "check", help="duplicates, cases that cannot be passed or failed, tools never used, the share of restraint"
    )
    check.add_argument(
        "path",
        type=Path,
        nargs="+",
        help="suite files, or folders that hold them",
    )
    check.set_defaults(command=_check_suites)


def _add_bring(add: AddCommand) -> None:
    """Add `selfopt import`."""
    bring = add(
        "import",
        help="other people's benchmarks as lines of a suite file",
        epilog="example: selfopt import bfcl bfcl_eval/data --category irrelevance --limit 50 > irrelevance.jsonl",
    )
    bring.add_argument(
        "form",
        choices=("bfcl", "promptfoo", "chat", "csv"),
        help="what it is",
    )
    bring.add_argument(
        "path",
        type=Path,
        help="the file, of BFCL the folder with its data files",
    )
    bring.add_argument(
        "--category",
        help="of BFCL: which category, such as irrelevance",
    )
    bring.add_argument("--limit", type=int, help="at most so many cases")
    bring.set_defaults(command=_import)


def _models(options: argparse.Namespace) -> Iterator[str]:
    from pytest_selfopt.execution.availability import check_availability, configured_models

    settings = settings_of(options)
    named = tuple(map(settings.model, options.name))
    for model in named or configured_models(settings):
        availability = check_availability(model, ask=not options.no_ask)
        if availability.answers is False:
            options.status = EXIT_FAILED
        yield from _model_lines(availability)


def _model_lines(availability: Availability) -> list[str]:
    model = availability.model
    provider = model.provider
    facts = [
        f"{provider.name} ({provider.client or provider.wire})",
        provider.base_url,
        _prices(model),
        f"{model.max_concurrency} calls at a time",
    ]
    if model.tier:
        facts.append(f"tier {model.tier}")
    if model.context:
        facts.append(f"context {model.context:,} tokens")
    joined = ", ".join(filter(None, facts))
    return [model.id, f"  {joined}", f"  {availability.sentence}"]


def _prices(model: ModelConfig) -> str:
    """What a model costs, in words."""
    if model.free:
        return "free"
    price_in = _price(model.price_in)
    price_out = _price(model.price_out)
    return f"per million tokens {price_in} in, {price_out} out"


def _price(usd: float | None) -> str:
    if usd is None:
        return "unknown"
    return f"${usd:g}"


def _enforce(options: argparse.Namespace) -> Iterator[str]:
    from pytest_selfopt.cycle.enforce_feedback import enforce_feedback
    from pytest_selfopt.routing.atomic_files import timestamp
    from pytest_selfopt.routing.feedback import FEEDBACK

    settings = settings_of(options)
    path = options.feedback or settings.state_dir / FEEDBACK
    enforced = enforce_feedback(path, settings, now=timestamp(time.time()), dry_run=options.dry_run)
    yield from enforced.notes
    for change in (*enforced.applied, *enforced.skipped):
        yield change.sentence
    for error in enforced.errors:
        yield f"error: {error}"
    summary = enforced.summary
    if options.dry_run:
        summary = f"dry run, nothing was written: {summary}"
    yield summary
    options.status = _status(ok=not enforced.errors)


def _verify(options: argparse.Namespace) -> list[str]:
    from pytest_selfopt.routing.decisions import verify_log
    from pytest_selfopt.routing.history import DECISIONS

    path = settings_of(options).state_dir / DECISIONS
    check = verify_log(path)
    options.status = _status(ok=check.ok)
    return [check.sentence]


def _status(*, ok: bool) -> int:
    """The exit status of a command."""
    if ok:
        return 0
    return EXIT_FAILED


def _power(options: argparse.Namespace) -> Iterator[str]:
    from pytest_selfopt.planning.power import known_of, power_report

    if options.candidates is not None and options.candidates < 1:
        raise SettingsError(f"--candidates {options.candidates}: there has to be at least 1")
    settings = settings_of(options)
    let_import_from(path.parent for path in options.suite)
    least = settings.phase(options.phase).limits.min_samples
    known = known_of(settings, options.phase)
    return power_report(
        options.suite,
        candidates=options.candidates or settings.max_candidates,
        least=least,
        known=known,
    )


def _check_suites(options: argparse.Namespace) -> Iterator[str]:
    from pytest_selfopt.bench.lint import check_suites
    from pytest_selfopt.bench.suites import load_suite, suite_files

    files = suite_files(options.path)
    let_import_from(path.parent for path in files)
    suites = list(map(load_suite, files))
    findings = check_suites(suites)
    for finding in findings:
        line = f"{finding.place}: {finding.sentence}"
        if finding.wrong:
            line = f"wrong: {line}"
        yield line
    wrong = sum(finding.wrong for finding in findings)
    cases = sum(len(suite.cases) for suite in suites)
    yield f"{len(suites)} suites, {cases} cases, {wrong} to be mended"
    options.status = _status(ok=not wrong)


def _import(options: argparse.Namespace) -> Iterator[str]:
    from pytest_selfopt.bench.importing import import_from

    if options.limit is not None and options.limit < 1:
        raise SettingsError(f"--limit {options.limit}: there has to be at least 1")
    imported = import_from(
        options.form,
        options.path,
        category=options.category,
        limit=options.limit,
    )
    for line in imported.lines:
        yield Verbatim(json.dumps(line, ensure_ascii=False))
    # To the other stream, because the lines usually go into a file.
    for sentence in imported.left_out:
        tell(f"left out: {sentence}")
    tell(f"{imported.cases} cases, {len(imported.left_out)} left out")
    options.status = _status(ok=bool(imported.cases))
