"""The trial that an item stands for, and the plan of a phase."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from pytest_selfopt.bench.case import Case
from pytest_selfopt.bench.loading.suites import Suite
from pytest_selfopt.console.verdict_text import describe_plateau
from pytest_selfopt.loop.generate import Candidate
from pytest_selfopt.specs.spec import Spec
from pytest_selfopt.specs.variants import Variant


@dataclass(frozen=True, slots=True)
class TrialKey:
    """The address of a trial: ids only, so that it can be sent and compared."""

    phase: str
    spec: str
    case: str
    run: int

    def call_id(self, cycle: int, case_hash: str) -> str:
        """Return the id under which the ledger keeps the call of this trial in a cycle."""
        parts = (
            str(cycle),
            self.phase,
            self.spec,
            self.case,
            case_hash,
            str(self.run),
        )
        address = "\n".join(parts)
        digest = hashlib.sha256(address.encode())
        return digest.hexdigest()[:24]


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedTrial:
    """The trial that an item was collected for."""

    key: TrialKey
    case: Case
    spec: Spec
    suite: Suite
    variant: Variant

    def __repr__(self) -> str:
        """Return its address: other plugins show, store and compare the parameters of items."""
        key = self.key
        return f"<trial {key.phase}/{key.spec}/{key.case}/{key.run}>"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhasePlan:
    """The work of a session on one phase.

    Every spec gets `least_passes`, and the baseline at least `baseline_passes`; `most_passes` is how many passes the
    specs still in the race may get.
    `because` says where the baseline comes from; `left` counts untried neighbours beyond the candidates. `requested` is
    the configured model, which a rule may replace, or the command line (`forced`).
    """

    phase: str
    baseline: Spec
    candidates: tuple[Candidate, ...] = ()
    because: tuple[str, ...] = ()
    least_passes: int = 1
    most_passes: int = 1
    baseline_passes: int = 0
    """The passes that the baseline gets although no candidate is left beside it."""
    known_cycles: tuple[int, ...] = ()
    """The earlier cycles that measured the baseline, if they are enough."""
    leaves_early: bool = False
    """Whether candidates may leave the race before there are enough passes for a promotion."""
    left: int = 0
    unneeded: int = 0
    """The number of untried neighbours that cure nothing that was measured."""
    requested: str = ""
    forced: bool = False
    overruled: str = ""
    """A sentence on the rule that disables the forced model; empty if none does."""
    trial: str = ""
    """The id of the candidate that is the baseline with the rule on trial; empty if no rule is on trial."""
    only_proves: bool = False
    """Whether the session proves the rule on trial, and searches for no new candidates."""
    rejected: frozenset[str] = frozenset()
    """The ids of the candidates that lost against this baseline, and are not tried again unchanged."""
    block_passes: int = 0
    """The passes of a block, where specs are asked in blocks that each begin cold; 0: specs are interleaved."""

    @property
    def specs(self) -> tuple[Spec, ...]:
        """The baseline, then the candidates."""
        return (self.baseline, *(candidate.spec for candidate in self.candidates))

    @property
    def plateau(self) -> str:
        """Say why there is no candidate."""
        return describe_plateau(self.unneeded)

    def specs_in(self, run: int) -> tuple[Spec, ...]:
        """Return the specs that a run is planned for: all specs, or the one whose block it is."""
        specs = self.specs
        if not self.block_passes:
            return specs
        block = run // self.block_passes
        return (specs[block % len(specs)],)

    def asks_expected_failures(self, spec: Spec, run: int) -> bool:
        """Whether a run asks a spec the cases that are expected to fail.

        Only what is in force has to show that it begins to pass them, and not while a rule is proven.
        """
        if self.only_proves or self.block_passes:
            return False
        return spec == self.baseline and run < max(self.least_passes, self.baseline_passes)

    def begins_block(self, run: int) -> bool:
        """Whether a block begins with a run."""
        return self.block_passes > 0 and run % self.block_passes == 0

    def pass_of(self, run: int) -> int:
        """Return the pass number of a run, counted for each spec separately."""
        if not self.block_passes:
            return run
        round_passes = self.block_passes * len(self.specs)
        rounds = run // round_passes
        return rounds * self.block_passes + run % self.block_passes

    def is_certain(self, spec: str, run: int) -> bool:
        """Whether a run asks a spec whatever comes before it, unless a model turns out to be hopeless."""
        return run < self.least_passes or (spec == self.baseline.id and run < self.baseline_passes)

    def fewest_calls(self, cases: int) -> int:
        """Return the calls of the passes that every spec gets, and of the further ones that the baseline gets."""
        calls_a_case = max(0, self.baseline_passes - self.least_passes)
        return calls_a_case * cases + self._first_calls(cases)

    def most_calls(self, cases: int) -> int:
        """Return the calls if one candidate gets all passes."""
        specs = min(2, len(self.specs_in(0)))
        further_passes = self.most_passes - self.least_passes
        further_calls = specs * further_passes * cases
        return self._first_calls(cases) + further_calls

    def _first_calls(self, cases: int) -> int:
        """Return the calls of the passes that every spec gets."""
        return sum(len(self.specs_in(run)) for run in range(self.least_passes)) * cases
