"""Collection: a marked test becomes one item for each case, spec and run."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from pathlib import Path

import pytest

from pytest_selfopt.console.sanitize import visible
from pytest_selfopt.errors import SelfoptError, SettingsError
from pytest_selfopt.planning.plan import PlannedTrial
from pytest_selfopt.planning.session_plan import SessionPlan
from pytest_selfopt.session.stash import PLANNED

ARGUMENTS = ("case", "spec", "run", "reply")
"""What a benchmark test may ask for by name."""


NO_RERUNS = "pytest-rerunfailures would ask until an answer is right, and a cycle counts all the runs it repeats"


class BenchmarkCollector:
    """Gives marked tests their items, and keeps what is wrong with them until all is collected."""

    def __init__(self, plan: SessionPlan) -> None:
        self._plan = plan
        self.problems: list[str] = []
        self._rows: dict[str, list[PlannedTrial]] = {}
        """The trials of each marked test, by its node id without parameters."""

    def parametrize(self, metafunc: pytest.Metafunc, marker: pytest.Mark) -> None:
        """Give the marked test its items; what is wrong with it is kept for `refuse_problems`."""
        try:
            name, phase = _marker_arguments(marker, metafunc.definition.nodeid)
            trials = self._plan.add(metafunc.definition.nodeid, metafunc.definition.path.parent / name, phase)
        except SelfoptError as problem:
            if str(problem) not in self.problems:
                self.problems.append(str(problem))
            trials = []
        self._rows[metafunc.definition.nodeid] = trials
        _give_items(metafunc, trials)

    def stash_planned(self, items: Sequence[pytest.Item]) -> None:
        """Attach to each benchmark item what it was collected for."""
        for item in items:
            callspec = getattr(item, "callspec", None)
            rows = self._rows.get(item.nodeid.removesuffix(f"[{callspec.id}]")) if callspec is not None else None
            if rows and callspec is not None:
                item.stash[PLANNED] = rows[
                    next(callspec.indices[name] for name in ARGUMENTS if name in callspec.params)
                ]

    def deselect_phases(self, phases: Collection[str], items: list[pytest.Item]) -> list[pytest.Item]:
        """Leave phases out of the plan, and take their items out of `items`; returns those."""
        self._plan.leave_out(phases)
        dropped = [item for item in items if PLANNED in item.stash and item.stash[PLANNED].key.phase in phases]
        gone = set(dropped)
        items[:] = [item for item in items if item not in gone]
        return dropped

    def refuse_problems(self) -> None:
        """End the session with all problems found during collection.

        Raises:
            pytest.UsageError: when there was any.
        """
        if self.problems:
            raise pytest.UsageError(visible("\n".join(self.problems)))

    def refuse_reruns(self, items: Sequence[pytest.Item]) -> None:
        """Note items that another plugin would ask again until they are right: that is no measurement."""
        again = next((item for item in items if PLANNED in item.stash and item.get_closest_marker("flaky")), None)
        if again is not None and again.config.pluginmanager.hasplugin("rerunfailures"):
            self.problems.append(f"{again.nodeid.partition('[')[0]}: {NO_RERUNS}; take the marker flaky away")


def arrange(items: list[pytest.Item], seed: int) -> None:
    """Put benchmark items into the order phase, run, case, spec; other items keep their places.

    The specs of a case follow each other in an order shuffled by `seed`, so that drift hits all alike.
    """
    places = [index for index, item in enumerate(items) if PLANNED in item.stash]
    phases = list(dict.fromkeys(items[index].stash[PLANNED].key.phase for index in places))
    cases = list(dict.fromkeys(items[index].stash[PLANNED].key.case for index in places))
    phase_rank = {name: rank for rank, name in enumerate(phases)}
    case_rank = {name: rank for rank, name in enumerate(cases)}

    def rank(item: pytest.Item) -> tuple[int, int, int, float]:
        key = item.stash[PLANNED].key
        shuffled = random.Random(f"{seed}/{key.phase}/{key.run}/{key.case}/{key.spec}").random()
        return (phase_rank[key.phase], key.run, case_rank[key.case], shuffled)

    ordered = sorted((items[index] for index in places), key=rank)
    for index, item in zip(places, ordered, strict=True):
        items[index] = item


def _marker_arguments(marker: pytest.Mark, nodeid: str) -> tuple[str, str]:
    unknown = set(marker.kwargs) - {"phase"}
    if unknown or len(marker.args) != 1 or not isinstance(marker.args[0], str | Path):
        raise SettingsError(
            f'{nodeid}: write the marker as @pytest.mark.selfopt("suite.jsonl", phase="atomic"), '
            "the path being relative to the test file"
        )
    return str(marker.args[0]), str(marker.kwargs.get("phase", "atomic"))


def _give_items(metafunc: pytest.Metafunc, trials: Sequence[PlannedTrial]) -> None:
    # Each parameter is set up for every item, so a test only gets those that it or its fixtures ask for.
    asked = tuple(name for name in ARGUMENTS if name in metafunc.fixturenames)
    if not asked:
        asked = ARGUMENTS[:1]
        metafunc.fixturenames.append(asked[0])
    rows = ({"case": one.case, "spec": one.spec, "run": one.key.run, "reply": None} for one in trials)
    metafunc.parametrize(
        asked,
        [tuple(row[name] for name in asked) for row in rows],
        ids=[f"{trial.key.spec}-{trial.case.id}-run{trial.key.run}" for trial in trials],
    )
