"""The command line: `selfopt COMMAND`; each command is a function from its options to lines."""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from pytest_selfopt.errors import RunnerError, SelfoptError, SettingsError
from pytest_selfopt.routing.config import read_config

if TYPE_CHECKING:
    from pytest_selfopt.session.availability import Availability
    from pytest_selfopt.settings import Settings

AddCommand: TypeAlias = Callable[..., argparse.ArgumentParser]

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
    except BrokenPipeError:
        # Whoever read has seen enough, as in `selfopt history | head`; Python must not try to flush at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    status: int = options.status
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="selfopt", description="Answers from what pytest --selfopt-cycle measured and decided."
    )
    parser.add_argument("--version", action="version", version=version("pytest-selfopt"))
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_answers(commands.add_parser)
    _add_tools(commands.add_parser)
    _add_servers(commands.add_parser)
    return parser


def _add_answers(add: AddCommand) -> None:
    """The commands that explain, judge again and take back what cycles have decided."""
    resolve = add("resolve", help="which model and settings are in effect for MODEL in PHASE")
    resolve.add_argument("model")
    resolve.add_argument("phase")
    resolve.add_argument("--config", type=Path, default=Path("routing_config.json"))
    resolve.set_defaults(command=_resolve)
    history = add("history", help="what each cycle compared and decided, and how the accuracy rose")
    _add_places(history)
    history.set_defaults(command=_history)
    report = add("report", help="what was measured and decided, of one cycle or over all of them")
    report.add_argument("--cycle", type=int, help="the number of a cycle (default: all)")
    report.add_argument("--format", choices=("md", "json"), default="md", help="Markdown (the default) or JSON")
    report.add_argument("-o", "--output", type=Path, help="write it to a file instead")
    _add_places(report)
    report.set_defaults(command=_report)
    why = add("why", help="how a rule came about, and on which trials it rests")
    why.add_argument("rule", help='"model::phase", or a model followed by a phase')
    why.add_argument("phase", nargs="?")
    _add_places(why)
    why.set_defaults(command=_why)
    rollback = add("rollback", help="put the rules back as they were before a cycle or a change")
    rollback.add_argument("what", nargs="?", help='a cycle, or a rule as "model::phase" (default: the last change)')
    rollback.add_argument("--dry-run", action="store_true", help="say what would be done, write nothing")
    _add_places(rollback)
    rollback.set_defaults(command=_rollback)
    decide = add("decide", help="judge the stored trials of a cycle again, without a call")
    decide.add_argument("cycle", nargs="?", type=int, help="its number (default: the last decided one)")
    decide.add_argument("--json", action="store_true", help="print the verdicts as the history holds them")
    _add_places(decide)
    decide.set_defaults(command=_decide)


def _add_tools(add: AddCommand) -> None:
    """The commands that look ahead, look around and lend a hand."""
    models = add("models", help="which models there are, whether each answers, and what is missing")
    models.add_argument("name", nargs="*", help="only these models (default: all that are built in or configured)")
    models.add_argument("--no-ask", action="store_true", help="look only, make no call")
    _add_places(models)
    models.set_defaults(command=_models)
    enforce = add("enforce", help="turn the recommendations of a feedback file into rules on trial")
    enforce.add_argument("feedback", type=Path, nargs="?", help="the file (default: the one of the last cycle)")
    enforce.add_argument("--dry-run", action="store_true", help="say what would be done, write nothing")
    _add_places(enforce)
    enforce.set_defaults(command=_enforce)
    verify = add("verify", help="check the seals of the decisions log")
    _add_places(verify)
    verify.set_defaults(command=_verify)
    power = add("power", help="what gain a cycle over these suites can find, and in how many calls")
    power.add_argument("suite", type=Path, nargs="+", help="the suite files of one phase")
    power.add_argument("--phase", default="atomic", help="which phase they are of (default: atomic)")
    power.add_argument(
        "--candidates", type=int, help="how many are compared with the baseline (default: as configured)"
    )
    _add_places(power)
    power.set_defaults(command=_power)
    suite = add("suite", help="what can be said about suites without asking a model")
    check = suite.add_subparsers(required=True, metavar="COMMAND").add_parser(
        "check", help="duplicates, cases that cannot be passed or failed, tools never used, the share of restraint"
    )
    check.add_argument("path", type=Path, nargs="+", help="suite files, or folders that hold them")
    check.set_defaults(command=_check_suites)
    bring = add("import", help="other people's benchmarks as lines of a suite file")
    bring.add_argument("form", choices=("bfcl", "promptfoo", "chat", "csv"), help="what it is")
    bring.add_argument("path", type=Path, help="the file, of BFCL the folder with its data files")
    bring.add_argument("--category", help="of BFCL: which category, such as irrelevance")
    bring.add_argument("--limit", type=int, help="at most so many cases")
    bring.set_defaults(command=_import)


