"""Texts of others in Markdown, read by the parser that GitHub itself uses."""

from __future__ import annotations

import html
import re
from collections.abc import Callable

import pytest
from cmarkgfm import github_flavored_markdown_to_html
from cmarkgfm.cmark import Options
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.console.markdown_escape import LONGEST, block, code, cut, paragraph, plain, table
from pytest_selfopt.console.sanitize import visible
from pytest_selfopt.report.document import Report
from pytest_selfopt.report.markdown import as_markdown
from tests.report import samples

pieces = st.lists(
    st.sampled_from(
        ["http://", "https://", "www.", "ftp://", "mailto:", "xmpp:", "a", "b.c", "tom", "1", "&lt;", "<b>", "</td>"]
    )
    | st.sampled_from("@ _*~`|[]()<>!#+-=.:\\\n\t&;\"'$"),
    max_size=20,
)
texts = st.text(max_size=60) | pieces.map("".join) | st.just(samples.HOSTILE)


def shown(markdown: str) -> str:
    """What becomes of a document."""
    return re.sub(r"<!--.*?-->", "", github_flavored_markdown_to_html(markdown, options=Options.CMARK_OPT_UNSAFE))


def read(markdown: str) -> tuple[set[str], str]:
    """The elements of a document, and its text."""
    made = shown(markdown)
    return set(re.findall(r"<(\w+)", made)), html.unescape(re.sub(r"<[^>]*>", "", made)).strip("\n")


def told(text: str) -> str:
    """What is to be read of a text."""
    return cut(" ".join(text.split()), LONGEST)


@given(text=texts)
@pytest.mark.parametrize(
    ("write", "elements"),
    [
        (lambda text: f"x {plain(text)}", {"p"}),
        (lambda text: f"# x {plain(text)}", {"h1"}),
        (lambda text: f"- x {plain(text)}", {"ul", "li"}),
        (lambda text: paragraph(f"x {text}"), {"p"}),
    ],
)
def test_a_text_reads_as_written(write: Callable[[str], str], elements: set[str], text: str) -> None:
    assert read(write(text)) == (elements, told(f"x {text}"))


@given(text=texts.filter(str.strip))
def test_a_leading_text_is_a_paragraph(text: str) -> None:
    assert read(paragraph(text)) == ({"p"}, told(text))


@given(text=texts)
def test_a_text_stays_in_its_cell(text: str) -> None:
    elements, words = read("\n".join(table(["one", "two"], [[f"x {text}", "last"]])))
    assert elements == {"table", "thead", "tbody", "tr", "th", "td"}
    assert [line for line in words.split("\n") if line] == ["one", "two", told(f"x {text}"), "last"]


@given(text=texts)
def test_a_block_of_code_holds_everything(text: str) -> None:
    made = re.fullmatch(
        r"<pre[^>]*><code>([^<]*)</code></pre>\n<p>after</p>\n", shown("\n".join([*block(text), "", "after"]))
    )
    assert made is not None
    assert html.unescape(made[1]) == f"{visible(text)}\n"


@given(text=texts.filter(str.strip))
def test_a_text_as_code_is_code(text: str) -> None:
    assert read(f"x {code(text)} y")[0] <= {"p", "code"}


@pytest.mark.parametrize("make", [samples.cycle, samples.history, samples.hostile, samples.undecided])
def test_reports_hold_no_links_images_or_html(make: Callable[[], Report]) -> None:
    text = {"p", "h1", "h2", "h3", "strong", "code", "pre", "ul", "li"}
    assert read(as_markdown(make()))[0] <= text | {"table", "thead", "tbody", "tr", "th", "td"}
