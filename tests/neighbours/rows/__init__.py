"""The rows of the matrix, by what neighbours do."""

from __future__ import annotations

from tests.neighbours.rows import (
    clocks,
    fixtures,
    judging,
    measuring,
    network,
    ordering,
    parallel,
    pytest_itself,
    repeating,
    reporting,
)

ROWS = (
    *repeating.ROWS,
    *parallel.ROWS,
    *judging.ROWS,
    *clocks.ROWS,
    *fixtures.ROWS,
    *measuring.ROWS,
    *ordering.ROWS,
    *network.ROWS,
    *reporting.ROWS,
    *pytest_itself.ROWS,
)
