"""The site: built by the command that CONTRIBUTING names, and every link in it leads somewhere."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.docs import reference
from tests.docs.blocks import PAGES, Shell, blocks
from tests.packages import ROOT

_TARGET = re.compile(r'<(\w+)[^>]*? (?:href|src)="([^"]*)"')
_ELSEWHERE = ("https://", "http://", "//", "mailto:")


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    """A copy of what the documentation is made of."""
    shutil.copytree(ROOT / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("_build"))
    shutil.copytree(ROOT / "tests/docs", tmp_path / "tests/docs", ignore=shutil.ignore_patterns("__pycache__"))
    for source in (ROOT / "pytest_selfopt", *(ROOT / "tests").iterdir()):
        place = tmp_path / source.relative_to(ROOT)
        if not place.exists():
            place.symlink_to(source)
    return Shell(tmp_path)


def documented() -> tuple[str, str]:
    """The two commands of CONTRIBUTING about documentation, as they are typed in an environment that is active."""
    site, anew = blocks("CONTRIBUTING.md", "sh", 3)[2].splitlines()
    assert site.startswith("uv run ")
    assert anew.startswith("uv run ")
    return site.removeprefix("uv run "), anew.removeprefix("uv run ")


def faults(site: Path) -> list[str]:
    """What a page of a site loads from elsewhere, and its links that lead nowhere."""
    pages = {path: path.read_text() for path in site.rglob("*.html")}
    anchors = {path: set(re.findall(r' id="([^"]+)"', text)) for path, text in pages.items()}
    found = []
    for page, text in pages.items():
        for tag, target in _TARGET.findall(text):
            if target.startswith(_ELSEWHERE):
                found += [] if tag == "a" else [f"{page.name} loads {target}"]
                continue
            path, _, anchor = target.partition("#")
            file = (page.parent / unquote(path.partition("?")[0])).resolve() if path else page
            there = file.exists() and (not anchor or unquote(anchor) in anchors.get(file, ()))
            found += [] if there else [f"{page.name}: {target}"]
    return found


def test_the_site_builds_whole_without_warnings(shell: Shell) -> None:
    build, _ = documented()
    shell.run(build)
    site = shell.folder / "docs/_build"
    for page in PAGES:
        if page.startswith("docs/"):
            assert (site / Path(page).relative_to("docs").with_suffix(".html")).exists()
    assert faults(site) == []


def test_an_incomplete_site_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "there.html").write_text('<h1 id="here">')
    (tmp_path / "index.html").write_text(
        '<a class="x" href="there.html#here"><a href="#"><a href="https://example.org/">'
        '<a href="gone.html"><a href="there.html#gone"><a href="#gone"><img alt="" src="gone.png">'
        '<script src="https://example.org/x.js"></script><link rel="stylesheet" href="//example.org/x.css">'
    )
    assert faults(tmp_path) == [
        "index.html: gone.html",
        "index.html: there.html#gone",
        "index.html: #gone",
        "index.html: gone.png",
        "index.html loads https://example.org/x.js",
        "index.html loads //example.org/x.css",
    ]


def test_the_named_command_regenerates_the_reference(shell: Shell) -> None:
    _, anew = documented()
    for name in reference.PAGES:
        (shell.folder / "docs/reference" / name).unlink()
    shell.run(anew)
    for name in reference.PAGES:
        assert (shell.folder / "docs/reference" / name).read_text() == reference.text_of(name)
