"""The command line: `selfopt resolve`, `history`, `models`, `enforce`, `verify`, `power` and `scripted`."""

from __future__ import annotations

import argparse
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_selfopt.errors import SelfoptError, SettingsError, StateError
from pytest_selfopt.routing.config import read_config
from pytest_selfopt.routing.records import HISTORY, read_history

if TYPE_CHECKING:
    from pytest_selfopt.session.availability import Availability

EXIT_FAILED = 1
EXIT_INTERRUPTED = 2
EXIT_USAGE = 4


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit status.

    0; 1 when `models` found one that does not answer, `verify` a broken seal, or `enforce` something that cannot be
    done; 4 when something cannot be used (said in a sentence).
    """
    options = _parser().parse_args(arguments)
    options.status = 0
    try:
        lines: Iterable[str] = options.command(options)
        for line in lines:
            print(line, flush=True)
    except SelfoptError as problem:
        print(f"selfopt: {problem}", file=sys.stderr)
        return EXIT_USAGE
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    status: int = options.status
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="selfopt", description="Answers from what pytest --selfopt-cycle measured and decided."
    )
    parser.add_argument("--version", action="version", version=version("pytest-selfopt"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    resolve = commands.add_parser("resolve", help="which model and settings are in effect for MODEL in PHASE")
    resolve.add_argument("model")
    resolve.add_argument("phase")
    resolve.add_argument("--config", type=Path, default=Path("routing_config.json"))
    resolve.set_defaults(command=_resolve)
    history = commands.add_parser("history", help="what each cycle compared and decided")
    history.add_argument("--state-dir", type=Path, default=Path(".selfopt"))
    history.set_defaults(command=_history)
    models = commands.add_parser("models", help="which models there are, whether each answers, and what is missing")
    models.add_argument("name", nargs="*", help="only these models (default: all that are built in or configured)")
    models.add_argument("--no-ask", action="store_true", help="look only, make no call")
    models.add_argument("--rootdir", type=Path, default=Path(), help="where selfopt.toml or pyproject.toml is")
    models.set_defaults(command=_models)
    enforce = commands.add_parser("enforce", help="turn the recommendations of a feedback file into rules on trial")
    enforce.add_argument("feedback", type=Path, nargs="?", help="the file (default: the one of the last cycle)")
    enforce.add_argument("--dry-run", action="store_true", help="say what would be done, write nothing")
    enforce.add_argument("--rootdir", type=Path, default=Path(), help="where selfopt.toml or pyproject.toml is")
    enforce.set_defaults(command=_enforce)
    verify = commands.add_parser("verify", help="check the seals of the decisions log")
    verify.add_argument("--state-dir", type=Path, default=Path(".selfopt"))
    verify.set_defaults(command=_verify)
    power = commands.add_parser("power", help="what gain a cycle over these suites can find, and in how many calls")
    power.add_argument("suite", type=Path, nargs="+", help="the suite files of one phase")
    power.add_argument("--phase", default="atomic", help="which phase they are of (default: atomic)")
    power.add_argument(
        "--candidates", type=int, help="how many are compared with the baseline (default: as configured)"
    )
    power.add_argument("--rootdir", type=Path, default=Path(), help="where selfopt.toml or pyproject.toml is")
    power.set_defaults(command=_power)
    scripted = commands.add_parser(
        "scripted", help="serve a scripted model on loopback in the OpenAI, Ollama and Anthropic formats"
    )
    scripted.add_argument("script", type=Path, help="a YAML file that says how the model behaves")
    scripted.add_argument("--port", type=int, default=0, help="the port (default: a free one)")
    scripted.set_defaults(command=_scripted)
    return parser


def _resolve(options: argparse.Namespace) -> list[str]:
    route = read_config(options.config).apply_routing(options.model, options.phase)
    settings = {
        "variant": route.variant,
        "timeout": route.timeout_s,
        "retries": route.retries,
        "isolation": route.isolated,
        "warm-up": route.enable_warmup,
        "sampling": route.sampling,
    }
    lines = [f"{route.requested} in {route.phase}: {route.model if route.allowed else 'disabled'}"]
    lines += [f"  {name}: {value}" for name, value in settings.items() if value is not None]
    return lines + [f"  because {reason}" for reason in route.because or ("no rule is about it",)]


def _history(options: argparse.Namespace) -> list[str]:
    path = options.state_dir / HISTORY
    entries = read_history(path)
    if not entries:
        raise StateError(f"there is no history in {options.state_dir}; run pytest with --selfopt-cycle first")
    return [line for entry in entries for line in _cycle_lines(entry)] + _budget_lines(options.state_dir)


def _budget_lines(state_dir: Path) -> list[str]:
    """How much of the bound on false promotions is spent, by the ledger: deleting a report does not refill it."""
    from pytest_selfopt.ledger.ledger import Ledger
    from pytest_selfopt.loop.evidence import ALPHA, bar

    path = state_dir / "ledger.sqlite"
    if not path.exists():
        return []
    with Ledger(path) as ledger:
        comparisons = ledger.comparisons()
    shares = [one.share for one in comparisons if one.test is not None]
    free = len(comparisons) - len(shares)
    spent = f"{len(shares)} comparisons opened, {sum(shares):.4f} of {float(ALPHA):g} spent in all cycles"
    lines = [f"error budget: {spent}; the next one needs odds of {float(bar(len(shares) + 1)):,.0f}:1"]
    return lines + ([f"by the classic rule, without any guarantee: {free} comparisons"] if free else [])


def _models(options: argparse.Namespace) -> Iterator[str]:
    from pytest_selfopt.session.availability import availability, configured_models
    from pytest_selfopt.settings import Mode, Overrides, load_settings

    settings = load_settings(options.rootdir.resolve(), Mode.PLAIN, Overrides())
    chosen = tuple(settings.model(name) for name in options.name) or configured_models(settings)
    for model in chosen:
        found = availability(model, ask=not options.no_ask)
        if found.answers is False:
            options.status = EXIT_FAILED
        yield from _model_lines(found)


def _model_lines(found: Availability) -> list[str]:
    model, provider = found.model, found.model.provider
    prices = (model.price_in, model.price_out)
    known = [f"${price:g}" if price is not None else "unknown" for price in prices]
    cost = "free" if model.free else f"per million tokens {known[0]} in, {known[1]} out"
    facts = [f"{provider.name} ({provider.wire})", provider.base_url, cost, f"{model.max_concurrency} calls at a time"]
    facts += [f"tier {model.tier}"] if model.tier else []
    facts += [f"context {model.context:,} tokens"] if model.context else []
    return [model.id, f"  {', '.join(filter(None, facts))}", f"  {found.sentence}"]


def _enforce(options: argparse.Namespace) -> Iterator[str]:
    from pytest_selfopt.routing.feedback import FEEDBACK
    from pytest_selfopt.routing.files import timestamp
    from pytest_selfopt.session.enforcing import enforce_feedback
    from pytest_selfopt.settings import Mode, Overrides, load_settings

    settings = load_settings(options.rootdir.resolve(), Mode.PLAIN, Overrides())
    path = options.feedback or settings.state_dir / FEEDBACK
    enforced = enforce_feedback(path, settings, now=timestamp(time.time()), dry_run=options.dry_run)
    yield from enforced.notes
    for change in (*enforced.applied, *enforced.skipped):
        yield change.sentence
    for error in enforced.errors:
        yield f"error: {error}"
    yield f"{'dry run, nothing was written: ' if options.dry_run else ''}{enforced.summary}"
    options.status = EXIT_FAILED if enforced.errors else 0


def _verify(options: argparse.Namespace) -> list[str]:
    from pytest_selfopt.routing.decisions import verify_log
    from pytest_selfopt.routing.records import DECISIONS

    found = verify_log(options.state_dir / DECISIONS)
    options.status = 0 if found.ok else EXIT_FAILED
    return [found.sentence]


def _power(options: argparse.Namespace) -> Iterator[str]:
    from pytest_selfopt.session.foresight import foresight, known_of
    from pytest_selfopt.settings import Mode, Overrides, load_settings

    if options.candidates is not None and options.candidates < 1:
        raise SettingsError(f"--candidates {options.candidates}: there has to be at least 1")
    settings = load_settings(options.rootdir.resolve(), Mode.PLAIN, Overrides(max_candidates=options.candidates))
    least = settings.phase(options.phase).limits.min_samples
    known = known_of(settings, options.phase)
    return foresight(options.suite, candidates=settings.max_candidates, least=least, known=known)


def _scripted(options: argparse.Namespace) -> Iterator[str]:
    from pytest_selfopt.models.scripted import ScriptedServer, load_script

    with ScriptedServer(load_script(options.script), port=options.port, remember=False) as server:
        yield f"{server.base_url} (OpenAI format; Ollama's and Anthropic's at {server.address}), Ctrl-C ends it"
        threading.Event().wait()


def _cycle_lines(entry: dict[str, Any]) -> list[str]:
    lines = [f"cycle {entry['cycle']}  {entry['ended']}  {entry['phase']}  {entry['improvement']:+.3f}"]
    lines += [f"  stopped: {entry['reason']}"] if entry.get("status") == "stopped" else []
    lines += [f"  {one['verdict']:7}  {one['spec']}{_comparison(one)}" for one in entry["verdicts"]]
    return [*lines, f"  in force afterwards: {entry['baseline_after']}"]


def _comparison(verdict: dict[str, Any]) -> str:
    if "comparison" not in verdict:
        return ""
    which = "classic" if verdict["comparison"] is None else f"comparison {verdict['comparison']}"
    return f"  ({which}: fixed {verdict['fixed']}, broke {verdict['broken']})"


if __name__ == "__main__":
    sys.exit(main())
