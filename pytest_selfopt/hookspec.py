"""Hooks by which a project, or another plugin, extends pytest-selfopt; implement them in a conftest.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_selfopt.loop.gates.gate_result import GateResult, Measured
    from pytest_selfopt.models.client import Client
    from pytest_selfopt.runners.runner import Runner


def pytest_selfopt_gates(measured: Measured) -> GateResult | Sequence[GateResult] | None:
    """Judge a spec by gates of your own, in addition to the built-in ones.

    It is called for each candidate after each pass, with the pairs of candidate and baseline in `measured.evidence`,
    and at the end of the cycle for the spec in force, with `measured.evidence` None. Return one `GateResult`, several,
    or None if your gate does not apply. A failed gate that asks for REJECT takes a candidate out of the race, before
    the third pass only if its result is `certain`; one that asks for HOLD keeps it from being promoted. Decide by
    `measured` alone, so that the same trials always get the same verdict.

    Recipe, in conftest.py::

        from pytest_selfopt import GateResult, Verdict


        def pytest_selfopt_gates(measured):
            tokens = (measured.metrics.tokens_out or 0) / max(measured.metrics.trials, 1)
            return GateResult(
                name="short_answers",
                passed=tokens <= 200,
                value=tokens,
                limit=200,
                sentence=f"{tokens:.0f} tokens per answer, at most 200",
                asks=Verdict.REJECT,
            )
    """


@pytest.hookspec(firstresult=True)
def pytest_selfopt_runner(name: str, clients: Mapping[str, Client]) -> Runner | None:
    """Provide a runner of your own, which `--selfopt-runner NAME` selects.

    Return a `Runner`, or None if the name is not yours. `clients` has a client for each model of the session, by id.
    One thread runs batches; other threads ask for progress or end the runner. Each call must return exactly one
    result: an answer or an error, never an exception.

    Recipe: docs/how-to/extend.md has a complete runner.
    """
