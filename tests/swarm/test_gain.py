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


def test_a_missing_answer_counts_as_wrong() -> None:
    found = gain(trials("swarm", "ppppeeeeeeee", 8), trials("a", "mmmmpppppppp"), ["a"])
    assert (found.fixed, found.broken, found.errors) == (4, 8, 8)
    assert found.sentence == (
        "the swarm bought nothing: 0.33, no better than a alone (0.67), at 8.0 calls per answer; "
        "8 of its answers are missing"
    )


def test_only_shared_cases_are_compared() -> None:
    found = gain(trials("swarm", "p p"), [*trials("a", "mpm"), *trials("b", " p ")], ["a", "b", "c"])
    assert found.best is not None
    assert (found.best.model, found.pairs, found.fixed, found.not_asked) == ("a", 2, 2, ("c",))
    nobody = gain([], trials("a", "p"), ["a"])
    assert nobody.sentence == "the swarm's gain is unknown: no answer of it arrived"


@given(st.text("pme", min_size=1, max_size=60), st.data())
def test_a_gain_needs_more_right_answers(alone: str, data: st.DataObject) -> None:
    swarm = data.draw(st.text("pme", min_size=len(alone), max_size=len(alone)))
    found = gain(trials("swarm", swarm), trials("a", alone), ["a"])
    better = swarm.count("p") > alone.count("p")
    assert ("bought nothing" in found.sentence) != better
    if better:
        assert found.fixed > found.broken
