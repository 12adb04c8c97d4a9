"""The data that items carry from collection to their run."""

from __future__ import annotations

import pytest

from pytest_selfopt.planning.plan import PlannedTrial

PLANNED = pytest.StashKey[PlannedTrial]()
