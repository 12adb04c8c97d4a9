"""Plugins that give fixtures, parameters and surroundings to bodies."""

from __future__ import annotations

from tests.neighbours.row import Expected, Row, refused
from tests.neighbours.rows.judging import body
from tests.neighbours.rows.repeating import marked

CHECKED = "case.check(reply)"
USES_REPLY = """import pytest

@pytest.fixture
def words(reply):
    return reply.text
"""
TWO_VALUES = """import pytest

@pytest.fixture(params=["a", "b"])
def way(request):
    return request.param
"""
LAZY = """import pytest
from pytest_lazy_fixtures import lf

@pytest.fixture
def one():
    return 1

@pytest.fixture(params=[lf("one")])
def number(request):
    return request.param
"""
TWICE = Expected(status=1, repeats=2)
NO_EVALUATION = Expected(status=5, cases=())
"""It takes only its own kind of tests."""


def using(title: str, package: str, fixture: str, *lines: str) -> Row:
    """Return a row whose body uses a fixture of a plugin."""
    return Row(title=title, packages=(package,), body=body(*lines, CHECKED, uses=fixture))


def loaded(package: str, *options: str) -> Row:
    """Return a row of a plugin that is merely there, or has an option."""
    title = " ".join([package.partition("==")[0], *options])
    return Row(title=title, packages=(package,), options=options)


def multiplied(title: str, text: str, name: str, packages: tuple[str, ...] = (), conftest: str = "") -> Row:
    """Return a row whose items are multiplied by other parameters."""
    no = refused(name)
    files = {"conftest.py": conftest} if conftest else {}
    return Row(title=title, packages=packages, body=text, files=files, cycle=no, gate=no, plain=TWICE)


ROWS = (
    using("pytest-mock", "pytest-mock==3.17.0", "mocker", "mocker.patch('os.getcwd', return_value='/')"),
    using("pytest-mock of time", "pytest-mock==3.17.0", "mocker", "mocker.patch('time.time', return_value=0.0)"),
    using("pyfakefs", "pyfakefs==6.3.2", "fs", "fs.create_file('/tmp/somewhere')"),
    using("pytest-datadir", "pytest-datadir==1.9.0", "tmp_path", "assert tmp_path.exists()"),
    using("syrupy", "syrupy==7.0.2", "snapshot", "assert snapshot is not None"),
    using("pytest-structlog", "pytest-structlog==1.2", "log", "assert log.events == []"),
    using("pytest-httpserver", "pytest-httpserver==1.2.0", "httpserver", "assert httpserver.port"),
    using("pytest-xprocess", "pytest-xprocess==1.0.2", "xprocess", "assert xprocess"),
    loaded("inline-snapshot==0.36.1"),
    loaded("inline-snapshot==0.36.1", "--inline-snapshot=disable"),
    loaded("hypothesis==6.170.17"),
    loaded("hypothesis==6.170.17", "--hypothesis-show-statistics"),
    loaded("pytest-bdd==9.0.1"),
    loaded("pytest-django==4.14.0"),
    loaded("pytest-celery==1.3.0"),
    loaded("deepeval==4.3.1"),
    loaded("langsmith==0.15.1"),
    loaded("pytest-evals==0.3.4"),
    Row(
        title="pytest-evals --run-eval",
        packages=("pytest-evals==0.3.4",),
        options=("--run-eval",),
        cycle=NO_EVALUATION,
        gate=NO_EVALUATION,
        plain=NO_EVALUATION,
    ),
    loaded("logfire==5.4.0"),
    loaded("pytest-harvest==1.10.5"),
    loaded("pytest-steps==1.8.0"),
    Row(
        title="pytest-dependency",
        packages=("pytest-dependency==0.6.1",),
        body=marked("pytest.mark.dependency()"),
    ),
    Row(
        title="pytest-lazy-fixtures",
        packages=("pytest-lazy-fixtures==1.4.1",),
        files={"conftest.py": LAZY},
        body=body("assert number == 1", CHECKED, uses="number"),
    ),
    Row(title="pytest-env", packages=("pytest-env==1.8.5",), ini='env = ["WHERE=here"]'),
    Row(title="pytest-dotenv", packages=("pytest-dotenv==0.5.2",), files={".env": "WHERE=here\n"}),
    Row(
        title="a fixture that takes reply",
        files={"conftest.py": USES_REPLY},
        body=body("assert words == reply.text", CHECKED, uses="words"),
    ),
    multiplied("a fixture of two values", body(CHECKED, uses="way"), "way", conftest=TWO_VALUES),
    multiplied(
        "a second parametrize",
        marked(
            "pytest.mark.parametrize('way', [1, 2])",
            body(CHECKED, uses="way").replace("'items.jsonl'", "'items.jsonl'"),
        ),
        "way",
    ),
)
