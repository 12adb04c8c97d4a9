"""The trials of a ledger as a table: CSV for spreadsheets, JSON for programs; one at a time, however many there are."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

from pytest_selfopt.trial import Json, Trial

VERSION = 1
"""Of both forms: raised when a column changes its meaning or goes away, not when one is added at the end."""

COLUMNS = ("cycle", *Trial.__dataclass_fields__)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'")

CycleTrial = tuple[int, Trial]


def trials_csv(trials: Iterable[CycleTrial]) -> Iterator[str]:
    """The lines of a CSV file with a head, each with its end.

    What is unknown is empty. A text that a spreadsheet could take for a formula gets a ' in front, and so does one that
    begins with a ', so that taking one ' away always gives the text back.
    """
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for measured in trials:
        yield _taken(buffer)
        writer.writerow(map(_cell, _row(measured).values()))
    yield _taken(buffer)


def trials_json(trials: Iterable[CycleTrial]) -> Iterator[str]:
    """The lines of a JSON document, each with its end: one trial a line, null for what is unknown."""
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


def _taken(buffer: io.StringIO) -> str:
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
