"""Options, marks and plugins of pytest itself and of xdist."""

from __future__ import annotations

from tests.neighbours.row import BODY, Expected, Row, only, refused, true
from tests.neighbours.rows.repeating import marked
from tests.neighbours.truth import CASES

NO_ITEM = Expected(status=10, cases=())
SKIPS_GREETINGS = """
import pytest

def pytest_collection_modifyitems(items):
    for item in items:
        if "hello" in item.nodeid:
            item.add_marker(pytest.mark.skip(reason="no greetings"))
"""
FOUND = tuple(case for case in CASES if case.startswith("item"))
ON_TEST_CASE = """
import unittest
import pytest

class TestItems(unittest.TestCase):
    @pytest.mark.selfopt("items.jsonl")
    def test_items(self):
        pass
"""
WITHOUT = (
    "setuponly setupplan junitxml skipping logging faulthandler stepwise cacheprovider timeout warnings "
    "debugging subtests threadexception unraisableexception durations pastebin legacypath doctest recwarn unittest"
)
WITHOUT_OPTIONS = tuple(f"-pno:{plugin}" for plugin in WITHOUT.split())


def nothing(*options: str, plain: Expected | None = None) -> Row:
    """Return a row of something that asks nothing."""
    ended = Expected(status=0, cases=())
    return Row(title=f"pytest {' '.join(options)}", options=options, cycle=ended, gate=ended, plain=plain or ended)


ROWS = (
    Row(title="nothing"),
    Row(title="pytest -p no:setuponly and more", options=WITHOUT_OPTIONS),
    Row(title="pytest -p no:setuponly", options=("-p", "no:setuponly")),
    nothing("--collect-only"),
    nothing("--fixtures"),
    nothing("--markers"),
    nothing("--setup-plan"),
    Row(
        title="pytest mark skip",
        body=marked("pytest.mark.skip(reason='not today')"),
        cycle=NO_ITEM,
        gate=NO_ITEM,
        plain=Expected(status=0, cases=()),
    ),
    Row(
        title="pytest mark skip on some",
        files={"conftest.py": SKIPS_GREETINGS},
        cycle=only(*FOUND),
        gate=only(*FOUND),
        plain=only(*FOUND, status=1),
    ),
    Row(
        title="pytest -k",
        options=("-k", "not hello"),
        cycle=only(*FOUND),
        gate=only(*FOUND),
        plain=only(*FOUND, status=1),
    ),
    Row(
        title="pytest --max-warnings",
        options=("--max-warnings=0",),
        body=BODY.replace("    case.check", "    import warnings\n    warnings.warn('one')\n    case.check"),
        cycle=true(status=6),
        gate=true(status=6),
    ),
    Row(
        title="a mark on a unittest.TestCase",
        body=ON_TEST_CASE,
        cycle=refused("TestCase"),
        gate=refused("TestCase"),
        plain=refused("TestCase"),
    ),
    Row(
        title="xdist --dist=loadscope",
        options=("--dist=loadscope",),
    ),
    Row(title="pytest --trace", options=("--trace",), cycle=refused("--trace"), gate=refused("--trace"), plain=None),
    Row(
        title="xdist --looponfail", options=("-f",), cycle=refused("looponfail"), gate=refused("looponfail"), plain=None
    ),
)
