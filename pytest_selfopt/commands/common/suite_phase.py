"""The phase of suites, as the tests beside them have it: `@pytest.mark.selfopt("suite.jsonl", phase="support")`."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_selfopt.commands.common.known_names import require_phase
from pytest_selfopt.errors import SettingsError

if TYPE_CHECKING:
    import ast

    from pytest_selfopt.settings import Settings

USUAL_PHASE = "atomic"


def add_phase_option(parser: argparse.ArgumentParser, meaning: str) -> None:
    """Add `--phase`."""
    parser.add_argument(
        "--phase",
        help=f"{meaning} (default: that of the tests beside the suites, or else {USUAL_PHASE})",
    )


def phase_of(args: argparse.Namespace, settings: Settings) -> str:
    """The phase that `--phase` names, or that of the tests beside the suites `args.suite`.

    Raises:
        SelfoptError: if it is unknown, or the suites are of several phases.
    """
    from pytest_selfopt.bench.loading.suites import suite_files

    phases = phases_of_tests(suite_files(args.suite))
    if args.phase is not None:
        require_phase(args.phase, settings, phases)
        return str(args.phase)
    if len(phases) > 1:
        raise SettingsError(f"tests ask these suites in several phases: {', '.join(phases)}; name one by --phase")
    return next(iter(phases), USUAL_PHASE)


def phases_of_tests(suites: Sequence[Path]) -> list[str]:
    """The phases in which the tests beside suites, or in the folder above, ask them; sorted."""
    wanted = {suite.resolve() for suite in suites}
    folders: dict[Path, None] = {}
    for suite in wanted:
        folders.update(dict.fromkeys(suite.parents[:2]))
    phases: set[str] = set()
    for folder in folders:
        for path in sorted(folder.glob("*.py")):
            phases.update(phase for suite, phase in _marks(path) if suite in wanted)
    return sorted(phases)


def _marks(path: Path) -> Iterator[tuple[Path, str]]:
    """Yield the suite and the phase of each marker in a file whose arguments stand there as texts."""
    import ast  # Other commands need not wait for it.

    try:
        content = path.read_bytes()
        # Most modules have none, and need not be parsed.
        tree = ast.parse(content) if b"selfopt" in content else None
    except (OSError, ValueError, SyntaxError, RecursionError):
        return
    for node in ast.walk(tree or ast.Module([], [])):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr != "selfopt":
            continue
        phase = USUAL_PHASE
        for keyword in node.keywords:
            if keyword.arg == "phase":
                phase = _text(keyword.value)
        suite = "".join(map(_text, node.args[:1]))
        if suite and phase:
            yield (path.parent / suite).resolve(), phase


def _text(node: ast.expr) -> str:
    """The text of a literal; empty for what is known only when the module runs."""
    value = getattr(node, "value", None)
    if isinstance(value, str):
        return value
    return ""
