"""The project that a route comes from: its settings, its rules, and what its log says of rollbacks."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

from pytest_selfopt.errors import StateError
from pytest_selfopt.loop.undo.logged import ROLLBACK
from pytest_selfopt.routing.config import RoutingConfig, readable_config
from pytest_selfopt.routing.decision_chain import entries_in
from pytest_selfopt.routing.history import DECISIONS
from pytest_selfopt.routing.resolve import Route
from pytest_selfopt.routing.state_files import read_state_file
from pytest_selfopt.settings import Mode, Overrides, Settings, load_settings
from pytest_selfopt.settings_lookup import ProjectChoice, choose_project, routing_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """The settings and the routing configuration that belong together; they are read again only after a change."""

    settings: Settings
    routing: RoutingConfig


_Mark = tuple[int, int, int] | None
_turn = threading.Lock()
_rollbacks: dict[Path, tuple[_Mark, dict[tuple[str, str], str]]] = {}
_choices: dict[Path, ProjectChoice] = {}
_known: dict[Path, tuple[tuple[_Mark, _Mark], Project]] = {}


def project_of(route: Route) -> Project:
    """Return the project of a route: that of the routing configuration by which it was resolved.

    Raises:
        SettingsError: if the settings cannot be used.
        StateError: if the routing configuration exists and cannot be read at all.
    """
    path = Path(route.config or routing_file()[0]).absolute()
    if path not in _choices:
        # Looked for once, as the routing configuration is: a project does not move under an application.
        _choices[path] = choose_project([path.parent], default=path.parent)
    choice = _choices[path]
    marks = (_mark(choice.found), _mark(path))
    known = _known.get(path)
    if known is not None and known[0] == marks:
        return known[1]
    with _turn:
        settings = load_settings(choice.folder, Mode.PLAIN, Overrides())
        project = Project(settings=settings, routing=_rules(path))
        _known[path] = (marks, project)
    return project


def _rules(path: Path) -> RoutingConfig:
    try:
        return readable_config(path)
    except StateError:
        # The route says already that the file cannot be read, and what holds instead.
        return RoutingConfig()


def _mark(path: Path | None) -> _Mark:
    try:
        status = path.stat() if path is not None else None
    except OSError:
        status = None
    if status is None:
        return None
    return (status.st_mtime_ns, status.st_size, status.st_ino)


def taken_back(project: Project, model: str, phase: str) -> str:
    """Say why a rule for a model in a phase is not in force any more; empty if there was none, or nothing tells.

    The rules that are kept on record tell it, and the decisions log where the application has it.
    """
    rolled_back = _rolled_back(project.settings.state_dir / DECISIONS).get((model, phase))
    if rolled_back:
        return rolled_back
    for rule in reversed(project.routing.rules):
        if not rule.in_force and (rule.model, rule.phase) == (model, phase):
            status = str(rule.status).replace("_", " ")
            return f"the rule of cycle {rule.cycle} is {status}: {rule.reason}"
    return ""


def _rolled_back(log: Path) -> dict[tuple[str, str], str]:
    """Return the sentence on each rule, by model and phase, about which a rollback was the last decision."""
    mark = _mark(log)
    known = _rollbacks.get(log)
    if known is not None and known[0] == mark:
        return known[1]
    sentences: dict[tuple[str, str], str] = {}
    try:
        entries = entries_in(read_state_file(log))
    except (OSError, StateError):
        entries = []
    for entry in entries:
        sentence = ""
        if entry["kind"] == ROLLBACK:
            sentence = f"{entry['reason']} ({entry['timestamp']})"
        sentences[entry["original_model"], entry["phase"]] = sentence
    _rollbacks[log] = (mark, sentences)
    return sentences
