"""Phase 1, generate: choose the candidates of a cycle, each one change away from the baseline."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from pytest_selfopt.loop.diagnosis.remedies import MORE_TOKENS, remedy
from pytest_selfopt.loop.undo.taken_back import TakenBack, forbidding
from pytest_selfopt.specs.neighbours import SearchSpace, differs_in_warmup, neighbours
from pytest_selfopt.specs.spec import Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A spec to compare with the baseline, and why it was chosen."""

    spec: Spec
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Generation:
    """The candidates of one cycle, and the number of untried neighbours left for later cycles.

    `unneeded` counts the untried neighbours that cure nothing that was measured, and are not tried for that.
    """

    candidates: tuple[Candidate, ...]
    left: int
    unneeded: int = 0


def generate(
    baseline: Spec,
    space: SearchSpace,
    *,
    held: Sequence[str] = (),
    rejected: Collection[str] = (),
    measured: Collection[str] = (),
    asked_for: Sequence[str] = (),
    taken_back: Sequence[TakenBack] = (),
    max_tokens: int | None = None,
    cures: Callable[[Spec], bool] = lambda _: True,
    limit: int = 3,
    turns: bool = False,
) -> Generation:
    """Choose at most `limit` candidates.

    First come the `held` ids, whose comparisons with this baseline need more evidence; then the remedies that the last
    diagnosis `asked_for`; then untried neighbours in the order of the space, with those already `measured` against
    another baseline last. An untried neighbour is chosen only if it `cures` trouble that was measured; the others only
    in an exhaustive space, once nothing else is left. `rejected` ids are left out: they lost against this baseline, or
    are on trial as a rule; so are specs with a setting that a person has `taken_back`.
    `max_tokens` is the highest limit of the baseline's answers that was too low, if it is known.

    Side by side, a warm-up warms the model for the baseline, too. With `turns` it comes alone, to be measured in turns
    that begin cold, as soon as it is first; until then it is left for later.
    """
    around = _allowed(neighbours(baseline, space), baseline, taken_back)
    # The only remedy that is no neighbour.
    raised = remedy(MORE_TOKENS, baseline, space, max_tokens=max_tokens)
    reachable = {**around, **_allowed([raised], baseline, taken_back)}
    chosen: dict[str, Candidate] = {}
    for name in held:
        if name in reachable and name not in rejected:
            _add(chosen, reachable[name], "goes on: the last cycle left it undecided")
    for action in asked_for:
        asked = remedy(action, baseline, space, max_tokens=max_tokens)
        if asked is not None and asked.id in reachable and asked.id not in rejected:
            _add(chosen, asked, f"the last diagnosis asks for it ({action})")
    left = [spec for spec in around.values() if spec.id not in rejected and spec.id not in chosen]
    needed = [spec for spec in left if cures(spec)]
    unneeded = len(left) - len(needed)
    if space.exhaustive and not chosen and not needed:
        needed, unneeded = left, 0
    _add_neighbours(chosen, needed, measured)
    everything = list(chosen.values())
    candidates = everything
    if turns:
        candidates = _together(everything, baseline)
    candidates = candidates[:limit]
    return Generation(candidates=tuple(candidates), left=len(everything) - len(candidates), unneeded=unneeded)


def _add_neighbours(chosen: dict[str, Candidate], left: Sequence[Spec], measured: Collection[str]) -> None:
    """Choose the neighbours that are left, those already measured last."""
    for spec in left:
        if spec.id not in measured:
            _add(chosen, spec, "untried")
    for spec in left:
        if spec.id in measured:
            _add(chosen, spec, "measured so far only beside another baseline")


def _together(candidates: Sequence[Candidate], baseline: Spec) -> list[Candidate]:
    """Return those that can be measured in one cycle: the first alone if it differs in its warm-up, or no such one."""
    beside = [candidate for candidate in candidates if not differs_in_warmup(candidate.spec, baseline)]
    if candidates and candidates[0] not in beside:
        return [candidates[0]]
    return beside


def _allowed(specs: Iterable[Spec | None], baseline: Spec, taken_back: Sequence[TakenBack]) -> dict[str, Spec]:
    """Return the specs, by id, that bring back nothing that a person took back."""
    allowed = {}
    for spec in specs:
        if spec is not None and forbidding(taken_back, baseline, spec) is None:
            allowed[spec.id] = spec
    return allowed


def _add(chosen: dict[str, Candidate], spec: Spec, why: str) -> None:
    """Choose a spec, unless it was already chosen for another reason."""
    chosen.setdefault(spec.id, Candidate(spec=spec, why=why))
