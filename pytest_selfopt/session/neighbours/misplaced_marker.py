"""The marker `selfopt` on items that are no test functions, so that no model would be asked for them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest


def refuse_misplaced(items: Sequence[pytest.Item]) -> list[str]:
    """Return a sentence on each of these items that has the marker but was not made by pytest for a function."""
    sentences: dict[str, None] = {}
    for item in items:
        if item.get_closest_marker("selfopt") is not None and not hasattr(item, "callspec"):
            kind = f"an item of the type {type(item).__name__}"
            advice = "mark a test function instead"
            if type(item).__name__ == "TestCaseFunction":
                kind = "a method of a unittest.TestCase"
                advice = "move the test out of the class, or let the class inherit from nothing"
            sentences[f"{item.nodeid}: {kind} takes no case and no reply, so no model would be asked; {advice}"] = None
    return list(sentences)
