"""The browser that tests of pages use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from tests.browser.browsing import FLAGS, chromium

if TYPE_CHECKING:
    from playwright.sync_api import Browser


# Of a module, not of the session: the library keeps an event loop running, beside which other tests could run none.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium()
    if path is None:
        missing = "pages are tested in a Chromium, and there is none: apt-get install chromium, or set SELFOPT_CHROMIUM"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=path, args=list(FLAGS))
        try:
            yield opened
        finally:
            opened.close()
