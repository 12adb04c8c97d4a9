"""The trials of a ledger as a table: CSV for spreadsheets, JSON for programs; written one at a time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

from pytest_selfopt.trial import Json, Trial

VERSION = 1
"""The version of both forms: raised when a column changes its meaning or is removed, not when one is appended."""

COLUMNS = ("cycle", *Trial.__dataclass_fields__)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""The last four are the signs at full width, which spreadsheets in East Asia read alike."""

CycleTrial = tuple[int, Trial]


def trials_csv(trials: Iterable[CycleTrial]) -> Iterator[str]:
    """Yield the lines of a CSV file with a head, each with its line end.

    Unknown values are empty. A text that a spreadsheet could take for a formula, or that begins with a ', is prefixed
    with a ', so that removing one ' always restores the text.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for measured in trials:
        yield _drain(buffer)
        writer.writerow(map(_cell, _row(measured).values()))
    yield _drain(buffer)


def trials_json(trials: Iterable[CycleTrial]) -> Iterator[str]:
    """Yield the lines of a JSON document, each with its line end: one trial per line, null for unknown values."""
    before = f'{{"version": {VERSION}, "trials": ['
    for measured in trials:
        yield f"{before}\n"
        before = f"{json.dumps(_row(measured))},"
    # The last line has no comma; a document without trials is one line.
    yield f"{before.removesuffix(',')}\n]}}\n"


def _row(measured: CycleTrial) -> dict[str, Json]:
    cycle, trial = measured
    row: dict[str, Json] = {"cycle": cycle}
    for name in Trial.__dataclass_fields__:
        row[name] = getattr(trial, name)
    return row


def _drain(buffer: io.StringIO) -> str:
    text = buffer.getvalue()
    buffer.seek(0)
    buffer.truncate()
    return text


def _cell(value: Any) -> Any:
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
