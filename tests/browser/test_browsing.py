"""What tests of pages rely on: whatever is wrong with a page is noticed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.browser.browsing import visit

if TYPE_CHECKING:
    from playwright.sync_api import Browser

POLICY = "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; script-src 'unsafe-inline'\">"


@pytest.mark.parametrize(
    ("body", "trouble"),
    [
        ("<script>console.error('no')</script>", "console: no"),
        ("<script>nothing.at.all()</script>", "exception: nothing is not defined"),
        ("<script>alert('gotcha')</script>", "dialog: gotcha"),
        ("<img src='http://127.0.0.1:9/x.png' alt=''>", "request: http://127.0.0.1:9/x.png"),
        (f"{POLICY}<script>eval('1')</script>", "console: policy: script-src"),
    ],
)
def test_what_goes_wrong_is_written_down(browser: Browser, tmp_path: Path, body: str, trouble: str) -> None:
    path = tmp_path / "page.html"
    path.write_text(f"<!doctype html><title>t</title>{body}")
    with visit(browser, path) as found:
        found.page.wait_for_timeout(100)
        assert trouble in found.troubles


def test_a_page_in_order_has_no_problems(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("<!doctype html><html lang=en><title>t</title><main><h1>Fine</h1></main>")
    with visit(browser, path, width=390) as found:
        assert (found.troubles, found.serious_violations(), found.scrolls_sideways()) == ([], [], False)


def test_accessibility_problems_are_found(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("<!doctype html><title>t</title><img src='data:,'><div style='width: 900px'>wide</div>")
    with visit(browser, path, width=390) as found:
        rules = {line.split()[0] for line in found.serious_violations()}
        assert rules >= {"image-alt", "html-has-lang"}
        assert found.scrolls_sideways()
