"""Plugins that run bodies in other processes or threads than xdist's."""

from __future__ import annotations

from tests.neighbours.row import PLAIN, Expected, Row, refused

PARALLEL = ("pytest-parallel==0.1.1", "py==1.11.0")
FORKED, RUN_PARALLEL = ("pytest-forked==1.7.5",), ("pytest-run-parallel==0.10.0",)
ALL_FAIL = Expected(status=1, error="test", whole=False)
"""Of pytest-forked 1.7.5 under pytest 9.2, without ours too: its child processes cannot hand a report over."""


def elsewhere(title: str, packages: tuple[str, ...], *options: str, plain: Expected = PLAIN) -> Row:
    """Return a row of something that runs bodies elsewhere."""
    no = refused(options[0].partition("=")[0])
    cold = packages == PARALLEL
    return Row(title=title, packages=packages, options=options, cold=cold, cycle=no, gate=no, plain=plain)


ROWS = (
    elsewhere("pytest-forked", FORKED, "--forked", plain=ALL_FAIL),
    elsewhere("pytest-parallel --workers", PARALLEL, "--workers=2", plain=refused("--workers")),
    elsewhere(
        "pytest-parallel --tests-per-worker", PARALLEL, "--tests-per-worker=2", plain=refused("--tests-per-worker")
    ),
    elsewhere("pytest-run-parallel", RUN_PARALLEL, "--parallel-threads=2"),
)
