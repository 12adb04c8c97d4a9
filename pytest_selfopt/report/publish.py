"""Report files, written after a cycle and on request."""

from __future__ import annotations

import webbrowser
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pytest_selfopt.console.output import JsonText, Markdown, Printed, Verbatim
from pytest_selfopt.errors import SelfoptError, SettingsError, StateError
from pytest_selfopt.report.build import as_json, build_reports
from pytest_selfopt.report.document import Report
from pytest_selfopt.report.markdown import as_markdown
from pytest_selfopt.routing.atomic_files import remove_leftovers, write_atomically
from pytest_selfopt.routing.history import REPORTS
from pytest_selfopt.routing.state_files import require_no_link
from pytest_selfopt.settings import Settings

Form = Literal["html", "md", "json"]
OVER_ALL = "index.html"
MARKDOWN = "SELF_OPTIMIZING_REPORT.md"
_REFRESHED = 5
"""How many pages of cycles are written anew after rules were changed by hand: those of the last cycles."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedReport:
    """The report written after a cycle: its page (None if writing failed), its Markdown, and the problem."""

    page: Path | None
    markdown: str
    problem: str = ""


def publish(settings: Settings, cycle: int, *, now: str) -> PublishedReport:
    """Write the pages of a cycle and over all cycles, the cycle as JSON, and all cycles as Markdown.

    Read and write errors are reported, never raised: no verdict depends on the report.
    """
    try:
        of_cycle, of_all = _build(settings, [cycle, None], now=now)
    except (SelfoptError, OSError) as problem:
        return PublishedReport(page=None, markdown="", problem=_failed(problem))
    text = as_markdown(of_cycle)
    try:
        _write(settings, of_all)
        _write(settings, of_cycle)
    except (SelfoptError, OSError) as problem:
        return PublishedReport(page=None, markdown=text, problem=_failed(problem))
    return PublishedReport(page=settings.state_dir / REPORTS / _page_name(cycle), markdown=text)


def refresh(settings: Settings, *, now: str) -> str:
    """Write the pages of the last cycles and over all cycles anew, because something else is in force now.

    Returns what went wrong; empty if nothing did, or there are no pages.
    """
    folder = settings.state_dir / REPORTS
    try:
        if not settings.reports or not (folder / OVER_ALL).exists():
            return ""
        for report in _build(settings, [*sorted(_page_numbers(folder))[-_REFRESHED:], None], now=now):
            _write(settings, report)
    except (SelfoptError, OSError, ValueError) as problem:
        return _failed(problem)
    return ""


def _build(settings: Settings, cycles: Sequence[int | None], *, now: str) -> list[Report]:
    folder = settings.state_dir / REPORTS
    require_no_link(folder)
    # A killed session may have left half-written files, also of an earlier cycle.
    remove_leftovers(folder / "*")
    return build_reports(settings, cycles, now=now)


def _write(settings: Settings, report: Report) -> None:
    """Write the page of a report; that of a cycle also as JSON, that over all cycles also as Markdown."""
    folder = settings.state_dir / REPORTS
    cycle = None
    if report.kind == "cycle":
        cycle = report.cycle
        write_atomically(folder / f"cycle-{cycle}.json", as_json(report), state=True)
    else:
        write_atomically(folder / MARKDOWN, as_markdown(report), state=True)
    write_atomically(
        folder / _page_name(cycle), in_form(settings, report, "html", pages=_pages(settings, report)), state=True
    )


def _pages(settings: Settings, report: Report) -> set[int]:
    """Return the cycles whose pages stand in the folder of reports, or are about to."""
    pages = _page_numbers(settings.state_dir / REPORTS)
    if report.cycle is not None:
        pages.add(report.cycle)
    return pages


def _page_numbers(folder: Path) -> set[int]:
    names = (page.stem.removeprefix("cycle-") for page in folder.glob("cycle-*.html"))
    return {int(name) for name in names if name.isascii() and name.isdecimal()}


def _failed(problem: Exception) -> str:
    return f"the report could not be written: {problem}"


def in_form(settings: Settings, report: Report, form: Form, *, pages: Collection[int] = ()) -> str:
    """Render a report as a page, which has all answers of its cycle, as Markdown or as JSON.

    `pages` are the cycles whose pages stand beside it, to be linked to.

    Raises:
        StateError: if the ledger of the answers cannot be read.
    """
    if form == "html":
        from pytest_selfopt.report.answers.read import read_answers
        from pytest_selfopt.report.page import page

        return page(report, read_answers(settings.ledger_path, report), pages=pages)
    if form == "md":
        return as_markdown(report)
    return as_json(report)


def report_to(
    settings: Settings, cycle: int | None, *, form: Form, output: Path | None, show: bool, now: str
) -> Sequence[Printed]:
    """Build and write a report, and return what to print: the path of the file, or the text itself.

    `output` is a file, or "-" to print the report; without it a page is written among the others, and other forms are
    printed. `show` opens the page in a browser.

    Raises:
        StateError: if nothing was recorded, or a file cannot be used.
        SettingsError: if `show` is asked for anything but a page in a file.
    """
    if show and (form != "html" or output == Path("-")):
        raise SettingsError("--open shows a page in a browser; leave out --format and -o -, or leave out --open")
    (report,) = build_reports(settings, [cycle], now=now)
    pages = _pages(settings, report) if output is None else ()
    text = in_form(settings, report, form, pages=pages)
    if output == Path("-") or (output is None and form != "html"):
        return [_printed(text.rstrip("\n"), form)]
    is_state = output is None
    if output is None:
        output = settings.state_dir / REPORTS / _page_name(cycle)
        require_no_link(output.parent)
    elif not output.parent.is_dir():
        raise StateError(f"cannot write {output}: the folder {output.parent} does not exist")
    write_atomically(output, text, state=is_state)
    lines = [f"written: {output}"]
    if show and not webbrowser.open(output.resolve().as_uri()):
        lines.append("no browser could be opened; open the file yourself")
    return lines


def _printed(text: str, form: Form) -> Printed:
    if form == "md":
        return Markdown(text)
    if form == "json":
        return JsonText(text)
    return Verbatim(text)


def _page_name(cycle: int | None) -> str:
    if cycle is None:
        return OVER_ALL
    return f"cycle-{cycle}.html"
