"""The plan of a session: the plan of each phase, and every trial that follows from it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_selfopt.bench.loading.suites import Suite, load_suite
from pytest_selfopt.errors import SuiteError
from pytest_selfopt.planning.plan import PhasePlan, PlannedTrial, TrialKey
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.specs.variants import Variant


@dataclass(frozen=True, slots=True)
class SkippedTrials:
    """The trials of a test that a mark skips, and the mark's reason."""

    test: str
    reason: str
    keys: tuple[TrialKey, ...]

    def __str__(self) -> str:
        reason = self.reason or "no reason given"
        return f"{self.test}: {len(self.keys):,} trials are skipped by a mark ({reason}) and not asked"


class SessionPlan:
    """The suites, plans and planned trials of a session, in the order in which their benchmarks were collected."""

    def __init__(
        self,
        plan_for: Callable[[str, str, Suite], PhasePlan],
        variant: Callable[[str], Variant],
    ) -> None:
        """Plan nothing yet.

        Args:
            plan_for: makes the plan of a phase when its first benchmark is met, from test, phase and suite.
            variant: finds a variant by its name.
        """
        self._plan_for = plan_for
        self._variant = variant
        self._suites: dict[Path, Suite] = {}
        self._tests: dict[tuple[str, str], str] = {}
        self.plans: dict[str, PhasePlan] = {}
        self.planned: dict[TrialKey, PlannedTrial] = {}
        self._skipped: list[SkippedTrials] = []

    def add(self, test: str, path: Path, phase: str) -> list[PlannedTrial]:
        """Plan and return the trials of a test (a node id) that asks a suite in a phase.

        Raises:
            SelfoptError: if they cannot be planned.
        """
        suite = self._load(path)
        self._claim(phase, suite, test)
        if phase not in self.plans:
            self.plans[phase] = self._plan_for(test, phase, suite)
        trials = _trials(self.plans[phase], suite, self._variant)
        self.planned.update((trial.key, trial) for trial in trials)
        return trials

    def remove_phases(self, phases: Collection[str]) -> None:
        """Remove phases that will not be measured."""
        for phase in phases:
            del self.plans[phase]
        left = [trial for trial in self.planned.values() if trial.key.phase not in phases]
        self.planned = {trial.key: trial for trial in left}

    def leave_out(self, skipped: Sequence[SkippedTrials]) -> None:
        """Note trials that marks skip; a phase that has no others is not measured, as if it had not been collected."""
        self._skipped += skipped
        left_out = Counter(key.phase for trials in skipped for key in trials.keys)
        planned = Counter(key.phase for key in self.planned)
        self.remove_phases([phase for phase, number in left_out.items() if number == planned[phase]])

    def cases(self, phase: str) -> tuple[str, ...]:
        """Return the keys of the cases that count for a phase, in file order: all but the expected failures."""
        cases: dict[str, None] = {}
        for key, trial in self.planned.items():
            if key.phase == phase and not trial.case.expected_failure:
                cases[key.case] = None
        return tuple(cases)

    def expected_failures(self, phase: str) -> dict[str, str]:
        """Return the reason of each expected failure of a phase, by the key of the case."""
        reasons: dict[str, str] = {}
        for suite in self.suites(phase):
            for case in suite.cases:
                if case.expected_failure:
                    reasons[case.key] = case.expected_failure
        return reasons

    def trials_of_expected_failures(self, phase: str) -> int:
        """Return the number of trials planned for the expected failures of a phase."""
        planned = self.planned.values()
        return sum(trial.key.phase == phase and bool(trial.case.expected_failure) for trial in planned)

    def suites(self, phase: str) -> tuple[Suite, ...]:
        """Return the suites that make up a phase."""
        suites: dict[str, Suite] = {}
        for trial in self.planned.values():
            if trial.key.phase == phase:
                suites[trial.suite.name] = trial.suite
        return tuple(suites.values())

    @property
    def notes(self) -> list[str]:
        """What the authors of the suites and tests should know, each with the file."""
        notes = list(map(str, self._skipped))
        for path, suite in self._suites.items():
            notes.extend(f"{path.name}: {note}" for note in suite.notes)
        return notes

    def _load(self, path: Path) -> Suite:
        if path not in self._suites:
            self._suites[path] = load_suite(path)
        return self._suites[path]

    def _claim(self, phase: str, suite: Suite, nodeid: str) -> None:
        """Refuse two benchmarks whose trials would have the same address."""
        other = self._tests.setdefault((phase, suite.name), nodeid)
        if other != nodeid:
            raise SuiteError(
                f"{nodeid}: the suite {suite.name!r} of phase {phase!r} is already asked by {other}; "
                "give one of them a suite file of another name, or another phase"
            )


def _trials(
    plan: PhasePlan,
    suite: Suite,
    variant_of: Callable[[str], Variant],
) -> list[PlannedTrial]:
    # Ids and keys are built once, not for each of perhaps tens of thousands of trials.
    cases = [(case, case.key) for case in suite.cases]
    trials: list[PlannedTrial] = []
    for run in range(plan.most_passes):
        specs: list[tuple[Spec, str, Variant]] = []
        for spec in plan.specs_in(run):
            variant = variant_of(spec.variant)
            specs.append((spec, spec.id, variant))
        for case, case_key in cases:
            for spec, spec_id, variant in specs:
                if case.expected_failure and not plan.asks_expected_failures(spec, run):
                    continue
                key = TrialKey(plan.phase, spec_id, case_key, run)
                trial = PlannedTrial(
                    key=key,
                    case=case,
                    spec=spec,
                    suite=suite,
                    variant=variant,
                )
                trials.append(trial)
    return trials
