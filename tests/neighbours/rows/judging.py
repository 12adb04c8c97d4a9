"""Plugins that decide how a body runs, and what of it fails."""

from __future__ import annotations

from tests.neighbours.row import BODY, Expected, Row, refused, true

ASYNC = BODY.replace("def test_items", "async def test_items")
ASYNCIO, ANYIO, TRIO = ("pytest-asyncio==1.5.0",), ("anyio==4.16.0",), ("pytest-trio==0.8.0",)
DISLIKED = ("item-0",)
MISSED, MISSED_PLAIN = true(missed=DISLIKED), true(status=1, missed=DISLIKED)
NEVER_RUN = refused("async")
FAILED = Expected(status=1, error="test", whole=False)
ONE_BACKEND = """
@pytest.fixture
def anyio_backend():
    return "asyncio"
"""


def body(*lines: str, uses: str = "", imported: str = "", before: str = "") -> str:
    """Return a body of some lines that uses one more fixture."""
    text = "".join(f"    {line}\n" for line in lines)
    fixtures = ", ".join(filter(None, ["case", "reply", uses]))
    return (
        f"import pytest\n{imported}\n{before}@pytest.mark.selfopt('items.jsonl')\ndef test_items({fixtures}):\n{text}"
    )


def marked_async(mark: str, more: str = "") -> str:
    """Return a body that is a coroutine, with a mark."""
    return ASYNC.replace("@pytest.mark.selfopt", f"{more}\n@pytest.mark.{mark}\n@pytest.mark.selfopt")


def hidden(title: str, packages: tuple[str, ...], text: str) -> Row:
    """Return a row in which a body dislikes one case, and says so without raising."""
    return Row(title=title, packages=packages, body=text, cycle=MISSED, gate=MISSED, plain=MISSED_PLAIN)


def never_run(title: str, packages: tuple[str, ...], text: str = ASYNC, ini: str = "") -> Row:
    """Return a row in which nothing runs the body."""
    return Row(title=title, packages=packages, body=text, ini=ini, cycle=NEVER_RUN, gate=NEVER_RUN, plain=FAILED)


SUBTESTS = body(
    "with subtests.test('answered'):",
    "    assert reply is not None",
    "with subtests.test('liked'):",
    "    assert case.id != 'item-0'",
    "with subtests.test('right'):",
    "    case.check(reply)",
    uses="subtests",
)
CHECK = body("check.is_true(case.id != 'item-0')", "case.check(reply)", uses="check")
CHECK_WITH = body("with check:", "    assert case.id != 'item-0'", "case.check(reply)", uses="check")
ASSUME = body("pytest.assume(case.id != 'item-0')", "case.check(reply)")

ROWS = (
    never_run("an async body alone", ()),
    never_run("pytest-asyncio strict, unmarked", ASYNCIO),
    Row(title="pytest-asyncio strict", packages=ASYNCIO, body=marked_async("asyncio")),
    Row(title="pytest-asyncio auto", packages=ASYNCIO, body=ASYNC, ini='asyncio_mode = "auto"'),
    Row(title="pytest-asyncio with a plain body", packages=ASYNCIO, ini='asyncio_mode = "auto"'),
    never_run("anyio, unmarked", ANYIO),
    Row(title="anyio with one backend", packages=ANYIO, body=marked_async("anyio", ONE_BACKEND)),
    Row(
        title="anyio with two backends",
        packages=(*ANYIO, "trio==0.33.0"),
        body=marked_async("anyio"),
        cycle=refused("anyio_backend"),
        gate=refused("anyio_backend"),
        plain=Expected(status=1, repeats=2),
    ),
    Row(title="anyio with a plain body", packages=ANYIO),
    Row(title="pytest-trio mark", packages=TRIO, body=marked_async("trio")),
    Row(title="pytest-trio trio_mode", packages=TRIO, body=ASYNC, ini="trio_mode = true"),
    Row(title="pytest-tornasync", packages=("pytest-tornasync==0.6.0.post2",), body=ASYNC),
    Row(
        title="pytest-aiohttp",
        packages=("pytest-aiohttp==1.1.1", *ASYNCIO),
        body=ASYNC,
        ini='asyncio_mode = "auto"',
    ),
    hidden("subtests of pytest", (), SUBTESTS),
    hidden("pytest-subtests", ("pytest-subtests==0.15.0",), SUBTESTS),
    hidden("pytest-check functions", ("pytest-check==3.0.3",), CHECK),
    hidden("pytest-check with", ("pytest-check==3.0.3",), CHECK_WITH),
    hidden("pytest-assume", ("pytest-assume==2.4.3",), ASSUME),
)
