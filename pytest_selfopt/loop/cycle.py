"""The composed loop: from the trials of one phase to a conclusion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from pytest_selfopt.loop.actions import ALL_ON, RuleChange, Switches, highest_tried, with_value_of
from pytest_selfopt.loop.diagnosis.diagnose import diagnose
from pytest_selfopt.loop.diagnosis.kinds import Diagnosis
from pytest_selfopt.loop.diagnosis.remedies import FALL_BACK, WARM_UP, curable, remedy
from pytest_selfopt.loop.enforce import enforce, has_lost
from pytest_selfopt.loop.evaluate import Metrics, evaluate
from pytest_selfopt.loop.evidence.odds import bar
from pytest_selfopt.loop.evidence.tally import Tally, tally
from pytest_selfopt.loop.evidence.together import Together
from pytest_selfopt.loop.gate import CandidateJudgement, absolute_gates, failed_names, judge
from pytest_selfopt.loop.gates.gate_result import (
    GateInput,
    GateResult,
    ProjectGates,
    Verdict,
    no_project_gates,
    reject_or_hold,
)
from pytest_selfopt.loop.pick import Pick, pick
from pytest_selfopt.loop.provenance import Premises
from pytest_selfopt.loop.thresholds import Limits
from pytest_selfopt.loop.undo.taken_back import TakenBack
from pytest_selfopt.routing.rule import Recommendation, Rule
from pytest_selfopt.specs.neighbours import USUAL_SPACE, SearchSpace
from pytest_selfopt.specs.spec import Spec, parse_spec, short_difference
from pytest_selfopt.trial import Trial


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """A candidate with its evidence; `tally` pairs it with the baseline over all cycles of their comparison.

    `number` is that of its test; None if it spends no share of the error budget.
    """

    spec: Spec
    number: int | None
    tally: Tally
    trials: tuple[Trial, ...]
    """Its trials in this cycle, like the baseline's in `PhaseEvidence`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseEvidence:
    """All evidence on a phase. `missing` counts planned trials that never arrived."""

    phase: str
    cycle: int
    baseline: Spec
    baseline_trials: tuple[Trial, ...]
    contenders: tuple[Contender, ...]
    cases: tuple[str, ...]
    limits: Limits
    standing: tuple[Trial, ...] = ()
    """The trials by which the baseline is diagnosed, if they are more than those of this cycle."""
    missing: int = 0
    groups: Mapping[str, str] = field(default_factory=dict)
    """The group of each case that has one."""
    together: Together | None = None
    """Whether cases move together although they have no groups; None if that cannot be told."""
    leaves_early: bool = False
    """Whether candidates could leave the race before there were enough passes."""
    trial: str = ""
    """The id of the contender that is the baseline with the rule on trial; empty if there is none."""
    space: SearchSpace = USUAL_SPACE
    """The search space, from which higher retries, time-outs and limits of tokens are taken."""
    max_tokens: Mapping[str, int] = field(default_factory=dict)
    """The limit of tokens of each spec's answers, by id; a spec whose limit is unknown is missing."""
    premises: Mapping[str, Premises] = field(default_factory=dict)
    """The premises of each spec's results, by id."""
    fallback: str | None = None
    """The fallback for a phase that the baseline's model cannot handle, if known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """The conclusion of one cycle about one phase."""

    phase: str
    baseline: Spec
    in_force: Spec
    """The spec in force afterwards: the winner, the baseline with a rule still on trial, or the baseline."""
    metrics: Mapping[str, Metrics]
    standing: Metrics
    """The metrics of the spec in force afterwards, with earlier cycles if this one alone has too few passes of it."""
    judgements: tuple[CandidateJudgement, ...]
    diagnoses: tuple[Diagnosis, ...]
    """The diagnoses of the spec in force afterwards."""
    gates: tuple[GateResult, ...]
    """The absolute gates of the spec in force afterwards."""
    pick: Pick
    recommendations: tuple[Recommendation, ...]
    rules: tuple[Rule, ...]
    changes: tuple[RuleChange, ...]

    def beside_winner(self, spec: str) -> str | None:
        """Return how the winner did beside a candidate that passed; None if nothing won."""
        for other in self.pick.passed_over:
            if other.spec == spec:
                return other.sentence
        return None

    @property
    def verdict(self) -> Verdict:
        """PROMOTE if there is a winner, REJECT if no candidate can win any more, else HOLD."""
        if self.pick.winner is not None:
            return Verdict.PROMOTE
        undecided = any(judgement.verdict is Verdict.HOLD for judgement in self.judgements)
        return reject_or_hold(reject=not undecided)


def conclude(
    evidence: PhaseEvidence,
    rules: Sequence[Rule],
    *,
    now: str,
    own_gates: ProjectGates = no_project_gates,
    switches: Switches = ALL_ON,
    taken_back: Sequence[TakenBack] = (),
) -> Conclusion:
    """Evaluate, gate, diagnose, pick and enforce.

    `now` is the timestamp of changed rules (ISO 8601, UTC); `own_gates` are the project's gates, `switches` those of
    automatic actions; what a person has `taken_back` is not put on trial again.
    """
    trials = _trials_by_spec(evidence)
    metrics = {spec: evaluate(spec, of_spec, evidence.cases, evidence.groups) for spec, of_spec in trials.items()}
    judgements = tuple(_judge(contender, evidence, metrics, own_gates) for contender in evidence.contenders)
    picked = _picked(judgements, metrics, evidence, promote=switches.promote)
    trial = _on_trial(judgements, evidence)
    in_force = _in_force(evidence, picked, trial)
    trials_in_force = _trials_in_force(in_force, trials, evidence)
    standing = evaluate(in_force.id, trials_in_force, evidence.cases, evidence.groups)
    diagnoses = _diagnoses(in_force, trials_in_force, evidence)
    recommendations = _recommendations(diagnoses, in_force, evidence, rules)
    gates = absolute_gates(standing, evidence.phase, evidence.limits, own_gates=own_gates)
    enforcement = enforce(
        rules,
        baseline=evidence.baseline,
        pick=picked,
        trial=trial,
        measured=_is_measured(gates),
        recommendations=recommendations,
        premises=evidence.premises,
        diagnosed=in_force.id,
        cycle=evidence.cycle,
        now=now,
        switches=switches,
        taken_back=taken_back,
    )
    return Conclusion(
        phase=evidence.phase,
        baseline=evidence.baseline,
        in_force=in_force,
        metrics=metrics,
        standing=standing,
        judgements=judgements,
        diagnoses=diagnoses,
        gates=gates,
        pick=picked,
        recommendations=recommendations,
        rules=enforcement.rules,
        changes=enforcement.changes,
    )


def _picked(
    judgements: Sequence[CandidateJudgement],
    metrics: Mapping[str, Metrics],
    evidence: PhaseEvidence,
    *,
    promote: bool,
) -> Pick:
    return pick(
        judgements,
        metrics,
        promote=promote,
        beside=partial(_side_by_side, evidence),
        name_of=partial(_name, evidence.baseline),
    )


def _trials_in_force(
    in_force: Spec, trials: Mapping[str, tuple[Trial, ...]], evidence: PhaseEvidence
) -> Sequence[Trial]:
    """Return the trials that describe what is in force; those of a known baseline include earlier cycles."""
    if in_force == evidence.baseline and evidence.standing:
        return evidence.standing
    return trials[in_force.id]


def _trials_by_spec(evidence: PhaseEvidence) -> dict[str, tuple[Trial, ...]]:
    """Return the trials of this cycle by spec id, the baseline last."""
    trials = {}
    for contender in evidence.contenders:
        trials[contender.spec.id] = contender.trials
    trials[evidence.baseline.id] = evidence.baseline_trials
    return trials


def _side_by_side(evidence: PhaseEvidence, before: str, after: str) -> Tally:
    """Pair the answers of two candidates of this cycle: what `after` fixed and broke of `before`."""
    trials = {contender.spec.id: contender.trials for contender in evidence.contenders}
    return tally(
        trials[before],
        trials[after],
        evidence.cases,
        curable=curable(parse_spec(before), parse_spec(after)),
        groups=evidence.groups,
    )


def _name(baseline: Spec, spec: str) -> str:
    return short_difference(baseline, parse_spec(spec))


def _on_trial(judgements: Sequence[CandidateJudgement], evidence: PhaseEvidence) -> CandidateJudgement | None:
    """Return the verdict on the rule on trial, or None."""
    for judgement in judgements:
        if judgement.spec == evidence.trial:
            return judgement
    return None


def _is_measured(gates: Sequence[GateResult]) -> bool:
    """Whether there were enough passes with few enough errors."""
    return failed_names(gates).isdisjoint(("errors", "min_samples"))


def _in_force(evidence: PhaseEvidence, picked: Pick, trial: CandidateJudgement | None) -> Spec:
    """Return the winner, or else the baseline with the rule still on trial."""
    if picked.winner is not None:
        return parse_spec(picked.winner.spec)
    if trial is None or has_lost(trial):
        return evidence.baseline
    return parse_spec(trial.spec)


def _diagnoses(spec: Spec, trials: Sequence[Trial], evidence: PhaseEvidence) -> tuple[Diagnosis, ...]:
    max_tokens = evidence.max_tokens.get(spec.id)
    return diagnose(trials, evidence.cases, evidence.limits, max_tokens=max_tokens, groups=evidence.groups)


def _recommendations(
    diagnoses: Sequence[Diagnosis], in_force: Spec, evidence: PhaseEvidence, rules: Sequence[Rule]
) -> tuple[Recommendation, ...]:
    max_tokens = highest_tried(rules, in_force, evidence.max_tokens.get(in_force.id))
    recommendations = []
    for diagnosis in diagnoses:
        recommendation = recommend(
            diagnosis, in_force, fallback=evidence.fallback, space=evidence.space, max_tokens=max_tokens
        )
        if recommendation is not None:
            recommendations.append(recommendation)
    return tuple(recommendations)


def recommend(
    diagnosis: Diagnosis,
    spec: Spec,
    *,
    fallback: str | None = None,
    space: SearchSpace = USUAL_SPACE,
    max_tokens: int | None = None,
) -> Recommendation | None:
    """Return the recommendation that follows from a diagnosis of `spec`; None if there is nothing to do.

    `fallback` replaces a model that is to be disabled; `space` has the next settings to try; `max_tokens` is the
    highest limit of the spec's answers that was too low, if it is known.
    """
    action = diagnosis.action
    if action is None:
        return None
    recommendation = Recommendation(
        type="settings",
        target=f"{spec.model}::{spec.phase}",
        action=action,
        reason=diagnosis.sentence,
        diagnosis=str(diagnosis.kind),
    )
    if action == WARM_UP:
        return replace(recommendation, type="routing", allow=True, requirements=("warm-up",))
    if action == FALL_BACK:
        return replace(recommendation, type="routing", allow=False, fallback=fallback)
    better = remedy(action, spec, space, max_tokens=max_tokens)
    if better is None:
        return recommendation
    return with_value_of(better, recommendation)


def _judge(
    contender: Contender, evidence: PhaseEvidence, metrics: Mapping[str, Metrics], own_gates: ProjectGates
) -> CandidateJudgement:
    number, needed = contender.number, None
    if number is not None:
        needed = bar(number, evidence.limits.alpha)
    measured = GateInput(
        spec=contender.spec.id,
        phase=evidence.phase,
        metrics=metrics[contender.spec.id],
        baseline=metrics[evidence.baseline.id],
        evidence=contender.tally,
        needed=needed,
        missing=evidence.missing,
        together=evidence.together,
        early=evidence.leaves_early,
        has_left=evidence.leaves_early,
    )
    return judge(measured, evidence.limits, comparison=number, own_gates=own_gates)
