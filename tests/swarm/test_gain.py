"""What a swarm bought, beside its best member alone."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.swarm.gain import gain
from pytest_selfopt.trial import Outcome, Trial

OUTCOMES = {"p": Outcome.PASS, "m": Outcome.MISS, "e": Outcome.ERROR}


def trials(spec: str, outcomes: str, attempts: int = 1) -> list[Trial]:
    """A trial for each sign: p(ass), m(iss), e(rror), or a blank for none."""
    return [
        Trial(phase="atomic", spec=spec, case=f"c{place}", run=0, outcome=OUTCOMES[sign], attempts=attempts)
        for place, sign in enumerate(outcomes)
        if sign != " "
    ]


def test_an_outage_decides_nothing() -> None:
    found = gain(trials("swarm", "ppppeeeeeeee", 8), trials("a", "mmmmpppppppp"), ["a"])
    assert (found.fixed, found.broken, found.errors) == (4, 0, 8)
    assert found.sentence == "the swarm's gain is unknown: 8 of 12 questions were not answered by both"


def test_a_missing_answer_is_not_wrong() -> None:
    found = gain(trials("swarm", "p" * 39 + "e", 8), trials("a", "m" * 20 + "p" * 20), ["a"])
    assert (found.fixed, found.broken, found.errors) == (20, 0, 1)
    assert found.sentence.startswith("the swarm bought +0.51: 1.00 versus a alone (0.49), at 8.0 calls per answer;")
    assert found.sentence.endswith("; 1 more were not answered by both")


def test_the_best_member_has_most_right_answers() -> None:
    found = gain(trials("swarm", "ppp"), [*trials("a", "pee"), *trials("b", "ppm")], ["a", "b"])
    assert found.best is not None
    assert (found.best.model, found.members[0].accuracy) == ("b", 1.0)


def test_only_shared_cases_are_compared() -> None:
    found = gain(trials("swarm", "p p"), [*trials("a", "mpm"), *trials("b", " p ")], ["a", "b", "c"])
    assert found.best is not None
    assert (found.best.model, found.pairs, found.fixed, found.not_asked) == ("a", 2, 2, ("c",))
    nobody = gain([], trials("a", "p"), ["a"])
    assert nobody.sentence == "the swarm's gain is unknown: nothing was answered by it and by a member"


@given(st.text("pme", min_size=1, max_size=60), st.data())
def test_a_gain_needs_more_right_answers(alone: str, data: st.DataObject) -> None:
    swarm = data.draw(st.text("pme", min_size=len(alone), max_size=len(alone)))
    found = gain(trials("swarm", swarm), trials("a", alone), ["a"])
    pairs = [pair for pair in zip(swarm, alone, strict=True) if "e" not in pair]
    better = sum(ours == "p" for ours, _ in pairs) > sum(theirs == "p" for _, theirs in pairs)
    known = bool(pairs) and len(alone) - len(pairs) < 0.05 * len(alone)
    assert ("is unknown" in found.sentence) != known
    assert ("bought nothing" in found.sentence) == (known and not better)
    if better:
        assert found.fixed > found.broken
