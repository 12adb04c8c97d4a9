"""`selfopt suite check`: checks suites without asking a model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_selfopt.commands.common.arguments import Subparsers
from pytest_selfopt.commands.common.exit_status import exit_status
from pytest_selfopt.commands.common.printing import write_line
from pytest_selfopt.commands.common.project import add_suite_folders

if TYPE_CHECKING:
    from pytest_selfopt.bench.lint import LintFinding


def add_parser(subparsers: Subparsers) -> None:
    """Add `selfopt suite` and `selfopt suite check`."""
    suite = subparsers.add_parser(
        "suite",
        help="check suites without asking a model",
        epilog="example: selfopt suite check benchmarks",
    )
    actions = suite.add_subparsers(required=True, metavar="COMMAND")
    check = actions.add_parser(
        "check",
        help="find duplicates, cases that cannot pass or fail, and unused tools, and show the share of restraint",
    )
    check.add_argument(
        "path",
        type=Path,
        nargs="+",
        help="suite files, or folders of them",
    )
    check.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print every finding, and how many of them are errors."""
    from pytest_selfopt.bench.lint import check_suites
    from pytest_selfopt.bench.loading.suites import load_suite, suite_files

    files = suite_files(args.path)
    add_suite_folders(files)
    suites = list(map(load_suite, files))
    findings = check_suites(suites)
    for finding in findings:
        write_line(_describe(finding))
    errors = sum(finding.wrong for finding in findings)
    cases = sum(len(suite.cases) for suite in suites)
    write_line(f"{len(suites)} suites, {cases} cases, {errors} errors")
    return exit_status(ok=not errors)


def _describe(finding: LintFinding) -> str:
    line = f"{finding.place}: {finding.sentence}"
    if finding.wrong:
        return f"error: {line}"
    return line
