"""The settings of a session, from pytest's command line."""

from __future__ import annotations

import shlex
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_selfopt.execution.dispatcher import Lookahead
from pytest_selfopt.settings import Mode, Overrides, Settings, load_settings
from pytest_selfopt.settings_lookup import ProjectChoice

if TYPE_CHECKING:
    from _pytest.terminal import TerminalReporter


def mode_of(config: pytest.Config) -> Mode:
    """Return the mode of the session."""
    if config.getoption("selfopt_cycle"):
        return Mode.CYCLE
    if config.getoption("selfopt_gate"):
        return Mode.GATE
    return Mode.PLAIN


_LOOKS = ("collectonly", "setuponly", "setupplan", "showfixtures", "show_fixtures_per_test", "selfopt_dry_run")
"""The options of sessions that only show what is there."""


def looks_only(config: pytest.Config) -> bool:
    """Whether the session runs no item, makes no call and writes nothing."""
    # Plugins of pytest that are switched off, as by `-p no:setuponly`, have no options.
    return any(config.getoption(name, default=False) for name in _LOOKS)


def terminal_of(config: pytest.Config) -> TerminalReporter | None:
    """Return pytest's terminal reporter; None without one."""
    reporter: TerminalReporter | None = config.pluginmanager.get_plugin("terminalreporter")
    return reporter


def command_of(config: pytest.Config) -> str:
    """Return the command line of a session, for its records."""
    return shlex.join(["pytest", *map(str, config.invocation_params.args)])


def lookahead_of(config: pytest.Config) -> Lookahead:
    """Return how far calls may run ahead of the items."""
    if config.getoption("usepdb", default=False):
        return Lookahead.SINGLE
    if config.option.maxfail:
        return Lookahead.CAREFUL
    return Lookahead.AHEAD


def settings_of(config: pytest.Config, project: ProjectChoice) -> Settings:
    """Load and check the settings of a session in a project.

    Raises:
        SettingsError: if something is configured wrongly.
    """
    option = config.getoption
    overrides = Overrides(
        baseline=option("selfopt_baseline"),
        state_dir=option("selfopt_state_dir"),
        max_candidates=option("selfopt_candidates"),
        seed=option("selfopt_seed"),
        warmup=option("selfopt_warmup"),
        max_calls=option("selfopt_max_calls"),
        max_cost_usd=option("selfopt_max_cost"),
        resume=option("selfopt_resume"),
        race=not option("selfopt_no_race"),
        profile=option("selfopt_profile"),
        exhaustive=option("selfopt_exhaustive"),
        model=option("selfopt_force_model"),
        promote=not option("selfopt_no_promote"),
        enforce=not option("selfopt_no_enforce"),
        only_prove=option("selfopt_prove"),
        prove_at_once=not option("selfopt_no_prove"),
        runner=option("selfopt_runner"),
        reports=not option("selfopt_no_report"),
    )
    settings = load_settings(project.folder, mode_of(config), overrides)
    return replace(settings, unused_settings=project.unused)
