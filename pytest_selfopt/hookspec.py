"""Hooks by which a project, or another plugin, extends pytest-selfopt; implement them in a conftest.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pytest_selfopt.loop.gates import GateResult, Measured
    from pytest_selfopt.models.client import Client
    from pytest_selfopt.runners.runner import Runner


def pytest_selfopt_gates(measured: Measured) -> GateResult | Sequence[GateResult] | None:
    """Judge a spec by gates of your own, beside the built-in ones.

    It is asked about each candidate after each pass, with its pairs beside the baseline in `measured.evidence`, and
    when the cycle ends about the spec in force, with `measured.evidence` None. Answer by one `GateResult` or several;
    None where your gate has nothing to say. A gate that fails and asks for REJECT puts a candidate out of the race,
    one that asks for HOLD keeps it from being promoted. Decide by what is measured alone, so that the same trials get
    the same verdict again.

    Recipe, in conftest.py::

        from pytest_selfopt import GateResult, Verdict


        def pytest_selfopt_gates(measured):
            tokens = (measured.metrics.tokens_out or 0) / max(measured.metrics.trials, 1)
            return GateResult(
                name="short_answers",
                passed=tokens <= 200,
                value=tokens,
                limit=200,
                sentence=f"{tokens:.0f} tokens an answer, at most 200",
                asks=Verdict.REJECT,
            )
    """


@pytest.hookspec(firstresult=True)
def pytest_selfopt_runner(name: str, clients: Mapping[str, Client]) -> Runner | None:
    """Make the calls of a session in a way of your own, which `--selfopt-runner NAME` asks for.

    Answer a `Runner`, or None when the name is not yours. `clients` ask each model of the session, by its id. The
    runner is used from one thread that makes batches, and from others that ask how far it is or end it. Each call
    must come back once, with a result: an answer or an error, never an exception.

    Recipe: a whole runner stands in docs/how-to/extend.md.
    """
