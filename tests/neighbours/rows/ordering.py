"""Plugins that order items, and those that choose among them."""

from __future__ import annotations

from tests.neighbours.row import Expected, Row
from tests.neighbours.rows.fixtures import loaded
from tests.neighbours.rows.repeating import marked

ORDER = ("pytest-order==1.5.0",)
SOME, SOME_PLAIN = Expected(status=10, whole=False), Expected(status=1, whole=False)


def some(title: str, package: str, *options: str) -> Row:
    """Return a row of a plugin that takes only some of the items."""
    return Row(title=title, packages=(package,), options=options, cycle=SOME, gate=SOME, plain=SOME_PLAIN)


ROWS = (
    loaded("pytest-randomly==5.1.0"),
    loaded("pytest-randomly==5.1.0", "--randomly-seed=3"),
    loaded("pytest-randomly==5.1.0", "-p", "no:randomly"),
    loaded("pytest-random-order==1.2.0", "--random-order"),
    loaded("pytest-random-order==1.2.0", "--random-order-bucket=global"),
    Row(title="pytest-order mark", packages=ORDER, body=marked("pytest.mark.order(1)")),
    Row(title="pytest-order --indulgent-ordering", packages=ORDER, options=("--indulgent-ordering",)),
    loaded("pytest-reverse==1.9.0", "--reverse"),
    some("pytest-split", "pytest-split==0.11.0", "--splits=2", "--group=1"),
    some("pytest-shard", "pytest-shard==0.1.2", "--shard-id=0", "--num-shards=2"),
    Row(title="pytest-only", packages=("pytest-only==2.1.2", "setuptools==80.9.0")),
    loaded("pytest-testmon==2.2.0"),
    loaded("pytest-testmon==2.2.0", "--testmon"),
    loaded("pytest-picked==0.5.1"),
)
