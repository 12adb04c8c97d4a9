"""The commands that hand what was measured and decided to other tools."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from pytest_selfopt.commands.common import AddCommand, add_places, settings_of


def add_commands(add: AddCommand) -> None:
    """Add them to the parser."""
    export = add("export", help="what was measured and decided, in the formats of other tools")
    forms = export.add_subparsers(required=True, metavar="FORM").add_parser
    litellm = forms(
        "litellm",
        help="what is in force, as a configuration of a LiteLLM proxy or router (YAML)",
        epilog="example: selfopt export litellm -o litellm.yaml --report litellm.txt",
    )
    litellm.add_argument("-o", "--output", type=Path, help="write it to a file (default: print it)")
    litellm.add_argument("--report", type=Path, help="write what has no counterpart to a file (default: to stderr)")
    add_places(litellm)
    litellm.set_defaults(command=_litellm)


def _litellm(options: argparse.Namespace) -> Iterator[str]:
    from pytest_selfopt.routing.files import write_atomically
    from pytest_selfopt.session.exporting import export_litellm

    config = export_litellm(settings_of(options))
    sentences = [gap.sentence for gap in config.gaps]
    if options.report is not None:
        write_atomically(options.report, "".join(f"{one}\n" for one in sentences))
    else:
        for one in sentences:
            print(one, file=sys.stderr)
    if options.output is None:
        yield config.text.rstrip("\n")
    else:
        write_atomically(options.output, config.text)
        yield f"written: {options.output}"
