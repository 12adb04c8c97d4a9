"""The data that items carry from collection to their run."""

from __future__ import annotations

import pytest

from pytest_selfopt.planning.plan import PlannedTrial

ARGUMENTS = ("case", "spec", "run", "reply")
"""The arguments that a benchmark test may request by name."""

PLANNED = pytest.StashKey[PlannedTrial]()
"""The trial that a benchmark item was collected for."""

LEFT_OUT = pytest.StashKey[str]()
"""Why a benchmark item has no planned trial any more: its marks skip it."""
