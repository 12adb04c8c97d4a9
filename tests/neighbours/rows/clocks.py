"""Plugins that stop or move the clock: the harness's own stays as it is."""

from __future__ import annotations

from tests.neighbours.row import Row
from tests.neighbours.rows.judging import body
from tests.neighbours.rows.repeating import marked

FREEZEGUN, FREEZER, MACHINE = ("freezegun==1.5.5",), ("pytest-freezer==0.4.9",), ("time-machine==3.6.0",)
CHECKED = "case.check(reply)"


def whole_session(import_line: str, context: str) -> dict[str, str]:
    """Return a conftest.py that moves the clock for a whole session."""
    fixture = f"@pytest.fixture(scope='session', autouse=True)\ndef clock():\n    with {context}:\n        yield\n"
    return {"conftest.py": f"import pytest\n{import_line}\n\n{fixture}"}


ROWS = (
    Row(
        title="freezegun decorator",
        packages=FREEZEGUN,
        body=marked("freeze_time('2012-01-14')", imported="from freezegun import freeze_time\n"),
    ),
    Row(
        title="freezegun in a session's fixture",
        packages=FREEZEGUN,
        files=whole_session("import freezegun", "freezegun.freeze_time('2012-01-14')"),
    ),
    Row(
        title="freezegun in the body",
        packages=FREEZEGUN,
        body=body("with freezegun.freeze_time('2062-01-14'):", f"    {CHECKED}", imported="import freezegun"),
    ),
    Row(title="pytest-freezer", packages=FREEZER, body=body("freezer.move_to('2012-01-14')", CHECKED, uses="freezer")),
    Row(
        title="time-machine decorator",
        packages=MACHINE,
        body=marked("time_machine.travel(0)", imported="import time_machine\n"),
    ),
    Row(
        title="time-machine fixture",
        packages=MACHINE,
        body=body("time_machine.move_to('2012-01-14', tick=False)", CHECKED, uses="time_machine"),
    ),
    Row(
        title="time-machine in a session's fixture",
        packages=MACHINE,
        files=whole_session("import time_machine", "time_machine.travel('2062-01-14T00:00:00+00:00', tick=False)"),
    ),
)