def _add_servers(add: AddCommand) -> None:
    """The commands that run until they are told to end."""
    from pytest_selfopt.settings import ENGINES

    worker = add("worker", help="make the calls of sessions that run with --selfopt-runner, here")
    worker.add_argument("engine", choices=ENGINES, help="where the calls come from")
    worker.add_argument("--target", help="the server's address (default: as configured)")
    worker.add_argument("--models", help="to which providers, separated by commas (default: to all)")
    worker.add_argument("--concurrency", type=int, default=64, help="calls at a time, of each provider (default: 64)")
    worker.add_argument("--rootdir", type=Path, default=Path(), help="where selfopt.toml or pyproject.toml is")
    worker.set_defaults(command=_work)
    engine = add("engine", help="run the server of an engine on loopback, for a trial")
    engine.add_argument("engine", choices=ENGINES, help="which")
    engine.add_argument("--port", type=int, help="the port (default: the engine's own)")
    _add_places(engine)
    engine.set_defaults(command=_run_engine)
    scripted = add("scripted", help="serve a scripted model on loopback in the OpenAI, Ollama and Anthropic formats")
    scripted.add_argument("script", type=Path, help="a YAML file that says how the model behaves")
    scripted.add_argument("--port", type=int, default=0, help="the port (default: a free one)")
    scripted.set_defaults(command=_scripted)


def _add_places(command: argparse.ArgumentParser) -> None:
    command.add_argument("--rootdir", type=Path, default=Path(), help="where selfopt.toml or pyproject.toml is")
    command.add_argument("--state-dir", type=Path, help="where the ledger is (default: as configured)")


def _resolve(options: argparse.Namespace) -> list[str]:
    from pytest_selfopt.session.explaining import route_lines

    return route_lines(read_config(options.config).apply_routing(options.model, options.phase))


def _history(options: argparse.Namespace) -> list[str]:
    from pytest_selfopt.session.explaining import history

    return history(_settings(options))


def _report(options: argparse.Namespace) -> list[str]:
    from pytest_selfopt.session.reporting import report, write_report

    text = report(_settings(options), options.cycle, form=options.format)
    if options.output is None:
        return text.splitlines()
    write_report(options.output, text)
    return [f"written: {options.output}"]


def _why(options: argparse.Namespace) -> Iterator[str]:
    from pytest_selfopt.session.explaining import why

    model, _, phase = options.rule.rpartition("::") if options.phase is None else (options.rule, "", options.phase)
    if not model or not phase:
        raise SettingsError(f'{options.rule!r}: name a rule as "model::phase", or a model and a phase')
    return why(_settings(options), model, phase)


def _rollback(options: argparse.Namespace) -> list[str]:
    from pytest_selfopt.routing.files import timestamp
    from pytest_selfopt.session.rolling_back import roll_back

    return roll_back(_settings(options), options.what, now=timestamp(time.time()), dry_run=options.dry_run)


def _decide(options: argparse.Namespace) -> Iterator[str]:
    from pytest_selfopt.session.deciding import decide_again

    phases = decide_again(_settings(options), options.cycle)
    if options.json:
        yield json.dumps(
            [{"cycle": one.cycle, "phase": one.phase, "verdicts": one.verdicts} for one in phases], indent=2
        )
        return
    for one in phases:
        yield f"cycle {one.cycle}, {one.phase}: {'as it was decided' if one.same else 'NOT as it was decided'}"
        before = {verdict["spec"]: verdict["verdict"] for verdict in one.recorded}
        for judgement in one.conclusion.judgements:
            then = before.get(judgement.spec, "not judged")
            changed = "" if then == judgement.verdict else f" (then {then})"
            yield f"  {judgement.verdict}{changed} {judgement.spec}: {judgement.grounds}"


def _settings(options: argparse.Namespace) -> Settings:
    from pytest_selfopt.settings import Mode, Overrides, load_settings

    _import_from([options.rootdir])
    overrides = Overrides(state_dir=str(options.state_dir) if options.state_dir else None)
    return load_settings(options.rootdir.resolve(), Mode.PLAIN, overrides)


def _import_from(folders: Iterable[Path]) -> None:
    """Let what lies beside tests, such as environments and graders, be found as pytest finds it."""
    missing = dict.fromkeys(str(folder.resolve()) for folder in folders)
    sys.path[:0] = [folder for folder in missing if folder not in sys.path]


