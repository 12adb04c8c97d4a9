"""The pages as a whole: every block is run by a test, every link leads somewhere, the reference is that of now."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import reference
from tests.docs.blocks import PAGES, all_blocks, strays
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


def test_every_code_block_is_run() -> None:
    known = {claim for path in TESTS for claim in claimed(path)}
    there = {(page, language) for page in PAGES for language, _ in all_blocks(page)}
    assert {one for one in there if one not in known and (one[0], "*") not in known} == set()


@pytest.mark.parametrize("page", PAGES)
def test_no_block_has_another_form(page: str) -> None:
    assert strays((ROOT / page).read_text()) == []


@pytest.mark.parametrize(
    "text",
    [
        "```\nselfopt history\n```\n",
        '```python title="a.py"\nx = 1\n```\n',
        "````sh\nselfopt history\n````\n",
        "~~~sh\nselfopt history\n~~~\n",
        "```{code-block} sh\nselfopt history\n```\n",
        ":::{code-block} sh\nselfopt history\n:::\n",
        "- Type\n\n  ```sh\n  selfopt history\n  ```\n",
        "1. ```sh\n   selfopt history\n   ```\n",
        "> ```sh\n> selfopt history\n> ```\n",
        "Type\n\n    selfopt history\n",
        "- Type\n\n      selfopt history\n",
        "Type\n\n\tselfopt history\n",
        "<pre>selfopt history</pre>\n",
    ],
)
def test_a_block_of_unknown_form_is_noticed(text: str) -> None:
    assert strays(text) != []
    assert strays(f"Before.\n\n```sh\nselfopt history\n```\n\n{text}") != []


@pytest.mark.parametrize("name", reference.PAGES)
def test_the_reference_matches_the_code(name: str) -> None:
    assert (reference.FOLDER / name).read_text() == reference.text_of(name), (
        "write it anew: python -m tests.docs.reference"
    )


def test_every_command_argument_has_a_meaning() -> None:
    assert not re.findall(r"(?m)^\| `.*`\s*\|\s*\|$", reference.text_of("commands.md"))


def anchors(path: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    text = re.sub(r"(?ms)^```.*?^```", "", path.read_text())
    titles = re.findall(r"(?m)^#+ (.*)$", text)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_has_page_and_heading(page: str) -> None:
    text = re.sub(r"(?ms)^```.*?^```", "", (ROOT / page).read_text())
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith(("https://", "http://")):
            continue
        path, _, anchor = target.partition("#")
        file = ((ROOT / page).parent / path).resolve() if path else ROOT / page
        assert file.exists(), f"{page}: {target}"
        if anchor:
            assert anchor in anchors(file), f"{page}: {target}"


HOUSE = ("CONTRIBUTING.md", "docs/explanation/architecture.md")


@pytest.mark.parametrize("page", HOUSE)
def test_files_and_names_in_maps_exist(page: str) -> None:
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"(?ms)^```.*?^```", "", (ROOT / page).read_text()))
    files = [one for one in spans if re.fullmatch(r"\w[\w./-]*(/|\.(py|js|json|md|toml))", one)]
    names = [one for one in spans if re.fullmatch(r"[A-Z]\w+", one)]
    modules = [one.split()[2].replace(".", "/") for one in spans if one.startswith("python -m")]
    programs = [f"{one}/__main__.py" if (ROOT / one).is_dir() else f"{one}.py" for one in modules]
    assert len(files) > 5
    known = "\n".join(path.read_text() for path in (ROOT / "pytest_selfopt").rglob("*.py"))
    missing = [
        one for one in (*files, *programs) if not any((ROOT / at / one).exists() for at in ("", "pytest_selfopt"))
    ]
    assert missing == []
    assert [one for one in names if not re.search(rf"^(class |def )?{one}\b", known, flags=re.MULTILINE)] == []
