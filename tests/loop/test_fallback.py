"""Who may stand in: the best that is known, never one that nobody measured."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.loop.fallback import LEAST_TRIALS, FallbackScore, best_fallback

scores = st.dictionaries(
    st.sampled_from("abcdef"),
    st.integers(0, 200).flatmap(
        lambda answers: st.builds(FallbackScore, passes=st.integers(0, answers), answers=st.just(answers))
    ),
)


def test_much_evidence_beats_little() -> None:
    assert (
        best_fallback(
            {"lucky": FallbackScore(passes=9, answers=9), "solid": FallbackScore(passes=95, answers=100)}, minimum=0.3
        )
        == "solid"
    )


def test_a_fallback_is_surely_above_the_minimum() -> None:
    assert best_fallback({"weak": FallbackScore(passes=40, answers=100)}, minimum=0.3) == "weak"
    assert best_fallback({"weak": FallbackScore(passes=35, answers=100)}, minimum=0.3) is None
    assert best_fallback({"new": FallbackScore(passes=8, answers=8)}, minimum=0.3) is None
    assert best_fallback({}, minimum=0.3) is None


@given(known=scores)
def test_the_choice_is_eligible_in_any_order(
    known: dict[str, FallbackScore],
) -> None:
    found = best_fallback(known, minimum=0.3)
    assert found == best_fallback(dict(reversed(known.items())), minimum=0.3)
    if found is not None:
        assert known[found].answers >= LEAST_TRIALS
        assert known[found].passes > 0.3 * known[found].answers
