"""Reports on loopback, with more answers than a file should hold: read-only, for browsers on this machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from pytest_selfopt import clock
from pytest_selfopt.errors import SelfoptError, StateError
from pytest_selfopt.report.answers.read import read_answers
from pytest_selfopt.report.build import build_reports
from pytest_selfopt.report.page import page
from pytest_selfopt.routing.atomic_files import timestamp
from pytest_selfopt.settings import Settings

MOST_SERVED = 64_000_000
"""The characters of packed answers that a served page holds."""

_PAGE = re.compile(r"/(?:index\.html|cycle-(?P<cycle>\d{1,9})\.html)?")
_LOOPBACK = re.compile(r"(?:127\.0\.0\.1|localhost)(?::\d+)?", re.IGNORECASE)
"""What a browser on this machine names as host: a page of another site may lead a name of its own here."""


@contextmanager
def serve_reports(settings: Settings, port: int) -> Iterator[ThreadingHTTPServer]:
    """Serve the pages of all cycles on 127.0.0.1, each made when it is asked for; port 0 takes any.

    Raises:
        StateError: if the port cannot be had.
    """
    try:
        server = ThreadingHTTPServer(("127.0.0.1", port), partial(_Handler, settings))
    except OSError as problem:
        raise StateError(f"cannot serve on port {port}: {problem.strerror}; give another one, or 0 for any") from None
    with server:
        yield server


class _Handler(BaseHTTPRequestHandler):
    """Answers GET for pages; whatever else is asked gets one line and changes nothing."""

    server_version = "selfopt"
    sys_version = ""

    def __init__(self, settings: Settings, *arguments: Any) -> None:
        self._settings = settings
        super().__init__(*arguments)

    def do_GET(self) -> None:
        """Answer with a page."""
        wanted = _PAGE.fullmatch(self.path.partition("?")[0])
        if not _LOOPBACK.fullmatch(self.headers.get("Host", "")):
            self._answer(HTTPStatus.FORBIDDEN, "this server answers only at 127.0.0.1 and localhost\n", "text/plain")
        elif wanted is None:
            self._answer(HTTPStatus.NOT_FOUND, "there are index.html and cycle-N.html\n", "text/plain")
        else:
            self._show(wanted["cycle"])

    def _show(self, number: str | None) -> None:
        cycle = None if number is None else int(number)
        try:
            (report,) = build_reports(self._settings, [cycle], now=timestamp(clock.now()))
            answers = read_answers(self._settings.ledger_path, report, room=MOST_SERVED)
            cycles = {line.cycle for line in report.cycles}
            self._answer(HTTPStatus.OK, page(report, answers, pages=cycles), "text/html")
        except SelfoptError as problem:
            self._answer(HTTPStatus.NOT_FOUND, f"{problem}\n", "text/plain")

    def _answer(self, status: HTTPStatus, text: str, kind: str) -> None:
        body = text.encode("utf-8", "replace")
        self.send_response(status)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Write no log: nobody reads it."""
