"""Collection: a marked test becomes one item for each case, spec and run."""

from __future__ import annotations

import random
import re
from collections.abc import Collection, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_selfopt.console.sanitize import harmless
from pytest_selfopt.errors import SelfoptError, SettingsError
from pytest_selfopt.planning.plan import PlannedTrial
from pytest_selfopt.planning.session_plan import SessionPlan, SkippedTrials
from pytest_selfopt.session.neighbours.async_tests import refuse_async
from pytest_selfopt.session.neighbours.parameters import refuse_repeated_trials, refuse_too_many
from pytest_selfopt.session.neighbours.refused_plugins import refuse_plugins
from pytest_selfopt.session.neighbours.reply_fixtures import refuse_wide_fixtures
from pytest_selfopt.session.neighbours.skip_marks import leave_out_skipped
from pytest_selfopt.session.options import mode_of, terminal_of
from pytest_selfopt.session.project import SessionProject
from pytest_selfopt.session.stash import ARGUMENTS, PLANNED
from pytest_selfopt.session.tag_selection import deselect_by_tags
from pytest_selfopt.session.terminal.writer import StyledText, TerminalWriter
from pytest_selfopt.settings import Mode

if TYPE_CHECKING:
    from _pytest.capture import CaptureManager

_ITEM_BYTES = 5_300
"""What an item takes at the peak, by the collection of 560,000."""
_MANY_TRIALS = 200_000
"""The trials whose items take about a gigabyte."""


class BenchmarkCollector:
    """The collector that gives marked tests their items, and keeps their problems until all is collected."""

    def __init__(self, plan: SessionPlan, project: SessionProject) -> None:
        self._plan = plan
        self._project = project
        self._unplanned: dict[str, str] = {}
        """Why tests have no trials, by node id; only what is selected stops a session."""
        self.problems: list[str] = []
        """Why the session cannot go on."""
        self.skipped: list[SkippedTrials] = []
        """The selected trials that marks skip."""

    def parametrize(self, metafunc: pytest.Metafunc, marker: pytest.Mark) -> None:
        """Give the marked test its items; its problems are kept until it is known what is selected."""
        test = metafunc.definition.nodeid
        try:
            _refuse_use(metafunc, test)
            name, phase = _marker_arguments(marker, test)
            folder = metafunc.definition.path.parent
            self._project.claim(test, folder)
            trials = self._plan.add(test, folder / name, phase)
            _check_number_of_items(metafunc, len(trials))
        except SelfoptError as problem:
            # Pytest gives a test without parameters one item, which tells later whether the test is selected.
            self._unplanned[test] = str(problem)
            trials = []
        _give_items(metafunc, trials)

    def stash_planned(self, items: Sequence[pytest.Item]) -> None:
        """Attach to each benchmark item its planned trial."""
        for item in items:
            planned = _planned_for(item)
            if planned is not None:
                item.stash[PLANNED] = planned

    def deselect_phases(self, phases: Collection[str], items: list[pytest.Item]) -> list[pytest.Item]:
        """Remove phases from the plan, and their items from `items`; return these items."""
        self._plan.remove_phases(phases)
        dropped: list[pytest.Item] = []
        kept: list[pytest.Item] = []
        for item in items:
            planned = item.stash.get(PLANNED, None)
            if planned is not None and planned.key.phase in phases:
                dropped.append(item)
            else:
                kept.append(item)
        items[:] = kept
        return dropped

    def deselect_tags(self, session: pytest.Session, items: list[pytest.Item]) -> None:
        """Deselect the items that `--selfopt-tags` leaves out; note a problem for each tag that no case has."""
        text = session.config.option.selfopt_tags
        if not text:
            return
        dropped, problems = deselect_by_tags(text, items)
        # A case that could not be collected may have the tag.
        if not session.testsfailed and not self._unplanned:
            self.problems += problems
        session.config.hook.pytest_deselected(items=dropped)

    def settle(self, config: pytest.Config, items: Sequence[pytest.Item]) -> None:
        """Leave out the trials that marks skip, once the items are selected; refuse items that cannot be judged.

        A plain session is a test like any other: there, items of a trial get the same reply.
        """
        self._take_unplanned(config, items)
        self.skipped, problems = leave_out_skipped(config, items)
        if mode_of(config) is not Mode.PLAIN:
            self.problems += problems
            self.problems += refuse_repeated_trials(items)
            self.problems += refuse_async(items)
            self.problems += refuse_wide_fixtures(items)

    def _take_unplanned(self, config: pytest.Config, items: Sequence[pytest.Item]) -> None:
        """Note why selected tests have no trials; say it of the others, of whose cases some may have been meant.

        `-m` selects no cases, and if nothing is selected, a case was meant that does not exist yet.
        """
        selected = {_test_of(item) for item in items}
        others: dict[str, None] = {}
        for test, problem in self._unplanned.items():
            if items and test not in selected:
                others[problem] = None
            elif problem not in self.problems:
                self.problems.append(problem)
        terminal = terminal_of(config)
        if terminal is not None and not config.option.markexpr:
            writer = TerminalWriter(terminal)
            writer.write_lines(StyledText(f"selfopt: not selected, and not possible: {problem}") for problem in others)

    def refuse_problems(self) -> None:
        """End the session with all problems found during collection.

        Raises:
            pytest.UsageError: if there were any.
        """
        refuse(self.problems, self._project.unused_note)

    def refuse_plugins(self, config: pytest.Config, items: Sequence[pytest.Item]) -> None:
        """Note a problem if a plugin would run a benchmark item more than once, or where it gets no reply."""
        benchmarks = [item for item in items if PLANNED in item.stash]
        judges = mode_of(config) is not Mode.PLAIN
        problem = refuse_plugins(config, benchmarks, judges=judges)
        if benchmarks and problem:
            self.problems.append(problem)


