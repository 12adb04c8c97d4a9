"""The pages as a whole: every block is run by a test, every link leads somewhere, the reference is that of now."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import reference
from tests.docs.blocks import PAGES, all_blocks
from tests.packages import ROOT

TESTS = (*sorted(Path(__file__).parent.glob("test_*.py")), ROOT / "tests/acceptance/test_workflows.py")


def claimed(path: Path) -> Iterator[tuple[str, str]]:
    """Page and language of each call of `blocks` in a test, and of pages that are walked through as a whole."""
    tree = ast.parse(path.read_text())
    names = {
        target.id: node.value.value
        for node in tree.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)
        for target in node.targets
        if isinstance(target, ast.Name)
    }

    def value(node: ast.expr) -> object:
        return names.get(node.id) if isinstance(node, ast.Name) else getattr(node, "value", None)

    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.args:
            page = value(node.args[0])
            if node.func.id == "blocks":
                yield str(page), str(value(node.args[1]))
            elif node.func.id == "all_blocks":
                yield str(page), "*"


def test_every_block_of_code_is_run_by_a_test() -> None:
    known = {claim for path in TESTS for claim in claimed(path)}
    there = {(page, language) for page in PAGES for language, _ in all_blocks(page)}
    assert {one for one in there if one not in known and (one[0], "*") not in known} == set()


def test_no_block_has_another_form() -> None:
    for page in PAGES:
        outside = re.sub(r"(?ms)^(```+).*?^\1$", "", (ROOT / page).read_text())
        assert "```" not in outside, page
        assert not re.search(r"\n\n    \S", re.sub(r"(?m)^( *[-*\d]+\.? .*\n)( {2,}.*\n)+", "", outside)), page


@pytest.mark.parametrize("name", reference.PAGES)
def test_the_reference_is_that_of_the_code(name: str) -> None:
    assert (reference.FOLDER / name).read_text() == reference.text_of(name), (
        "write it anew: python -m tests.docs.reference"
    )


def test_every_argument_of_every_command_has_a_meaning() -> None:
    assert not re.findall(r"(?m)^\| `.*`\s*\|\s*\|$", reference.text_of("commands.md"))


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"(?ms)^```.*?^```", "", path.read_text())
    titles = re.findall(r"(?m)^#+ (.*)$", text)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_to_a_page_and_a_heading(page: str) -> None:
    text = re.sub(r"(?ms)^```.*?^```", "", (ROOT / page).read_text())
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        file = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert file.exists(), f"{page}: {target}"
        if anchor:
            assert anchor in anchors(file), f"{page}: {target}"


def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-d", str(tmp_path / "trees"), str(ROOT / "docs")]
    done = subprocess.run([*command, str(tmp_path / "site")], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    for page in PAGES:
        if page.startswith("docs/"):
            assert (tmp_path / "site" / Path(page).relative_to("docs").with_suffix(".html")).exists()
    index = (tmp_path / "site" / "index.html").read_text()
    loaded = re.findall(r'<(?:script|link|img)[^>]*(?:src|href)="(https?://[^"]*)"', index)
    assert loaded == []
