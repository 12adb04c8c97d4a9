"""`selfopt scripted`: a scripted model on loopback."""

from __future__ import annotations

import argparse
import threading
from pathlib import Path

from pytest_selfopt.commands.common.arguments import Subparsers
from pytest_selfopt.commands.common.exit_status import EXIT_DONE
from pytest_selfopt.commands.common.printing import write_line, write_note


def add_parser(subparsers: Subparsers) -> None:
    """Add `selfopt scripted`."""
    parser = subparsers.add_parser(
        "scripted",
        help="serve a scripted model on loopback, in the OpenAI, Ollama and Anthropic formats",
        epilog="example: selfopt scripted script.yaml --port 8765",
    )
    parser.add_argument(
        "script",
        type=Path,
        help="the YAML file that describes how the model behaves",
    )
    parser.add_argument(
        "--port",
        type=int,
        default=0,
        help="the port (default: a free one)",
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Serve the model until the command is interrupted."""
    from pytest_selfopt.console.verdict_text import join_names
    from pytest_selfopt.deferred_signals import interrupted_when_ended
    from pytest_selfopt.models.scripted import ScriptedServer, load_script

    script = load_script(args.script)
    if script.left_to_default:
        names = join_names(script.left_to_default)
        write_note(f"selfopt: `expected` has no definite right answer for {names}, and gives the default instead")
    with interrupted_when_ended(), ScriptedServer(script, port=args.port, remember=False) as server:
        formats = f"OpenAI format; Ollama and Anthropic formats at {server.address}"
        write_line(f"{server.base_url} ({formats}), Ctrl-C ends it")
        threading.Event().wait()
    return EXIT_DONE
