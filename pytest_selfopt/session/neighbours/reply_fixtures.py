"""Fixtures that take what each trial has of its own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from pytest_selfopt.session.stash import ARGUMENTS, PLANNED


def refuse_wide_fixtures(items: Sequence[pytest.Item]) -> list[str]:
    """Return a sentence on each fixture that takes what each trial has of its own, but is set up for several."""
    tests: dict[str, pytest.Item] = {}
    for item in items:
        if PLANNED in item.stash:
            tests.setdefault(item.nodeid.partition("[")[0], item)
    sentences: dict[str, None] = {}
    for test, item in tests.items():
        for fixture in _fixtures_of(item):
            taken = [name for name in ARGUMENTS if name in fixture.argnames]
            if taken and fixture.scope != "function":
                sentences[
                    f"{test}: the fixture {fixture.argname!r} has the scope {fixture.scope!r}, but takes {taken[0]!r}, "
                    'which each trial has of its own; give the fixture the scope "function"'
                ] = None
    return list(sentences)


def _fixtures_of(item: pytest.Item) -> Iterator[pytest.FixtureDef[Any]]:
    """Yield the fixtures that an item is known to need, without our arguments."""
    # The table is not part of pytest's interface: it is the same in pytest 8.4, 9.0 and 9.2.
    known = vars(item).get("_fixtureinfo")
    if known is None:
        return
    for name, fixtures in known.name2fixturedefs.items():
        if name not in ARGUMENTS:
            yield from fixtures
