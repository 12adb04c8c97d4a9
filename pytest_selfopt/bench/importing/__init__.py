"""Importers of other benchmarks: each writes the lines of a suite file, and lists what it leaves out."""

from __future__ import annotations

from pathlib import Path

from pytest_selfopt.bench.importing.bfcl import CATEGORIES, import_bfcl
from pytest_selfopt.bench.importing.chat import import_chat, import_table
from pytest_selfopt.bench.importing.imported import Imported
from pytest_selfopt.bench.importing.promptfoo.configuration import import_promptfoo
from pytest_selfopt.errors import SuiteError

_IMPORTERS = {
    "chat": import_chat,
    "csv": import_table,
    "promptfoo": import_promptfoo,
}


def import_from(form: str, path: Path, *, category: str | None = None, limit: int | None = None) -> Imported:
    """Import what a suite can hold of a benchmark in one of the forms "bfcl", "chat", "csv" and "promptfoo".

    Raises:
        SuiteError: if the benchmark cannot be read, or the category is missing or not one of the form's.
    """
    if form == "bfcl":
        if category is None:
            raise SuiteError(f"BFCL is imported by category; name one of {', '.join(CATEGORIES)}")
        return import_bfcl(path, category, limit)
    if category is not None:
        raise SuiteError("only BFCL has categories")
    return _IMPORTERS[form](path, limit)
