"""The page as text: it is one file that loads nothing, and nothing that others wrote becomes part of it."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.console.sanitize import visible
from pytest_selfopt.report.document import Report
from pytest_selfopt.report.page import page
from tests.report import samples

REPORTS = [samples.cycle, samples.history, samples.hostile, samples.undecided, samples.large]
LOADING = {"src", "srcset", "data", "poster", "action", "formaction", "background", "ping"}


class Elements(HTMLParser):
    """The tags of a page with their attributes, the scripts, and all text outside of scripts and styles."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.words: list[str] = []
        self._inside: dict[str, str | None] | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = dict(attrs) if tag == "script" else None

    def handle_data(self, data: str) -> None:
        if self._inside is not None:
            self.scripts.append((self._inside, data))
        else:
            self.words.append(data)

    def handle_endtag(self, tag: str) -> None:
        self._inside = None


@pytest.mark.parametrize("make", REPORTS)
def test_a_page_refers_to_nothing_external(make: Callable[[], Report]) -> None:
    elements = Elements(page(make()))
    for tag, attributes in elements.tags:
        assert not LOADING & set(attributes), (tag, attributes)
        target = attributes.get("href")
        assert target is None or target.startswith("#") or target == "data:,", (tag, target)
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
    (policy,) = (one["content"] for _, one in elements.tags if one.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe-eval" not in policy


@pytest.mark.parametrize("make", REPORTS)
def test_the_policy_hashes_every_script(make: Callable[[], Report]) -> None:
    elements = Elements(page(make()))
    (policy,) = (str(one["content"]) for _, one in elements.tags if one.get("http-equiv") == "Content-Security-Policy")
    allowed = re.findall(r"'sha256-([^']+)'", policy)
    ran = [text for attributes, text in elements.scripts if attributes.get("type") != "application/json"]
    assert [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in ran] == allowed
    assert len(ran) == 5


@pytest.mark.parametrize("make", REPORTS)
def test_links_have_targets_and_ids_are_unique(make: Callable[[], Report]) -> None:
    tags = Elements(page(make())).tags
    names = [one["id"] for _, one in tags if "id" in one]
    assert len(names) == len(set(names))
    targets = {one["href"] for tag, one in tags if tag == "a" and one["href"]}
    assert {f"#{name}" for name in names} >= targets
    lists = {one["data-filters"] for _, one in tags if "data-filters" in one}
    assert lists <= set(names)


texts = st.text(st.characters(), max_size=40) | st.just(samples.HOSTILE)


@given(text=texts)
def test_foreign_texts_stay_texts(text: str) -> None:
    report = samples.cycle()
    ours = report.phases[0]
    failure = replace(ours.failures[0], got=text, prompt=text, reason=text, case=text)
    specs = tuple(replace(one, name=text) for one in ours.specs)
    told = replace(report, headline=text, phases=(replace(ours, failures=(failure,), specs=specs),))
    plain = replace(failure, got="x", prompt="x", reason="x", case="x")
    usual = replace(
        report,
        headline="x",
        phases=(replace(ours, failures=(plain,), specs=tuple(replace(one, name="x") for one in specs)),),
    )
    made, expected = Elements(page(told)), Elements(page(usual))
    optional = {"p", "pre"}  # what is empty is said to be so, in another element
    assert [tag for tag, _ in made.tags if tag not in optional] == [
        tag for tag, _ in expected.tags if tag not in optional
    ]
    data = next(text for attributes, text in made.scripts if attributes.get("type") == "application/json")
    assert {one["name"] for one in json.loads(data)["atomic"]["specs"]} == {visible(text)}
    assert visible(text).strip() in " ".join(made.words) or not text.strip()


def test_hidden_characters_are_shown() -> None:
    words = " ".join(Elements(page(samples.hostile())).words)
    assert "⟨U+202E⟩txt.exe⟨U+0007⟩⟨U+D800⟩" in words
    assert "\u202e" not in words
    assert "{{ 7 * 7 }}" in words


def test_the_largest_page_is_below_two_megabytes() -> None:
    assert len(page(samples.large()).encode()) < 2_000_000


def test_a_megabyte_reply_is_marked_as_cut() -> None:
    assert "the answer has 1,048,576 characters" in page(samples.hostile())
