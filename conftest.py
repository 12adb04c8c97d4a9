"""Plugins of the whole repository's sessions, and the number of their processes."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

_BENCHMARKS = Path(__file__).parent / "benchmarks"
_PROCESSES = 4


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers(config: pytest.Config) -> int:
    """Take four processes for the tests, which wait half of the time, and one for benchmarks, which share a model."""
    for argument in config.args:
        path = Path(config.invocation_params.dir, argument.partition("::")[0])
        if not path.is_relative_to(_BENCHMARKS):
            return _PROCESSES
    return 0
