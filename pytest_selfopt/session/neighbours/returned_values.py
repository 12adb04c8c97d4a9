"""Test bodies that return something: pytest ignores what they return, so it is no judgement."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def returned_values_are_errors() -> Iterator[None]:
    """Let a test that returns something end with an exception, unless the project has a filter for that warning."""
    if any(category is pytest.PytestReturnNotNoneWarning for _, _, category, *_ in warnings.filters):
        yield
        return
    with warnings.catch_warnings():
        warnings.filterwarnings("error", category=pytest.PytestReturnNotNoneWarning)
        yield
