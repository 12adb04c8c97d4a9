"""`selfopt compare`: exactly two ways of asking, beside each other."""

from __future__ import annotations

import argparse
import tempfile
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from pytest_selfopt.commands.common import batch_command, printing
from pytest_selfopt.commands.common.arguments import Subparsers
from pytest_selfopt.commands.common.exit_status import EXIT_FAILED


def add_parser(subparsers: Subparsers) -> None:
    """Add `selfopt compare`."""
    parser = subparsers.add_parser(
        "compare",
        help="compare exactly two ways of asking, with the evidence that a promotion needs",
        epilog="example: selfopt compare ollama/llama3.2:1b/atomic/native_api/t60/r1/i0 "
        "ollama/llama3.2:1b/atomic/schema/t60/r1/i0",
    )
    parser.add_argument(
        "specs",
        nargs=2,
        metavar="SPEC",
        help="two specs of one phase: MODEL/PHASE/VARIANT/tSECONDS/rRETRIES/i0|i1 and so on",
    )
    batch_command.add_suite_options(parser, runs=3)
    parser.add_argument(
        "--record",
        action="store_true",
        help="keep the calls in the ledger, as a batch (default: nothing is kept)",
    )
    batch_command.add_call_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Ask both, once the cost is agreed to, and say which is better. No history, no rule and no budget changes."""
    from pytest_selfopt.planning.batch_questions import two_specs
    from pytest_selfopt.planning.cost import estimate_specs
    from pytest_selfopt.report.comparison import compare_result, comparison_json, comparison_lines
    from pytest_selfopt.specs.spec import parse_spec

    args.phase = parse_spec(args.specs[0]).phase
    settings = batch_command.load_batch_project(args)
    questions = two_specs(settings, args.specs, args.suite, tags=args.tags, runs=args.runs)
    cost = estimate_specs(questions.specs, questions.suites, settings, runs=args.runs)
    if not batch_command.confirm_cost(cost, settings, args):
        return EXIT_FAILED
    with ExitStack() as held:
        if not args.record:
            folder = held.enter_context(tempfile.TemporaryDirectory(prefix="selfopt-compare-"))
            settings = replace(settings, state_dir=Path(folder))
        result = batch_command.run_batch(settings, questions)
    compared = compare_result(settings, questions, result)
    if args.json:
        printing.write_json(comparison_json(settings, questions, result, compared, recorded=args.record))
    else:
        printing.write_lines(comparison_lines(settings, questions, result, compared, recorded=args.record))
    return batch_command.batch_status(result)
