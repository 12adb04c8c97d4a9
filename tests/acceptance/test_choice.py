"""Several candidates pass: which one is chosen, what is said of the others, and what the winner costs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.acceptance.conftest import MODEL, Project, right, said, short_suite

Make = Callable[..., Project]
BIG = "scripted/big"
TWO_MODELS = f"""
price_in = 1
price_out = 1
[tool.selfopt.models."{BIG}"]
base_url = "BASE_URL"
price_in = 40
price_out = 40
[tool.selfopt.search]
models = ["{MODEL}", "{BIG}"]
warmup = []
isolation = []
retries = []
timeouts = []
variants = VARIANTS
[tool.selfopt]
"""


def configure(made: Project, variants: str, extra: str = "") -> None:
    # The table of the model comes last in the file, so that the others follow it.
    made.configure(TWO_MODELS.replace("BASE_URL", made.server.base_url).replace("VARIANTS", variants))
    path = made.path / "pyproject.toml"
    text = path.read_text().removesuffix("[tool.selfopt]\n\n").removesuffix("[tool.selfopt]\n")
    path.write_text(text.replace("[tool.selfopt]\n", f"[tool.selfopt]\n{extra}\n", 1))


def test_only_the_winner_is_promoted(project: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others passed; everywhere it is said how the winner did beside them."""
    made = project({"rules": [*right(constrained=True), *right(model="big")]})
    made.write_suite(short_suite())
    configure(made, '["native_api", "schema"]')
    page = made.path / "summary.md"
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(page))
    result = made.run("--selfopt-cycle")
    assert result.ret == 0
    terminal, history = said(result), made.selfopt("history").stdout
    report = made.selfopt("report", "--cycle", "1", "--format", "md").stdout
    why = made.selfopt("why", MODEL, "atomic").stdout
    beside = "schema is as good in 21 answers side by side (fixed 0, broke 0) and costs less, $"
    assert f"{BIG} passed, not chosen: {beside}" in terminal
    assert f"passed, not chosen: {beside}" in history
    assert f"- **{BIG}**: passed, not chosen: {beside}" in report
    assert f"PASSED {BIG}/atomic/native_api/t60/r1/i0" in why
    for text in (terminal, history, report, why, page.read_text()):
        assert f"PROMOTE {BIG}" not in text
        assert f"PROMOTE  {BIG}" not in text


def test_a_winners_price_is_told_and_can_hold_it(project: Make) -> None:
    """Held by its price it is not asked again, until the limit is raised."""
    made = project({"rules": right(model="big")})
    made.write_suite(short_suite())
    configure(made, "[]", "max_cost_ratio = 2")
    held = made.run("--selfopt-cycle")
    assert held.ret == 10
    assert f"HOLD atomic: better at a price that max_cost_ratio holds: {BIG}" in said(held)
    assert "what it takes: a higher max_cost_ratio lets the next cycle promote it" in said(held)
    waits = made.run("--selfopt-cycle")
    assert f"{BIG}/atomic/native_api/t60/r1/i0 waits: it costs" in said(waits)
    assert f"candidate: model {MODEL} → {BIG}" not in said(waits)
    configure(made, "[]", "max_cost_ratio = 100")
    promoted = made.run("--selfopt-cycle")
    assert promoted.ret == 0
    headline = said(promoted).partition("why:")[0]
    assert f"PROMOTE atomic: {BIG}, 21 of 21 answers right instead of 3 of 21 in this cycle;" in headline
    assert "; it costs " in headline
    assert " times as much: $" in headline
    assert " instead of $" in headline
    assert "; it costs " in made.selfopt("report", "--cycle", "3", "--format", "md").stdout.splitlines()[0]
