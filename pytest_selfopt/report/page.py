"""The report as one HTML file that loads nothing from elsewhere: styles, scripts and data are in it."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, FileSystemBytecodeCache, PackageLoader, StrictUndefined
from markupsafe import Markup

from pytest_selfopt.console.sanitize import visible
from pytest_selfopt.report.chart_data import chart_data
from pytest_selfopt.report.document import Report
from pytest_selfopt.report.formats import FILTERS

SCRIPTS = ("vendor/d3.min.js", "vendor/plot.umd.min.js", "charts.js", "page.js")
"""In the order in which they need each other."""

_JSON_IN_HTML = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def page(report: Report) -> str:
    """The page of a report: one self-contained HTML document.

    Nothing in it can load or send anything: its content-security-policy forbids everything but its own scripts, which
    it names by their hashes, and its own styles. Texts of models are escaped by the template engine, and what they hide
    is made visible.
    """
    scripts = list(map(_asset, SCRIPTS))
    return (
        _environment()
        .get_template("page.html.j2")
        .render(
            report=report,
            style=_asset("page.css"),
            scripts=scripts,
            policy=_policy(scripts),
            data=_data(chart_data(report)),
        )
    )


def _policy(scripts: list[str]) -> str:
    hashes = " ".join(map(_hash_source, scripts))
    # The charts set styles of their own, which cannot load anything either.
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash_source(script: str) -> str:
    """A script as a source of a content-security-policy, which allows no other text."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _data(value: dict[str, Any]) -> str:
    """JSON that cannot end the element it stands in."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.translate(_JSON_IN_HTML)


@cache
def _asset(name: str) -> str:
    return (resources.files("pytest_selfopt.report") / "assets" / name).read_text("utf-8")


def _compiled() -> FileSystemBytecodeCache | None:
    """Where compiled templates are kept, a folder of the user's own among temporary files.

    Compiling them takes most of the time that a small page takes.
    """
    try:
        return FileSystemBytecodeCache()
    except (OSError, RuntimeError):
        return None  # no such folder can be made, or another user's folder is in its place


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pytest_selfopt.report"),
        bytecode_cache=_compiled(),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_shown,
    )
    environment.filters.update(FILTERS)
    return environment


def _shown(value: object) -> object:
    """What is put out for a value: texts have nothing hidden in them, and what is unknown is a dash."""
    if value is None:
        return "–"
    if isinstance(value, str) and not isinstance(value, Markup):
        return visible(value)
    return value
