"""`selfopt export`: ledger, settings and routing configuration in the formats of other tools."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from operator import attrgetter, itemgetter
from pathlib import Path
from typing import Literal

from pytest_selfopt.bench.case import Case
from pytest_selfopt.bench.loading.suites import load_suite, suite_files
from pytest_selfopt.errors import NothingRecordedError, SettingsError, StateError
from pytest_selfopt.export.inspect_log import LogHead, inspect_log, tally_of
from pytest_selfopt.export.litellm import LiteLLMConfig, Sources, litellm_config
from pytest_selfopt.export.trials import trials_csv, trials_json
from pytest_selfopt.ledger.ledger import Ledger
from pytest_selfopt.ledger.schema import require_ledger
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.routing.atomic_files import write_pieces
from pytest_selfopt.routing.config import read_config
from pytest_selfopt.routing.rule import Rule
from pytest_selfopt.settings import Settings
from pytest_selfopt.specs.spec import parse_spec
from pytest_selfopt.trial import Trial

TableForm = Literal["csv", "json"]

USUAL_PHASES = ("atomic", "extended")


def export_litellm(settings: Settings, *, with_limits: bool = False) -> LiteLLMConfig:
    """Export what is in force for a LiteLLM proxy or router; `with_limits` makes it refuse calls over a model's limit.

    Raises:
        StateError: if the routing configuration cannot be used.
        SettingsError: if LiteLLM can ask none of the models.
    """
    rules = read_config(settings.routing_path).rules
    in_force = [rule for rule in rules if rule.in_force]
    models = {name: _model(settings, name) for name in _models_in_use(settings, in_force)}
    phases = [*USUAL_PHASES, *settings.phases, *map(attrgetter("phase"), in_force)]
    fallbacks: dict[str, str] = {}
    for name, phase in settings.phases.items():
        if phase.fallback:
            fallbacks[name] = phase.fallback
    sources = Sources(
        models=models,
        phases=tuple(dict.fromkeys(phases)),
        rules=rules,
        fallbacks=fallbacks,
        with_limits=with_limits,
    )
    config = litellm_config(sources)
    if not config.document["model_list"]:
        why = "; ".join(map(attrgetter("sentence"), config.gaps))
        raise SettingsError(f"nothing can be exported to LiteLLM: {why}")
    return config


def _models_in_use(settings: Settings, in_force: Sequence[Rule]) -> dict[str, None]:
    """Return the names of all models that are configured, a baseline, a fallback, or have a rule in force."""
    names: list[str | None] = [settings.default_model]
    for name, model in settings.models.items():
        if model.wire != "embedded" or model.path:
            names.append(name)
    phases = settings.phases.values()
    names += [phase.baseline.model for phase in phases]
    names += [phase.fallback for phase in phases]
    for rule in in_force:
        names += (rule.model, rule.fallback_model)
    return dict.fromkeys(filter(None, names))


def _model(settings: Settings, name: str) -> ModelConfig | None:
    try:
        return settings.model(name)
    except SettingsError:
        return None


def export_trials(settings: Settings, cycle: int | None, form: TableForm) -> Iterator[str]:
    """Yield the judged trials of a cycle, or of all cycles (None), as the lines of a table.

    Raises:
        StateError: if there is no such cycle, or the ledger cannot be used.
    """
    with Ledger(require_ledger(settings.ledger_path)) as ledger:
        trials = ledger.each_trial(_chosen(ledger, cycle))
        if form == "csv":
            yield from trials_csv(trials)
        else:
            yield from trials_json(trials)


def export_inspect(settings: Settings, cycle: int | None, suites: Sequence[Path], folder: Path) -> Iterator[Path]:
    """Write an Inspect log for each spec of a cycle, or of all cycles (None), into a folder, and yield each path.

    `suites` are files and folders with the questions, which the ledger does not contain.

    Raises:
        StateError: if there is no such cycle or no trial of it, or a file cannot be read or written.
        SuiteError: if a suite cannot be used.
    """
    cases = _cases(suites)
    with Ledger(require_ledger(settings.ledger_path)) as ledger:
        chosen = _chosen(ledger, cycle)
        status = {row["id"]: row["status"] for row in ledger.cycles()}
        logs = dict.fromkeys(map(_log_of, ledger.each_trial(chosen)))
        if not logs:
            raise StateError("no trial was judged yet, so there is nothing to export")
        for number, _, spec in logs:
            head = LogHead(
                cycle=number,
                run_id=ledger.name_of(number),
                status=status[number],
                spec=parse_spec(spec),
                version=version("pytest-selfopt"),
            )
            yield _write_log(ledger, head, cases, folder)


def _log_of(measured: tuple[int, Trial]) -> tuple[int, str, str]:
    """Return the cycle, phase and spec of a trial, which identify its log."""
    cycle, trial = measured
    return cycle, trial.phase, trial.spec


def unjudged(settings: Settings, cycle: int | None) -> int:
    """Return the number of recorded calls without a verdict, in a cycle or in all; they are not exported.

    Raises:
        StateError: if there is no such cycle, or the ledger cannot be used.
    """
    with Ledger(require_ledger(settings.ledger_path)) as ledger:
        number = 0
        for chosen in _chosen(ledger, cycle):
            number += ledger.counts(chosen).get("unjudged", 0)
        return number


def _write_log(ledger: Ledger, head: LogHead, cases: Mapping[tuple[str, str], Case], folder: Path) -> Path:
    where = (head.cycle, head.spec.phase, head.spec.id)
    tally = tally_of(ledger.each_judged_call(*where))
    path = folder / head.file_name(tally)
    write_pieces(path, inspect_log(head, tally, ledger.each_judged_call(*where), cases))
    return path


def _cases(suites: Sequence[Path]) -> dict[tuple[str, str], Case]:
    """Return the cases of suites by key and content hash, so that a case changed since is a different one."""
    cases: dict[tuple[str, str], Case] = {}
    if not suites:
        return cases
    for suite in map(load_suite, suite_files(list(suites))):
        for case in suite.cases:
            cases[case.key, case.content_hash] = case
    return cases


def _chosen(ledger: Ledger, cycle: int | None) -> tuple[int, ...]:
    known: tuple[int, ...] = tuple(map(itemgetter("id"), ledger.cycles()))
    if not known:
        raise NothingRecordedError("cycle in the ledger", ledger.path.parent)
    if cycle is None:
        return known
    if cycle not in known:
        cycles = ", ".join(map(str, known))
        raise StateError(f"cycle {cycle} is not in the ledger; available: {cycles}")
    return (cycle,)
