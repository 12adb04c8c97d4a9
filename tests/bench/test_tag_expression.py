"""Boolean expressions over tags."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.bench.tag_expression import read_tags

NAMES = ("slow", "paid", "eu:billing", "v1.2-beta", "hard case", "and")
# The same expression in the words of Python, where a tag is a question to a set.
TAGS = st.sampled_from(NAMES).map(lambda name: (f"'{name}'", f"({name!r} in tags)"))


def _joined(parts: tuple[tuple[str, str], str, tuple[str, str]]) -> tuple[str, str]:
    (left, python_left), word, (right, python_right) = parts
    return f"{left} {word} {right}", f"{python_left} {word} {python_right}"


def _compound(inner: st.SearchStrategy[tuple[str, str]]) -> st.SearchStrategy[tuple[str, str]]:
    return st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(_joined),
        inner.map(lambda both: (f"({both[0]})", f"({both[1]})")),
        inner.map(lambda both: (f"not ({both[0]})", f"not ({both[1]})")),
    )


@given(both=st.recursive(TAGS, _compound), tags=st.sets(st.sampled_from(NAMES)))
def test_means_what_python_means(both: tuple[str, str], tags: set[str]) -> None:
    ours, python = both
    assert read_tags(ours).matches(tags) is eval(python, {"tags": tags})


@given(st.text(alphabet="ab()'\" andort-:.\t", max_size=40))
def test_any_text_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert read_tags(text).matches(()) in (True, False)


@pytest.mark.parametrize(
    ("text", "tags", "matches"),
    [
        ("slow and not paid", {"slow"}, True),
        ("a or b and c", {"a"}, True),
        ("not a or b", {"a", "b"}, True),
        ("not(a or b)", {"b"}, False),
        ("eu:billing and v1.2-beta", {"eu:billing", "v1.2-beta"}, True),
        ("'hard case'", {"hard case"}, True),
        ("'not'", {"not"}, True),
        ("(" * 5_000 + "a" + ")" * 5_000, {"a"}, True),
        ("not " * 5_001 + "a", {"a"}, False),
    ],
)
def test_words_bind_as_in_python(text: str, tags: set[str], *, matches: bool) -> None:
    assert read_tags(text).matches(tags) is matches


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "a tag is missing at the end"),
        ("slow and", "a tag is missing at the end"),
        ("or slow", "a tag is missing before 'or'"),
        ("slow paid", "'and' or 'or' is missing before 'paid'"),
        ("slow not paid", "'and' or 'or' is missing before 'not'"),
        ("()", "a tag is missing before ')'"),
        ("(slow", "'(' is not closed"),
        ("slow)", "')' closes nothing"),
        ("'slow", "a quotation mark is not closed"),
    ],
)
def test_wrong_words_are_refused(text: str, problem: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(problem)}; "):
        read_tags(text)
