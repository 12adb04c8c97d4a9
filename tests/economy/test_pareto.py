"""The Pareto front has whom nobody beats, whatever is unknown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.economy.pareto import Point, dominates, pareto

FEW = st.sampled_from([0.25, 0.5, 1.0])
DRAWN = st.lists(st.tuples(FEW, st.none() | FEW, st.none() | FEW), max_size=9)


def points(drawn: list[tuple[float, float | None, float | None]]) -> list[Point]:
    return [
        Point(model=f"m{index}", accuracy=accuracy, latency_s=latency, cost=cost)
        for index, (accuracy, latency, cost) in enumerate(drawn)
    ]


@given(DRAWN)
def test_the_front_beats_exactly_the_rest(
    drawn: list[tuple[float, float | None, float | None]],
) -> None:
    everybody = points(drawn)
    front = pareto("atomic", everybody)
    members, beaten = list(front.members), [point for point, _ in front.beaten]
    assert sorted([*members, *beaten], key=lambda point: point.model) == everybody
    assert not any(dominates(one, member) for one in everybody for member in members)
    by_name = {member.model: member for member in members}
    assert all(dominates(by_name[by], point) for point, by in front.beaten)


@given(DRAWN)
def test_the_front_is_independent_of_order(drawn: list[tuple[float, float | None, float | None]]) -> None:
    everybody = points(drawn)
    assert pareto("atomic", everybody[::-1]) == pareto("atomic", everybody)


def test_an_unknown_cost_is_neutral() -> None:
    cheap = Point(model="cheap", accuracy=0.6, latency_s=1.0, cost=0.1)
    secret = Point(model="secret", accuracy=0.8, latency_s=1.0, cost=None)
    better = Point(model="better", accuracy=0.9, latency_s=0.5, cost=9.0)
    assert not dominates(secret, cheap), "it may be dearer"
    assert dominates(better, secret), "on what is known it is beaten"
    assert not dominates(cheap, secret)
    front = pareto("atomic", [cheap, secret, better])
    assert [point.model for point in front.members] == ["better", "cheap"]
    assert [(point.model, by, point.compared_on) for point, by in front.beaten] == [
        ("secret", "better", ("accuracy", "latency"))
    ]


def test_equals_stand_side_by_side() -> None:
    twins = points([(0.5, 1.0, None), (0.5, 1.0, None)])
    assert len(pareto("atomic", twins).members) == 2
