"""One phase under way: its trials so far, and the race that decides after each pass which specs continue."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from types import MappingProxyType

from pytest_selfopt.bench.expected_failure import ExpectedFailure
from pytest_selfopt.bench.loading.suites import Suite, groups_of
from pytest_selfopt.ledger.comparisons import Comparison
from pytest_selfopt.loop.diagnosis.remedies import curable
from pytest_selfopt.loop.evaluate import Metrics, evaluate
from pytest_selfopt.loop.evidence.moved import has_moved
from pytest_selfopt.loop.evidence.odds import bar
from pytest_selfopt.loop.evidence.spread import answered_rows, outcomes_by_run
from pytest_selfopt.loop.evidence.tally import NO_GROUPS, Tally, tally
from pytest_selfopt.loop.evidence.together import Together, moving_together
from pytest_selfopt.loop.gate import comparing_gates, worst
from pytest_selfopt.loop.gates.gate_result import GateInput, GateResult, ProjectGates, Verdict
from pytest_selfopt.loop.gates.measures import EXTENDED, is_hopeless
from pytest_selfopt.loop.power import Outlook
from pytest_selfopt.loop.race import RaceState, Stage, passes_left, race_state, step
from pytest_selfopt.loop.thresholds import DecisionRule, Limits
from pytest_selfopt.planning.measured import in_cycle, known_trials
from pytest_selfopt.planning.plan import PhasePlan
from pytest_selfopt.planning.power import outlooks_of
from pytest_selfopt.specs.spec import parse_spec
from pytest_selfopt.trial import CallResult, Outcome, Trial

HOPELESS = "stopped: nothing but wrong answers"
"""Why a spec that fails a phase throughout does not continue."""


class EvidenceProblem(StrEnum):
    """A problem with the evidence that was reported; with any of them, nothing is decided."""

    LOST = "lost with the worker that had it, or never reported"
    TWICE = "reported twice"
    FOREIGN = "of no trial that was planned"
    UNREADABLE = "unreadable"


class PhaseRun:
    """The state of one phase in a session.

    `comparisons` are those opened for the plan's candidates, by spec id; `earlier` are the trials of earlier cycles
    that belong to them, by cycle number; `churn` is the known share of the baseline's repeats that differ. `reasons`
    say why further cases are expected to fail, whose trials count neither way; `groups` name the group of each case
    that has one, if no suite does.
    """

    def __init__(
        self,
        *,
        plan: PhasePlan,
        cases: Sequence[str],
        suites: Sequence[Suite],
        limits: Limits,
        comparisons: Mapping[str, Comparison],
        earlier: Mapping[int, Sequence[Trial]],
        project_gates: ProjectGates,
        churn: float | None,
        reasons: Mapping[str, str] = MappingProxyType({}),
        groups: Mapping[str, str] = NO_GROUPS,
    ) -> None:
        self.plan = plan
        self.cases = tuple(cases)
        self.suites = tuple(suites)
        self.limits = limits
        self.comparisons = comparisons
        self.project_gates = project_gates
        self._churn = churn
        self._reasons = reasons
        named = {**groups_of(suites), **groups}
        self.groups = {case: named[case] for case in cases if case in named}
        compared = {cycle for comparison in comparisons.values() for cycle in comparison.cycles}
        self._earlier = {cycle: trials for cycle, trials in earlier.items() if cycle in compared}
        self._known = known_trials(plan, earlier, suites, self.cases)
        self._trials: dict[str, dict[int, dict[str, Trial]]] = {spec.id: {} for spec in plan.specs}
        """The trials by spec, run and case."""
        self._live: dict[int, frozenset[str]] = {}
        self._all = frozenset(spec.id for spec in plan.specs)
        self.stopped: Mapping[str, str] = {}
        """Why each stopped candidate does not continue, by spec id."""

    @property
    def specs(self) -> tuple[str, ...]:
        """The ids of the baseline and the candidates."""
        return tuple(spec.id for spec in self.plan.specs)

    def add(self, trial: Trial) -> bool:
        """Add a trial of one of the specs; return whether it is the first of its address, as only the first counts."""
        run = self._trials[trial.spec].setdefault(trial.run, {})
        if trial.case in run:
            return False
        run[trial.case] = trial
        return True

    def trials(self, spec: str) -> tuple[Trial, ...]:
        """Return this session's trials of a spec, by run and in the order of the cases, not of their arrival."""
        trials: list[Trial] = []
        for _, by_case in sorted(self._trials[spec].items()):
            in_order = map(by_case.get, self.cases)
            trials.extend(filter(None, in_order))
        return tuple(trials)

    def expected_failures(self) -> tuple[ExpectedFailure, ...]:
        """Return what came of the cases that are expected to fail, of those that were asked."""
        failures: list[ExpectedFailure] = []
        runs = self._trials[self.plan.baseline.id].values()
        for case, reason in self._reasons.items():
            trials = [by_case[case] for by_case in runs if case in by_case]
            passes = sum(trial.outcome is Outcome.PASS for trial in trials)
            if trials:
                failure = ExpectedFailure(case=case, reason=reason, passes=passes, trials=len(trials))
                failures.append(failure)
        return tuple(failures)

    def metrics(self, spec: str) -> Metrics:
        """Return the metrics of a spec in this session."""
        return evaluate(spec, self.trials(spec), self.cases, self.groups)

    def together(self) -> Together | None:
        """Return whether cases move together; None if they have groups, or nothing can be told.

        The trials of earlier cycles that belong to this one's comparisons are looked at, too.
        """
        if self.groups or self.limits.profile is DecisionRule.CLASSIC:
            return None
        rows = [answered_rows(outcomes_by_run(self.trials(spec))) for spec in self.specs]
        for trials in self._earlier.values():
            by_spec: defaultdict[str, list[Trial]] = defaultdict(list)
            for trial in trials:
                by_spec[trial.spec].append(trial)
            rows.extend(answered_rows(outcomes_by_run(of_spec)) for of_spec in by_spec.values())
        return moving_together(rows, level=self.limits.together)

    def tally(self, candidate: str) -> Tally:
        """Return the paired evidence for a candidate, earlier cycles of the same comparison included."""
        baseline = self.plan.baseline
        return tally(
            self._pooled(baseline.id, candidate),
            self._pooled(candidate, candidate),
            self.cases,
            curable=curable(baseline, parse_spec(candidate)),
            groups=self.groups,
            broken_off=True,
        )

    def outlooks(self) -> tuple[Outlook, ...]:
        """Return the input of the power analysis: one outlook, or two bounds if the answers' variation is unknown.

        Empty for the classic rule, which guarantees nothing.
        """
        if self._is_classic or self.plan.block_passes:
            return ()
        tests = [comparison.test for comparison in self.comparisons.values() if comparison.test is not None]
        groups = len({self.groups.get(case, case) for case in self.cases})
        first = min(tests, default=1)
        return outlooks_of(self.plan, self.limits, cases=len(self.cases), groups=groups, first=first, churn=self._churn)

    @property
    def may_stop_early(self) -> bool:
        """Whether specs can be out before every spec has had its minimum of passes; the classic rule makes all."""
        return self.plan.phase == EXTENDED and not self._is_classic

    def depends(self, run: int) -> bool:
        """Whether earlier runs decide which specs are asked in a run."""
        if self.plan.block_passes:
            return run > 0
        return run > 0 and (run >= self.plan.least_passes or self.may_stop_early)

    def live(self, run: int) -> frozenset[str]:
        """Return the specs that are asked in a run; decided on the first request, after the run before it."""
        if self.plan.block_passes:
            return self._live_in_block(run)
        if not self.depends(run):
            return self._all
        if run not in self._live:
            self._live[run] = self._decide(run)
        return self._live[run]

    def _live_in_block(self, run: int) -> frozenset[str]:
        """Return the specs that are asked in a run of a block; the race decides after every round of blocks."""
        asked = frozenset(spec.id for spec in self.plan.specs_in(run))
        start = self._round_start(run)
        if start and start not in self._live:
            self._live[start] = self._decide_round(start)
        return asked & self._live.get(start, self._all)

    def _round_start(self, run: int) -> int:
        """Return the first run of the round of blocks that a run is in; in a round every spec has its block."""
        return run - run % (self.plan.block_passes * len(self.plan.specs))

    def _decide_round(self, start: int) -> frozenset[str]:
        """Return all specs if another round, which begins at run `start`, can decide something, otherwise none."""
        undecided = self._is_undecided(start)
        whole = all(self._whole(run, self._live_in_block(run)) for run in range(start))
        if undecided and whole:
            return self._all
        return frozenset()

    def _is_undecided(self, start: int) -> bool:
        """Whether the rule of decision leaves something open before the round of blocks that begins at a run."""
        if self._is_classic:
            return any(self._classic_verdict(spec) is Verdict.HOLD for spec in self.comparisons)
        standings = self._standings(self.comparisons)
        passes = self.plan.pass_of(start)
        left = self.plan.pass_of(self.plan.most_passes) - passes
        result = step(standings, Stage(passes=passes, left=left, least=passes, horizon=0))
        self.stopped = result.stopped
        return bool(result.live)

    def _classic_verdict(self, spec: str) -> Verdict:
        """Return the verdict of the classic rule, which has no odds to reach, on the runs so far."""
        return worst(self._gates(self.measured(spec)))

    @property
    def _is_classic(self) -> bool:
        return self.limits.profile is DecisionRule.CLASSIC

    def missing(self) -> int:
        """Return the number of trials that were due and did not arrive."""
        missing = 0
        for run in range(self.plan.most_passes):
            if self._was_due(run):
                for spec in self.live(run):
                    missing += self._missing_in(run, spec)
        return missing

    def _was_due(self, run: int) -> bool:
        """Whether the specs of a run are decided."""
        if run < self.plan.least_passes or run in self._live:
            return True
        return bool(self.plan.block_passes) and self._round_start(run) in self._live

    def _missing_in(self, run: int, spec: str) -> int:
        trials = self._trials[spec].get(run, {})
        return sum(case not in trials for case in self.cases)

    def _decide(self, run: int) -> frozenset[str]:
        """Let the race decide which specs continue to `run`; an incomplete pass before it ends the race.

        The classic rule has no race: a cycle that began with one and is resumed under it asks every spec in full.
        """
        before = self.live(run - 1)
        if self._is_classic:
            return self._all
        if run < self.plan.least_passes:
            return self._capable(before)
        if not before or not self._whole(run - 1, before):
            return self._after_incomplete(run, before)
        going: tuple[str, ...] = ()
        if self.comparisons:
            going = self._race(run)
        if going or self._needs_more(run):
            return frozenset({*going, self.plan.baseline.id})
        return frozenset()

    def _after_incomplete(self, run: int, before: frozenset[str]) -> frozenset[str]:
        """Return the specs of a run after an incomplete one, which tells nothing: all go on up to a third pass."""
        if self.plan.leaves_early and run < self.limits.min_samples:
            return before
        return frozenset()

    def _race(self, run: int) -> tuple[str, ...]:
        """Return the candidates that continue to a run, and note why the others do not."""
        early = self.plan.leaves_early and run < self.limits.min_samples
        # In the order of the plan, which breaks ties between candidates; a set has no fixed order.
        standings = self._standings(self.specs[1:], early=early)
        result = step(standings, Stage(passes=run, left=self._left_after(run), least=self._enough_passes))
        stopped = dict(result.stopped)
        for spec in stopped:
            if self._is_hopeless(spec):
                stopped[spec] = HOPELESS
        self.stopped = stopped
        return result.live

    def _left_after(self, run: int) -> int:
        """Return how many passes a leader can still get after the runs before this one."""
        asked = sum(len(self.live(earlier)) for earlier in range(run))
        left = passes_left(asked, len(self.plan.candidates), self._enough_passes)
        return min(left, self.plan.most_passes - run)

    @property
    def _enough_passes(self) -> int:
        """The passes that a promotion takes."""
        if self.plan.leaves_early:
            return self.limits.min_samples
        return self.plan.least_passes

    def _needs_more(self, run: int) -> bool:
        """Whether the baseline alone is asked in a run, so that enough is known of what stays in force."""
        if self._is_hopeless(self.plan.baseline.id):
            return False
        return run < self.plan.baseline_passes or (run < self.limits.min_samples and self.has_moved)

    @property
    def has_moved(self) -> bool:
        """Whether the baseline answers otherwise than it did in the earlier cycles on which the plan relies."""
        if not self.plan.known_cycles:
            return False
        return not self._known or has_moved(self._known, self.trials(self.plan.baseline.id))

    def standing_trials(self, cycle: int) -> tuple[Trial, ...]:
        """Return all trials by which the baseline is diagnosed, if those of this cycle alone are too few."""
        now = self.trials(self.plan.baseline.id)
        runs = {trial.run for trial in now}
        if len(runs) >= self.limits.min_samples or not self.plan.known_cycles or self.has_moved:
            return now
        return (*self._known, *(in_cycle(trial, cycle) for trial in now))

    def _capable(self, before: frozenset[str]) -> frozenset[str]:
        """Return the specs that are not hopeless yet, with the baseline; empty if all are hopeless."""
        baseline = self.plan.baseline.id
        stopped = dict(self.stopped)
        capable: set[str] = set()
        for spec in before:
            if not self._is_hopeless(spec):
                capable.add(spec)
            elif spec != baseline:
                stopped[spec] = HOPELESS
        self.stopped = stopped
        if not capable:
            return frozenset()
        return frozenset({*capable, baseline})

    def _is_hopeless(self, spec: str) -> bool:
        return is_hopeless(self.plan.phase, self.metrics(spec), self.limits)

    def _standings(self, specs: Iterable[str], *, early: bool = False) -> dict[str, RaceState]:
        return {spec: self._standing(spec, early=early) for spec in specs}

    def _standing(self, spec: str, *, early: bool) -> RaceState:
        measured = self.measured(spec)
        patient = spec == self.plan.trial or bool(curable(self.plan.baseline, parse_spec(spec)))
        return replace(race_state(measured, self._gates(measured), early=early), patient=patient)

    def _gates(self, measured: GateInput) -> tuple[GateResult, ...]:
        if measured.evidence is not None and measured.needed is not None and measured.evidence.reaches(measured.needed):
            # It takes a while, and holds only those that would win.
            measured = replace(measured, together=self.together())
        return comparing_gates(measured, self.limits, own_gates=self.project_gates)

    def test_number(self, candidate: str) -> int | None:
        """Return the number of a comparison's test; None for the classic rule."""
        if self._is_classic:
            return None
        return self.comparisons[candidate].test

    def measured(self, candidate: str) -> GateInput:
        """Return the input of the gates during the race."""
        test = self.test_number(candidate)
        needed = None
        if test is not None:
            needed = bar(test, self.limits.alpha)
        return GateInput(
            spec=candidate,
            phase=self.plan.phase,
            metrics=self.metrics(candidate),
            baseline=self.metrics(self.plan.baseline.id),
            evidence=self.tally(candidate),
            needed=needed,
            early=self.plan.leaves_early,
        )

    def _whole(self, run: int, specs: frozenset[str]) -> bool:
        """Whether no trial of these specs is missing in a run."""
        return not any(self._missing_in(run, spec) for spec in specs)

    def _pooled(self, spec: str, candidate: str) -> list[Trial]:
        """Return the trials of a spec in a comparison, with run indices that are unique over cycles."""
        pooled = list(map(self._in_pass, self.trials(spec)))
        comparison = self.comparisons.get(candidate)
        if comparison is None:
            return pooled
        for cycle in comparison.cycles:
            for trial in self._earlier.get(cycle, ()):
                if trial.spec == spec:
                    in_pass = self._in_pass(trial)
                    pooled.append(in_cycle(in_pass, cycle))
        return pooled

    def _in_pass(self, trial: Trial) -> Trial:
        """Number a trial by its pass: in blocks, each spec's passes are counted separately."""
        if not self.plan.block_passes:
            return trial
        return replace(trial, run=self.plan.pass_of(trial.run))


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedCycle:
    """A cycle in the ledger, or none (0): its phases, and the results that are stored already, by call id."""

    cycle: int
    phases: Mapping[str, PhaseRun]
    stored: Mapping[str, CallResult]
