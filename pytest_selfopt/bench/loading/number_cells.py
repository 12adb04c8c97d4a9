"""Numbers in the cells of a table: what has one meaning is read, what has two is refused."""

from __future__ import annotations

import re
from decimal import Decimal

from pytest_selfopt.bench.call_format import show
from pytest_selfopt.bench.loading.plain_numbers import plain_number

NUMBER_COLUMNS = ("number", "tolerance", "weight")
_DECIMAL_COMMA = re.compile(r"[-+]?[0-9. ]*,[0-9]+")
_THOUSANDS = re.compile(r"[-+]?[0-9]{1,3}(,[0-9]{3})+")
_PER_CENT = re.compile(r"([^%]*[^%\s])\s*%")


def number_of(column: str, cell: str) -> int | float:
    """Read the cell of a column that holds numbers.

    Raises:
        ValueError: with "COLUMN: what is wrong".
    """
    text = cell.strip().replace("\u2212", "-")
    share = _PER_CENT.fullmatch(text)
    if share:
        text = share[1]
    try:
        number = plain_number(text)
    except ValueError as problem:
        raise ValueError(f"{column}: {problem}") from None
    if number is None:
        raise ValueError(f"{column}: expected {_wanted(text)}, got {show(cell)}")
    if not share:
        return number
    if column != "weight":
        raise ValueError(f"{column}: {show(cell)} could be {text} or a share of something; write the number itself")
    return float(Decimal(text) / 100)


def _wanted(text: str) -> str:
    if _THOUSANDS.fullmatch(text):
        return "a number without a comma, which could separate thousands or decimals"
    if _DECIMAL_COMMA.fullmatch(text):
        return "a decimal point, as in 0.5"
    return "a number such as 0.5"
