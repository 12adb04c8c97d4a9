"""What docs/how-to/exports.md says of tables is so."""

from __future__ import annotations

import re

from pytest_selfopt.export.trials import COLUMNS
from tests.packages import ROOT


def test_every_table_column_is_described() -> None:
    page = (ROOT / "docs/how-to/exports.md").read_text().partition("## Tables")[2]
    rows = re.findall(r"^\| (`.*?) \|", page, flags=re.MULTILINE)
    assert tuple(re.findall(r"`(\w+)`", " ".join(rows))) == COLUMNS
