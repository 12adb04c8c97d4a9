"""`selfopt suite check`: checks suites without asking a model."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_selfopt.commands.common.arguments import Subparsers
from pytest_selfopt.commands.common.exit_status import exit_status
from pytest_selfopt.commands.common.printing import write_line
from pytest_selfopt.commands.common.project import add_suite_folders
from pytest_selfopt.errors import SelfoptError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_selfopt.bench.lint import LintFinding
    from pytest_selfopt.bench.loading.suites import Suite


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
    """Check the suites that were named."""
    return check(args.path)


def check(paths: Sequence[Path]) -> int:
    """Print every finding about suites, and how many of them are errors; return the exit status."""
    from pytest_selfopt.bench.lint import check_suites
    from pytest_selfopt.bench.loading.suites import load_suite, suite_files

    files = suite_files(paths)
    add_suite_folders(files)
    suites = list(map(load_suite, files))
    findings = [*check_suites(suites), *_unenforced(suites)]
    for finding in findings:
        write_line(_describe(finding))
    errors = sum(finding.wrong for finding in findings)
    cases = sum(len(suite.cases) for suite in suites)
    write_line(f"{len(suites)} suites, {cases} cases, {errors} errors")
    return exit_status(ok=not errors)


def _unenforced(suites: Sequence[Suite]) -> list[LintFinding]:
    """Find what llama.cpp's server would not enforce, or refuse, if the project's settings name a model that it serves.

    Settings that cannot be read are those of another command; without any the embedded model is asked.
    """
    from pytest_selfopt.planning.capabilities import may_be_llama_cpp
    from pytest_selfopt.planning.swarms import resolve_members
    from pytest_selfopt.settings import Mode, Overrides, load_settings
    from pytest_selfopt.specs.llama_cases import unenforced

    try:
        settings = load_settings(Path.cwd(), Mode.PLAIN, Overrides())
        phases = (phase.baseline.model for phase in settings.phases.values())
        models = resolve_members(settings, [settings.default_model, *phases, *settings.space.models])
    except SelfoptError:
        return []
    if not any(map(may_be_llama_cpp, models)):
        return []
    return unenforced(suites)


def _describe(finding: LintFinding) -> str:
    line = f"{finding.place}: {finding.sentence}"
    if finding.wrong:
        return f"error: {line}"
    return line
