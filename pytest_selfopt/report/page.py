"""The report as one self-contained HTML file with its styles, scripts and data."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Collection, Mapping
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, FileSystemBytecodeCache, PackageLoader, StrictUndefined
from markupsafe import Markup

from pytest_selfopt.console.sanitize import defused
from pytest_selfopt.report.answers.pack import PackedAnswers
from pytest_selfopt.report.chart_data import chart_data
from pytest_selfopt.report.document import Report
from pytest_selfopt.report.formats import FILTERS

SCRIPTS = ("vendor/d3.min.js", "vendor/plot.umd.min.js", "charts.js", "page.js", "answers.js")
"""The scripts of the page, each after those that it needs."""

_NO_ANSWERS: Mapping[str, PackedAnswers] = {}
_JSON_IN_HTML = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


def page(report: Report, answers: Mapping[str, PackedAnswers] = _NO_ANSWERS, *, pages: Collection[int] = ()) -> str:
    """Render the page of a report: one self-contained HTML document, with the answers of its phases.

    It links to the pages that stand beside it: that over all cycles, and those of the cycles in `pages`.

    Nothing in it can load or send anything: its content-security-policy forbids everything but its own styles and its
    own scripts, which it names by their hashes. The template engine escapes the texts of models, and hidden characters
    are made visible.
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
            answers=_data(_answers_data(report, answers)),
            answered=frozenset(answers),
            pages=frozenset(pages),
        )
    )


def _answers_data(report: Report, answers: Mapping[str, PackedAnswers]) -> dict[str, Any]:
    """Return the packed answers by phase, with what the page calls their specs, in the order of its tables."""
    data: dict[str, Any] = {}
    for phase in report.phases:
        if phase.phase in answers:
            data[phase.phase] = {
                **answers[phase.phase].to_json(),
                "names": {spec.spec: defused(spec.name) for spec in phase.specs},
                "baseline": phase.baseline,
                "in_force": phase.in_force,
            }
    return data


def _policy(scripts: list[str]) -> str:
    hashes = " ".join(map(_hash_source, scripts))
    # The charts set inline styles, which cannot load anything either.
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data:; "
        "base-uri 'none'; form-action 'none'"
    )


def _hash_source(script: str) -> str:
    """Return the source by which a content-security-policy allows exactly this script."""
    digest = hashlib.sha256(script.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


def _data(value: dict[str, Any]) -> str:
    """Serialize JSON so that it cannot close its HTML element."""
    text = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return text.translate(_JSON_IN_HTML)


@cache
def _asset(name: str) -> str:
    return (resources.files("pytest_selfopt.report") / "assets" / name).read_text("utf-8")


def _compiled() -> FileSystemBytecodeCache | None:
    """Return the cache of compiled templates, in a temporary folder of the user; None if there is none.

    Most of the time for a small page is spent on compiling them.
    """
    try:
        return FileSystemBytecodeCache()
    except (OSError, RuntimeError):
        return None  # the folder cannot be made, or belongs to another user


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("pytest_selfopt.report"),
        bytecode_cache=_compiled(),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.filters.update(FILTERS)
    return environment


def _finalize(value: object) -> object:
    """Convert a value for output: make hidden characters visible, and None a dash."""
    if value is None:
        return "–"
    if isinstance(value, str) and not isinstance(value, Markup):
        return defused(value)
    return value