def _models(options: argparse.Namespace) -> Iterator[str]:
    from pytest_selfopt.session.availability import availability, configured_models

    settings = _settings(options)
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
    facts = [
        f"{provider.name} ({provider.client or provider.wire})",
        provider.base_url,
        cost,
        f"{model.max_concurrency} calls at a time",
    ]
    facts += [f"tier {model.tier}"] if model.tier else []
    facts += [f"context {model.context:,} tokens"] if model.context else []
    return [model.id, f"  {', '.join(filter(None, facts))}", f"  {found.sentence}"]


def _enforce(options: argparse.Namespace) -> Iterator[str]:
    from pytest_selfopt.routing.feedback import FEEDBACK
    from pytest_selfopt.routing.files import timestamp
    from pytest_selfopt.session.enforcing import enforce_feedback

    settings = _settings(options)
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

    found = verify_log(_settings(options).state_dir / DECISIONS)
    options.status = 0 if found.ok else EXIT_FAILED
    return [found.sentence]


def _power(options: argparse.Namespace) -> Iterator[str]:
    from pytest_selfopt.session.foresight import foresight, known_of

    if options.candidates is not None and options.candidates < 1:
        raise SettingsError(f"--candidates {options.candidates}: there has to be at least 1")
    settings = _settings(options)
    _import_from(path.parent for path in options.suite)
    least = settings.phase(options.phase).limits.min_samples
    known = known_of(settings, options.phase)
    return foresight(options.suite, candidates=options.candidates or settings.max_candidates, least=least, known=known)


def _check_suites(options: argparse.Namespace) -> Iterator[str]:
    from pytest_selfopt.bench.check import check_suites
    from pytest_selfopt.bench.suites import load_suite, suite_files

    files = suite_files(options.path)
    _import_from(path.parent for path in files)
    suites = [load_suite(path) for path in files]
    findings = check_suites(suites)
    for finding in findings:
        yield f"{'wrong: ' if finding.wrong else ''}{finding.place}: {finding.sentence}"
    wrong = sum(finding.wrong for finding in findings)
    yield f"{len(suites)} suites, {sum(len(one.cases) for one in suites)} cases, {wrong} to be mended"
    options.status = EXIT_FAILED if wrong else 0


def _import(options: argparse.Namespace) -> Iterator[str]:
    from pytest_selfopt.bench.importing import import_from

    if options.limit is not None and options.limit < 1:
        raise SettingsError(f"--limit {options.limit}: there has to be at least 1")
    imported = import_from(options.form, options.path, category=options.category, limit=options.limit)
    for one in imported.lines:
        yield json.dumps(one, ensure_ascii=False)
    # To the other stream, because the lines usually go into a file.
    for sentence in imported.left_out:
        print(f"left out: {sentence}", file=sys.stderr)
    print(f"{imported.cases} cases, {len(imported.left_out)} left out", file=sys.stderr)
    options.status = 0 if imported.cases else EXIT_FAILED


def _work(options: argparse.Namespace) -> Iterable[str]:
    from pytest_selfopt.session.working import work_for

    if options.concurrency < 1:
        raise SettingsError(f"--concurrency {options.concurrency}: expected at least 1")
    work_for(
        options.engine,
        options.rootdir,
        target=options.target,
        models=options.models,
        concurrency=options.concurrency,
        say=lambda line: print(f"selfopt: {line}", flush=True),
    )
    return []


def _run_engine(options: argparse.Namespace) -> Iterator[str]:
    from pytest_selfopt.session.engines import SERVERS

    name = options.engine
    server = SERVERS[name](_settings(options).state_dir, options.port)
    yield f"{server.address} (Ctrl-C ends it); then: selfopt worker {name}, and pytest --selfopt-runner {name}"
    with server.start() as running:
        try:
            status = running.wait()
        except KeyboardInterrupt:
            running.terminate()
            return
    said = server.log.read_text(errors="replace").strip().splitlines()
    raise RunnerError(
        f"the server ended with status {status}" + (f": {said[-1]}" if said else "") + f" (all it said: {server.log})"
    )


def _scripted(options: argparse.Namespace) -> Iterator[str]:
    from pytest_selfopt.models.scripted import ScriptedServer, load_script

    with ScriptedServer(load_script(options.script), port=options.port, remember=False) as server:
        yield f"{server.base_url} (OpenAI format; Ollama's and Anthropic's at {server.address}), Ctrl-C ends it"
        threading.Event().wait()


if __name__ == "__main__":
    sys.exit(main())
