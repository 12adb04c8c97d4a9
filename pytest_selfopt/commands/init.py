"""`selfopt init`: a first suite, its test and the settings, after three questions."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pytest_selfopt.commands.common.arguments import Subparsers
from pytest_selfopt.commands.common.printing import write_line, write_lines
from pytest_selfopt.commands.suite import check
from pytest_selfopt.errors import SettingsError, StateError

if TYPE_CHECKING:
    from pytest_selfopt.starter.project import StarterChoices, StarterFile
    from pytest_selfopt.starter.questions import Question

T = TypeVar("T")


def add_parser(subparsers: Subparsers) -> None:
    """Add `selfopt init`."""
    parser = subparsers.add_parser(
        "init",
        help="write a first suite of four cases, its test and the settings, after three questions",
        epilog="example: selfopt init --server ollama --model llama3.2:1b --answers calls",
    )
    parser.add_argument(
        "--server",
        help="who answers: embedded, ollama, openai, anthropic, openrouter, a server found on this machine, or the "
        "address of one that speaks OpenAI's format",
    )
    parser.add_argument("--model", help="the model's name on the server")
    parser.add_argument("--answers", help="what the answers are: calls, texts or json")
    parser.add_argument(
        "--key-env",
        metavar="NAME",
        help="the environment variable that holds the key of a server given by its address",
    )
    parser.add_argument("--yes", action="store_true", help="ask nothing: take what a question offers first")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Ask what no option says, write the files, check the suite, and say what comes next. No file is changed."""
    from pytest_selfopt.starter.project import starter_files, suite_path

    folder = Path.cwd()
    _require_no_settings(folder)
    choices = _choose(args)
    files = starter_files(choices)
    _require_free(folder, files)
    _require_sound(files)
    _write_all(folder, files)
    suite = suite_path(choices)
    status = check([Path(suite)])
    write_lines(
        (
            f"next: selfopt models {choices.model}   (does it answer?)",
            f"      pytest {suite.parent}   (asks each prompt once)",
            f"      pytest {suite.parent} --selfopt-cycle   (looks for a better way of asking)",
            f"then write your own prompts into {suite}, at least a dozen: four show only that it works",
        )
    )
    return status


def _choose(args: argparse.Namespace) -> StarterChoices:
    from pytest_selfopt.starter.project import StarterChoices
    from pytest_selfopt.starter.questions import answers_question, is_variable, model_question, server_question
    from pytest_selfopt.starter.servers import find_servers

    if args.key_env is not None and not is_variable(args.key_env):
        # It may be the key itself, so it is not repeated.
        raise SettingsError("--key-env: is not the name of an environment variable")
    server = _answer(server_question(find_servers()), args.server, args)
    if args.key_env is not None and not server.base_url:
        raise SettingsError(f"--key-env: {server.name} has a variable of its own for its key; leave the option out")
    model = _answer(model_question(server), args.model, args)
    answers = _answer(answers_question(), args.answers, args)
    return StarterChoices(model=model, base_url=server.base_url, key_variable=args.key_env or "", answers=answers)


def _answer(question: Question[T], given: str | None, args: argparse.Namespace) -> T:
    """Return the answer that was given, the default, or one that is asked for at the terminal until it can be used.

    Raises:
        SettingsError: when what was given cannot be used, or nobody can be asked.
    """
    if given is not None or args.yes:
        return question.answer(given or "")
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        offered = f", or --yes, which takes {question.default}" if question.default else ""
        raise SettingsError(f"{question.option} is missing, and there is no terminal to ask at; give it{offered}")
    write_lines(question.menu().splitlines())
    while True:
        try:
            return question.answer(_typed(question.default))
        except SettingsError as problem:
            write_line(str(problem))


def _typed(default: str) -> str:
    try:
        return input(f"[{default}] " if default else "> ")
    except EOFError:
        raise KeyboardInterrupt from None  # Ctrl-D ends the questions, as Ctrl-C does.


def _require_no_settings(folder: Path) -> None:
    """Refuse a folder whose project has settings.

    Raises:
        SettingsError: naming their file.
    """
    from pytest_selfopt.settings_lookup import choose_project, settings_file, shown_path

    found = choose_project([folder], default=folder).found
    if found is not None and settings_file(found.parent) is not None:
        raise SettingsError(
            f"{shown_path(found, folder)} has settings already, and they stay as they are; nothing was written. "
            "Name another model there by `model`, write further suites beside yours, or begin in another folder"
        )


def _require_free(folder: Path, files: Iterable[StarterFile]) -> None:
    """Refuse to overwrite.

    Raises:
        SettingsError: naming the files that exist.
    """
    taken = [str(file.path) for file in files if (folder / file.path).exists() or (folder / file.path).is_symlink()]
    if taken:
        raise SettingsError(
            f"{', '.join(taken)}: exists already; nothing was written. Move it away, or begin elsewhere"
        )


def _require_sound(files: Iterable[StarterFile]) -> None:
    """Read the settings as every session will, before the first file is there.

    Raises:
        SettingsError: when a choice makes settings that cannot be read.
    """
    from pytest_selfopt.settings import Mode, Overrides, load_settings
    from pytest_selfopt.settings_lookup import CONFIG_FILE

    with tempfile.TemporaryDirectory(prefix="selfopt-init-") as name:
        (text,) = (file.text for file in files if file.path.name == CONFIG_FILE)
        Path(name, CONFIG_FILE).write_text(text, encoding="utf-8")
        settings = load_settings(Path(name), Mode.PLAIN, Overrides())
        settings.model(settings.default_model)


def _write_all(folder: Path, files: Iterable[StarterFile]) -> None:
    """Write files that do not exist yet: all of them, or none.

    Raises:
        StateError: when one cannot be written.
    """
    written: list[Path] = []
    for file in files:
        path = folder / file.path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open("x", encoding="utf-8") as opened:
                written.append(path)
                opened.write(file.text)
        except OSError as problem:
            for begun in written:
                begun.unlink(missing_ok=True)
            raise StateError(f"{file.path} cannot be written, so nothing was: {problem.strerror}") from None
    for path in written:
        write_line(f"written: {path.relative_to(folder)}")
