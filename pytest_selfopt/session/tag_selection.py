"""The selection of items by the tags of their cases: `--selfopt-tags`, and pytest's own `-m`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pytest

from pytest_selfopt.bench.tag_expression import read_tags, unknown_tags
from pytest_selfopt.session.stash import PLANNED

_MARK_NAME = re.compile(r"[^\W_][\w.+/-]*")
_NO_NAMES = ("and", "or", "not", "True", "False", "None")


def deselect_by_tags(text: str, items: list[pytest.Item]) -> tuple[list[pytest.Item], list[str]]:
    """Remove the items of cases of which an expression is not true; items of other tests stay.

    Return the removed items, and a sentence on each tag that no case has.
    """
    expression = read_tags(text)
    problems = unknown_tags(expression, _tags_of(items), "--selfopt-tags")
    kept: list[pytest.Item] = []
    dropped: list[pytest.Item] = []
    for item in items:
        planned = item.stash.get(PLANNED, None)
        if planned is None or expression.matches(planned.case.tags):
            kept.append(item)
        else:
            dropped.append(item)
    items[:] = kept
    return dropped, problems


def _tags_of(items: Sequence[pytest.Item]) -> tuple[str, ...]:
    """Return the tags of all cases, each once, in the order of the items."""
    tags: dict[str, None] = {}
    for item in items:
        planned = item.stash.get(PLANNED, None)
        if planned is not None:
            tags.update(dict.fromkeys(planned.case.tags))
    return tuple(tags)


@contextmanager
def tags_as_marks(config: pytest.Config, items: Sequence[pytest.Item]) -> Iterator[None]:
    """Let `-m` see the tags of cases as marks while it selects; before and after, no item has them.

    So a tag acts on nothing else, and costs nothing where `-m` is not given.
    """
    if not config.option.markexpr:
        yield
        return
    marks = _marks_for(config, _tags_of(items))
    marked: list[pytest.Item] = []
    for item in items:
        planned = item.stash.get(PLANNED, None)
        if planned is not None and planned.case.tags:
            given = map(marks.get, planned.case.tags)
            item.own_markers.extend(filter(None, given))
            marked.append(item)
    try:
        yield
    finally:
        ours = set(map(id, marks.values()))
        for item in marked:
            item.own_markers[:] = [mark for mark in item.own_markers if id(mark) not in ours]


def _marks_for(config: pytest.Config, tags: Sequence[str]) -> dict[str, pytest.Mark]:
    """Return a mark for each tag that can be one; registered, so that `--strict-markers` accepts it.

    A registered marker with arguments, such as skipif(condition) or xdist_group(name), acts on its items, also while
    they are collected: a tag of its name becomes no mark.
    """
    registered: dict[str, bool] = {}
    for line in config.getini("markers"):
        signature = line.partition(":")[0]
        name, arguments, _ = signature.partition("(")
        registered[name.strip()] = bool(arguments)
    marks: dict[str, pytest.Mark] = {}
    for tag in tags:
        if not _MARK_NAME.fullmatch(tag) or tag in _NO_NAMES or registered.get(tag):
            continue
        if tag not in registered:
            config.addinivalue_line("markers", f"{tag}: a tag of benchmark cases")
        decorator: pytest.MarkDecorator = getattr(pytest.mark, tag)
        marks[tag] = decorator.mark
    return marks
