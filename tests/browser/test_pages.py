"""The pages of reports as people use them: every view, both themes, wide and narrow, by pointer and by keyboard."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_selfopt.models.scripted import ScriptedServer
from pytest_selfopt.report.document import Report
from pytest_selfopt.report.page import page as page_of
from tests import warm
from tests.acceptance.conftest import BODY, MODEL, WITHOUT, right, suite_lines
from tests.browser.browsing import Theme, visit
from tests.report import samples

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

REPORTS = [samples.cycle, samples.history, samples.hostile, samples.undecided, samples.large]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[Report], Path]:
    def written(report: Report) -> Path:
        path = tmp_path / "report.html"
        path.write_text(page_of(report), "utf-8")
        return path

    return written


Write = Callable[[Report], Path]


def drawn(page: Page) -> list[str]:
    """The charts that show something, by name."""
    page.wait_for_function("() => [...document.querySelectorAll('.plot')].every((one) => one.querySelector('svg'))")
    charts: list[str] = page.evaluate(
        """() => [...document.querySelectorAll('figure.chart')]
            .filter((one) => one.querySelectorAll('svg [aria-label=dot] > *').length)
            .map((one) => one.dataset.chart)"""
    )
    return charts


@pytest.mark.parametrize(
    ("make", "theme", "width"),
    [
        *((make, "light", 1280) for make in REPORTS),
        *((make, "dark", 390) for make in REPORTS),
        # A theme changes colours only, and a width the layout; one page shows that they do not meddle.
        (samples.cycle, "dark", 1280),
    ],
)
def test_every_view_is_drawn_and_accessible(
    browser: Browser, write: Write, make: Callable[[], Report], theme: Theme, width: int
) -> None:
    report = make()
    with visit(browser, write(report), theme=theme, width=width) as found:
        charts = drawn(found.page)
        first = "curve" if report.kind == "history" else "overview"
        assert charts[0] == first
        if report.phases[0].verdict:
            assert "latency" in charts
        assert found.troubles == []
        assert not found.scrolls_sideways()
        # The largest page is made of the same elements; axe takes minutes for thousands of them.
        if make is not samples.large:
            assert found.serious_violations() == []
        else:
            assert found.page.locator("#strips-1 tbody tr").count() == 150
            assert found.page.locator(".strip:not(.drawn)").count() == 0


def test_a_laptop_shows_all_answers_unscrolled(browser: Browser, write: Write) -> None:
    for report in (samples.cycle(), samples.history(), samples.undecided()):
        with visit(browser, write(report), width=1280, height=720) as found:
            for selector in (".verdict h1", ".verdict .card:has-text('What comes next')", ".verdict .big"):
                box = found.page.locator(selector).bounding_box()
                assert box is not None
                assert box["y"] + box["height"] <= 720, selector


def test_prompts_are_found_by_name_and_outcome(browser: Browser, write: Write) -> None:
    with visit(browser, write(samples.cycle())) as found:
        form = found.page.locator("[data-filters=strips-1]")
        rows = found.page.locator("#strips-1 tbody tr:visible")
        assert (rows.count(), form.locator("output").inner_text()) == (4, "40 of 40")
        form.locator("input").fill("FILES-inv")
        assert (rows.count(), form.locator("output").inner_text()) == (1, "1 of 40")
        form.locator("input").fill("")
        for kind, number in (("fails", 2), ("differs", 3), ("error", 1), ("restraint", 1), ("", 4)):
            form.locator("select").select_option(kind)
            assert rows.count() == number, kind


def test_a_strip_has_shapes_and_words(browser: Browser, write: Write) -> None:
    with visit(browser, write(samples.cycle())) as found:
        cell = found.page.locator("#strips-1 tbody tr").nth(1).locator("td").last
        assert cell.locator("i").evaluate_all("(all) => all.map((one) => one.className)") == ["e", "m"]
        assert cell.locator(".unseen").inner_text() == "1 error, 2 missed"
        widths = cell.locator("i").evaluate_all("(all) => all.map((one) => one.offsetWidth)")
        assert widths[1] == 2 * widths[0]


def test_pointer_and_keyboard_show_a_marks_numbers(browser: Browser, write: Write) -> None:
    with visit(browser, write(samples.cycle())) as found:
        drawn(found.page)
        chart = found.page.locator("figure[data-chart=latency]")
        marks = chart.locator("[aria-label=dot] > [tabindex]")
        assert marks.count() == 4
        marks.last.hover()
        assert "51 of 120 answers right" in str(chart.locator("[aria-label=tip]").text_content())
        found.page.mouse.move(0, 0)
        marks.first.focus()
        found.page.wait_for_function(
            "(name) => document.querySelector('[data-chart=latency] [aria-label=tip]').textContent.includes(name)",
            arg="baseline",
        )
        assert "30 of 120 answers right" in str(marks.first.get_attribute("aria-label"))


def test_a_matrix_cell_gives_its_reason(browser: Browser, write: Write) -> None:
    with visit(browser, write(samples.cycle())) as found:
        bubble = found.page.locator("#bubble")
        assert not bubble.is_visible()
        cell = found.page.locator(".cell.bad").first
        cell.focus()
        found.page.wait_for_timeout(100)  # until the page has scrolled there
        box, at = bubble.bounding_box(), cell.bounding_box()
        assert box is not None
        assert at is not None
        assert abs(box["y"] - at["y"] - at["height"]) < 10
        assert bubble.inner_text() == "schema, restraint: restraint does not reach its limit"
        found.page.keyboard.press("Escape")
        assert not bubble.is_visible()
        cell.hover()
        assert bubble.is_visible()


def test_the_keyboard_reaches_everything_in_order(browser: Browser, write: Write) -> None:
    with visit(browser, write(samples.cycle())) as found:
        drawn(found.page)
        found.page.keyboard.press("Tab")
        assert found.page.evaluate("() => document.activeElement.textContent") == "Skip to the report"
        found.page.keyboard.press("Enter")
        assert found.page.evaluate("() => document.activeElement.id") == "main"
        reached = set()
        for _ in range(120):
            found.page.keyboard.press("Tab")
            reached.add(found.page.evaluate("() => document.activeElement.tagName.toLowerCase()"))
        assert reached >= {"button", "input", "select", "summary", "pre", "path"}


def test_the_page_reads_without_scripts(browser: Browser, write: Write) -> None:
    with visit(browser, write(samples.cycle()), scripts=False) as found:
        assert found.page.locator("h1").inner_text() == samples.cycle().headline
        assert found.page.locator("#strips-1 tbody tr").nth(1).locator("td").last.inner_text() == "EMM"
        assert not found.page.locator(".filters").first.is_visible()
        assert found.page.locator("noscript").first.is_visible()


def test_printing_unfolds_everything_uncut(browser: Browser, write: Write) -> None:
    report = samples.cycle()
    # As many as there are, with names and numbers as long as they get.
    gates = tuple(samples.gate(f"no_regression_{place}", value=0.0123, limit=0.0025) for place in range(11))
    phase = replace(report.phases[0], specs=tuple(replace(one, gates=gates) for one in report.phases[0].specs))
    # As wide as A4 is across, without its margins.
    with visit(browser, write(replace(report, phases=(phase,))), theme="dark", width=1032) as found:
        drawn(found.page)
        found.page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
        assert found.page.locator("details:not([open])").count() == 0
        found.page.emulate_media(media="print")
        background = found.page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        assert background == "rgb(255, 255, 255)"
        assert not found.page.locator("nav").is_visible()
        cut = "(all) => all.filter((one) => one.scrollWidth > one.clientWidth + 1).map((one) => one.ariaLabel)"
        assert found.page.locator(".scroll").evaluate_all(cut) == []
        found.page.evaluate("() => dispatchEvent(new Event('afterprint'))")
        assert found.page.locator("details[open]").count() == 0


def test_a_hostile_reply_is_only_text(browser: Browser, write: Write) -> None:
    with visit(browser, write(samples.hostile())) as found:
        drawn(found.page)
        found.page.wait_for_timeout(100)
        assert found.troubles == []
        assert found.page.locator("img").count() == 0
        shown = found.page.locator(".failures pre").last.inner_text()
        assert shown.startswith('</script><img src=x onerror="alert(1)">')
        assert "⟨U+202E⟩txt.exe" in shown
        found.page.locator(".cell").first.focus()
        assert "<svg onload" in found.page.locator("#bubble").inner_text()


def test_a_real_models_reply_is_text(browser: Browser, pytester: pytest.Pytester) -> None:
    reply = samples.HOSTILE.replace("\ud800", "") * 8000
    folder = pytester.path
    lines = [*suite_lines()[:4], *suite_lines()[-2:]]
    (folder / "items.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    pytester.makepyfile(test_items=BODY)
    with ScriptedServer({"default": {"text": reply}}) as server:
        (folder / "selfopt.toml").write_text(
            f'model = "{MODEL}"\ncandidates = 1\n[models."{MODEL}"]\nbase_url = "{server.base_url}"\n'
        )
        warm.run_pytest(pytester, *WITHOUT, "--selfopt-cycle")
    path = folder / ".selfopt" / "reports" / "cycle-1.html"
    assert path.stat().st_size < 2_000_000
    with visit(browser, path) as found:
        drawn(found.page)
        found.page.wait_for_timeout(100)
        assert found.troubles == []
        assert (
            found.page.locator(".failures pre")
            .nth(2)
            .inner_text()
            .startswith('</script><img src=x onerror="alert(1)">')
        )
        assert f"the answer has {len(reply):,} characters" in found.page.locator(".failures").inner_text()
        assert found.serious_violations() == []


@pytest.fixture
def answered(pytester: pytest.Pytester) -> Path:
    """The page of a real cycle: the baseline only talks, the candidate finds every item."""
    folder = pytester.path
    lines = [*suite_lines()[:5], *suite_lines()[-1:]]
    (folder / "items.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    pytester.makepyfile(test_items=BODY)
    script = {"rules": right(constrained=True), "default": {"text": samples.HOSTILE.replace("\ud800", "")}}
    with ScriptedServer(script) as server:
        (folder / "selfopt.toml").write_text(
            f'model = "{MODEL}"\ncandidates = 1\n[search]\nvariants = ["native_api", "schema"]\n'
            f'[models."{MODEL}"]\nbase_url = "{server.base_url}"\n'
        )
        warm.run_pytest(pytester, *WITHOUT, "--selfopt-cycle")
    return folder / ".selfopt" / "reports" / "cycle-1.html"


@pytest.mark.parametrize(("theme", "width"), [("light", 1280), ("dark", 390)])
def test_every_answer_is_shown_beside_the_baselines(browser: Browser, answered: Path, theme: Theme, width: int) -> None:
    with visit(browser, answered, theme=theme, width=width) as found:
        page = found.page
        page.get_by_role("button", name="show the answers to items/item-0").last.press("Enter")
        dialog = page.get_by_role("dialog")
        words = dialog.inner_text()
        for wanted in (
            "items/item-0, run 1",
            "Find item 0.",
            "a call of look_up",
            "baseline",
            "schema",
            "miss · ",
            "pass · ",
        ):
            assert wanted in words
        assert "⟨U+202E⟩txt.exe" in words
        assert found.serious_violations() == []
        assert not found.scrolls_sideways()
        page.keyboard.press("ArrowRight")
        dialog.get_by_text("items/item-0, run 2").wait_for()
        # The address leads there again.
        page.reload()
        dialog.get_by_text("items/item-0, run 2").wait_for()
        page.keyboard.press("Escape")
        page.wait_for_function("() => !location.hash.includes('case=')")
        assert [one for one in found.troubles if not one.startswith("request: file:")] == []


def test_answers_are_found_by_words_and_kind(browser: Browser, answered: Path) -> None:
    with visit(browser, answered) as found:
        form = found.page.locator("form.finder")
        form.get_by_label("In names").fill("ITEM-1")
        form.get_by_text("1 of 4 prompts").wait_for()
        form.get_by_label("In names").fill("onerror")
        form.get_by_text("4 of 4 prompts").wait_for()
        form.get_by_label("Show").select_option("fixed")
        form.get_by_text("3 of 4 prompts").wait_for()
        assert "find=atomic&words=onerror&show=fixed" in found.page.url
        found.page.locator(".found").get_by_role("button", name="schema, items/item-1, run 3: pass").click()
        assert "items/item-1, run 3" in found.page.get_by_role("dialog").inner_text()
        found.page.get_by_role("button", name="Close").click()
        found.page.reload()
        form.get_by_text("3 of 4 prompts").wait_for()
        assert found.serious_violations() == []
