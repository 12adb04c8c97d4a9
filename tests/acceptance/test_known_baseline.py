"""A baseline that earlier cycles have measured takes one pass, unless its answers have moved."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.acceptance.conftest import SHORT, Project, right, said, short_suite

Make = Callable[..., Project]
WATCH = '[tool.selfopt.search]\nvariants = ["native_api", "schema"]\nretries = []\ntimeouts = []\nisolation = []\n'


@pytest.fixture
def known(project: Make) -> Project:
    """A project whose first cycle promotes `schema`, and leaves nothing to try."""
    made = project({"rules": right(constrained=True)})
    made.write_suite(short_suite())
    made.configure(WATCH)
    assert "PROMOTE" in said(made.run("--selfopt-cycle"))
    assert made.server.seen.asked == 2 * 3 * SHORT
    return made


def asked(made: Project, *arguments: str) -> tuple[int, str]:
    """The passes of a cycle, and what it says."""
    before = made.server.seen.asked
    result = made.run("--selfopt-cycle", *arguments)
    assert result.ret == 0, said(result)
    return (made.server.seen.asked - before) // SHORT, said(result)


@pytest.mark.parametrize("way", [(), ("-n2",)], ids=["alone", "-n2"])
def test_a_known_baseline_takes_one_pass(known: Project, way: tuple[str, ...]) -> None:
    passes, shown = asked(known, *way)
    assert passes == 1
    assert "; monitored in 1 pass, in 3 if its answers have moved" in shown
    # The diagnosis rests on the first cycle, too.
    assert f"diagnosis: perfect: {4 * SHORT} of {4 * SHORT} answers are right" in shown
    assert "gate min_samples" not in shown
    assert known.selfopt("decide").returncode == 0


def test_a_baseline_that_moved_is_measured_anew(known: Project) -> None:
    known.server.play({"rules": right(constrained=True)[:2]})
    passes, shown = asked(known)
    assert passes == 3
    assert f"diagnosis: prompts that always fail: 4 of {SHORT} prompts" in shown
    # From then on only what came since counts.
    assert asked(known)[0] == 1


def test_without_a_race_all_get_seven_passes(known: Project) -> None:
    assert asked(known, "--selfopt-no-race")[0] == 7


def test_a_resumed_cycle_knows_it_as_well(known: Project) -> None:
    before = known.server.seen.asked
    assert known.run("--selfopt-cycle", "--selfopt-max-calls=3").ret == 10
    assert known.run("--selfopt-cycle", "--selfopt-resume").ret == 0
    assert known.server.seen.asked - before == SHORT