def refuse(problems: Sequence[str], note: str) -> None:
    """End the session if there are problems, with a note on the choice of its settings, which may be the reason.

    Raises:
        pytest.UsageError: if there are any.
    """
    if problems:
        lines = [*problems, note]
        raise pytest.UsageError(harmless("\n".join(filter(None, lines))))


def _planned_for(item: pytest.Item) -> PlannedTrial | None:
    """Return the trial that an item was collected for; None for an item of another test."""
    callspec = getattr(item, "callspec", None)
    if callspec is None:
        return None
    planned = callspec.params.get("reply")
    if isinstance(planned, PlannedTrial):
        return planned
    return None


def _test_of(item: pytest.Item) -> str:
    """Return the node id of an item's test, which is without parameters."""
    name = getattr(item, "originalname", item.name)
    parent = item.parent
    return f"{parent.nodeid}::{name}" if parent is not None else name


def arrange(items: list[pytest.Item], seed: int) -> None:
    """Sort benchmark items by phase, run and case; other items keep their positions.

    The specs of a case follow each other in an order shuffled by `seed`, so that drift affects all alike.
    """
    positions = [index for index, item in enumerate(items) if PLANNED in item.stash]
    planned = [items[index] for index in positions]
    phase_rank: dict[str, int] = {}
    case_rank: dict[str, int] = {}
    for item in planned:
        key = item.stash[PLANNED].key
        phase_rank.setdefault(key.phase, len(phase_rank))
        case_rank.setdefault(key.case, len(case_rank))

    def rank(item: pytest.Item) -> tuple[int, int, int, float]:
        key = item.stash[PLANNED].key
        # A seed for each item: its position does not depend on which others are selected.
        address = f"{key.phase}/{key.run}/{key.case}/{key.spec}"
        shuffled = random.Random(f"{seed}/{address}").random()
        return (phase_rank[key.phase], key.run, case_rank[key.case], shuffled)

    ordered = sorted(planned, key=rank)
    for index, item in zip(positions, ordered, strict=True):
        items[index] = item


def _refuse_use(metafunc: pytest.Metafunc, test: str) -> None:
    """Refuse a test that has the marker twice, or parameters of its own under the names of ours.

    Raises:
        SettingsError: naming the test, and what to do.
    """
    for node in metafunc.definition.listchain():
        if sum(mark.name == "selfopt" for mark in node.own_markers) > 1:
            raise SettingsError(
                f"{test}: the marker selfopt stands twice, but a test asks one suite; write a test for each suite"
            )
    for mark in metafunc.definition.iter_markers("parametrize"):
        given = mark.kwargs.get("argnames", mark.args[:1])
        names = str(given).replace(",", " ")
        taken = [name for name in ARGUMENTS if re.search(rf"\b{name}\b", names)]
        if taken:
            raise SettingsError(
                f"{test}: {taken[0]!r} is an argument of benchmarks, which the suite fills; "
                "rename the one that is parametrized here"
            )


def _check_number_of_items(metafunc: pytest.Metafunc, trials: int) -> None:
    """Refuse items that would take memory for nothing, and say before they are made how much the others take.

    Raises:
        SettingsError: naming the test, and what to do.
    """
    if mode_of(metafunc.config) is Mode.PLAIN:
        return
    problem = refuse_too_many(metafunc, trials)
    if problem:
        raise SettingsError(problem)
    terminal = terminal_of(metafunc.config)
    if trials >= _MANY_TRIALS and terminal is not None:
        gigabytes = trials * _ITEM_BYTES / 1e9
        notice = (
            f"selfopt: {metafunc.definition.nodeid} has {trials:,} trials; pytest keeps an item for each, about "
            f"{gigabytes:.1f} GB in all; fewer candidates (--selfopt-candidates), some of the cases "
            "(--selfopt-tags) or suites in sessions of their own take less"
        )
        with _uncaptured(metafunc.config):
            TerminalWriter(terminal).write_lines([StyledText(notice)])


def _uncaptured(config: pytest.Config) -> AbstractContextManager[None]:
    """Let the terminal show at once what is written while pytest captures the output of modules."""
    manager: CaptureManager | None = config.pluginmanager.get_plugin("capturemanager")
    if manager is None:
        return nullcontext()
    return manager.global_and_fixture_disabled()


def _marker_arguments(marker: pytest.Mark, nodeid: str) -> tuple[str, str]:
    unknown = set(marker.kwargs) - {"phase"}
    if unknown or len(marker.args) != 1 or not isinstance(marker.args[0], str | Path):
        raise SettingsError(
            f'{nodeid}: write the marker as @pytest.mark.selfopt("suite.jsonl", phase="atomic"), '
            "the path being relative to the test file"
        )
    return str(marker.args[0]), str(marker.kwargs.get("phase", "atomic"))


def _give_items(metafunc: pytest.Metafunc, trials: Sequence[PlannedTrial]) -> None:
    # Each parameter is set up for every item, so a test only gets those that it or its fixtures request. The reply is
    # always one of them: until it comes, its place holds the planned trial, whatever else multiplies the items.
    if "reply" not in metafunc.fixturenames:
        metafunc.fixturenames.append("reply")
    asked = tuple(name for name in ARGUMENTS if name in metafunc.fixturenames)
    rows: list[tuple[object, ...]] = []
    ids: list[str] = []
    for trial in trials:
        run = trial.key.run
        values = {
            "case": trial.case,
            "spec": trial.spec,
            "run": run,
            "reply": trial,
        }
        rows.append(tuple(values[name] for name in asked))
        ids.append(f"{trial.key.spec}-{trial.case.id}-run{run}")
    metafunc.parametrize(asked, rows, ids=ids)
