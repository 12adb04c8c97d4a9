"""`selfopt report`: what was measured and decided, as a page, Markdown or JSON."""

from __future__ import annotations

import argparse
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_selfopt import clock
from pytest_selfopt.commands.common.arguments import Subparsers
from pytest_selfopt.commands.common.exit_status import EXIT_DONE
from pytest_selfopt.commands.common.printing import write_line, write_lines
from pytest_selfopt.commands.common.project import add_project_options, load_project, warn_of_changed_log
from pytest_selfopt.errors import SettingsError
from pytest_selfopt.routing.atomic_files import timestamp

if TYPE_CHECKING:
    from pytest_selfopt.settings import Settings

_PORTS = 65_536


def add_parser(subparsers: Subparsers) -> None:
    """Add `selfopt report`."""
    parser = subparsers.add_parser(
        "report",
        help="report what was measured and decided, in one cycle or in all",
        epilog="example: selfopt report --cycle 3 --open",
    )
    parser.add_argument(
        "--cycle",
        type=int,
        help="the number of the cycle (default: all cycles)",
    )
    parser.add_argument(
        "--format",
        choices=("html", "md", "json"),
        default="html",
        help="a page in HTML (the default), Markdown or JSON",
    )
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="PATH",
        help="write the report to PATH, or print it (-); by default a page is written, and other formats are printed",
    )
    parser.add_argument(
        "--open",
        action="store_true",
        help="open the page in a browser",
    )
    parser.add_argument(
        "--serve",
        type=int,
        nargs="?",
        const=0,
        metavar="PORT",
        help="serve all pages on this machine until Ctrl-C, with answers that are too many for a file",
    )
    add_project_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the report to a file, print it, or serve it."""
    from pytest_selfopt.report.publish import report_to

    settings = load_project(args)
    warn_of_changed_log(settings)
    if args.serve is not None:
        return _serve(settings, args)
    printed = report_to(
        settings,
        args.cycle,
        form=args.format,
        output=args.output,
        show=args.open,
        now=timestamp(clock.now()),
    )
    write_lines(printed)
    return EXIT_DONE


def _serve(settings: Settings, args: argparse.Namespace) -> int:
    """Serve the pages until Ctrl-C.

    Raises:
        SettingsError: if the report is wanted elsewhere, too.
        StateError: if nothing was recorded, or the port cannot be had.
    """
    import webbrowser

    from pytest_selfopt.report.answers.serve import serve_reports
    from pytest_selfopt.report.build import build_reports

    if args.output is not None or args.format != "html":
        raise SettingsError("--serve shows pages in a browser; leave out --format and -o, or leave out --serve")
    if not 0 <= args.serve < _PORTS:
        raise SettingsError(f"--serve {args.serve}: is no port; expected 0 (any) to {_PORTS - 1}")
    build_reports(settings, [args.cycle], now=timestamp(clock.now()))
    with serve_reports(settings, args.serve) as server:
        name = "index.html" if args.cycle is None else f"cycle-{args.cycle}.html"
        address = f"http://127.0.0.1:{server.server_port}/{name}"
        write_line(f"serving {address} until Ctrl-C")
        if args.open:
            webbrowser.open(address)
        with suppress(KeyboardInterrupt):
            server.serve_forever()
    return EXIT_DONE
