"""A real browser on a page, with everything that goes wrong on it written down."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Dialog, Page, Route

Theme = Literal["light", "dark"]
NAMES = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
_LISTEN = """
document.addEventListener("securitypolicyviolation", (event) => console.error(`policy: ${event.violatedDirective}`));
"""


def chromium() -> str | None:
    """Where a Chromium is: what SELFOPT_CHROMIUM says, or what is on the path."""
    return os.environ.get("SELFOPT_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@dataclass(slots=True)
class Visit:
    """An open page, and what went wrong on it: messages of the console, and requests for anything but the page."""

    page: Page
    troubles: list[str] = field(default_factory=list)

    def serious_violations(self) -> list[str]:
        """What axe-core finds that keeps readers out: rule, place and help for each."""
        script = resources.files("axe_playwright_python") / "axe.min.js"
        self.page.evaluate(script.read_text("utf-8"))
        found: dict[str, Any] = self.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{one['id']} ({one['impact']}) at {node['target']}: {one['help']}"
            for one in found["violations"]
            if one["impact"] in ("serious", "critical")
            for node in one["nodes"]
        ]

    def scrolls_sideways(self) -> bool:
        """Whether the page is wider than the window."""
        return bool(self.page.evaluate("() => document.documentElement.scrollWidth > innerWidth"))


@contextmanager
def visit(
    browser: Browser,
    path: Path,
    *,
    theme: Theme = "light",
    width: int = 1280,
    height: int = 800,
    scripts: bool = True,
) -> Iterator[Visit]:
    """Open a file in a window of its own, as somebody sees it who has this theme, width and height (CSS pixels)."""
    context = browser.new_context(
        color_scheme=theme,
        viewport={"width": width, "height": height},
        java_script_enabled=scripts,
        reduced_motion="reduce",
    )
    try:
        page = context.new_page()
        found = Visit(page)
        address = path.as_uri()

        def note(kind: str, text: str) -> None:
            found.troubles.append(f"{kind}: {text}")

        def dismiss(dialog: Dialog) -> None:
            note("dialog", dialog.message)
            dialog.dismiss()

        def refuse(route: Route) -> None:
            note("request", route.request.url)
            route.abort()

        page.on("console", lambda said: note("console", said.text) if said.type in ("error", "warning") else None)
        page.on("pageerror", lambda problem: note("exception", str(problem)))
        page.on("dialog", dismiss)
        context.route(lambda url: url != address and not url.startswith("data:"), refuse)
        page.add_init_script(_LISTEN)
        page.goto(address)
        page.wait_for_timeout(0)
        yield found
    finally:
        context.close()
