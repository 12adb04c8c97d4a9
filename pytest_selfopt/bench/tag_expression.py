"""Boolean expressions over the tags of a case, such as "slow and not (paid or eu:billing)"."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from pytest_selfopt.suggest import did_you_mean

_RANKS = {"or": 1, "and": 2, "not": 3}
"""The operators, by how tightly they bind."""
_OPEN, _CLOSE = "(", ")"
_WORD = re.compile(r"""\s*(?:(?P<sign>[()])|"(?P<double>[^"]*)"|'(?P<single>[^']*)'|(?P<plain>[^\s()"']+))""")
_EXAMPLE = "write it like 'slow and not (paid or draft)'"


@dataclass(frozen=True, slots=True)
class _Word:
    """A word of an expression; a quoted word is a tag, whatever it says."""

    text: str
    is_tag: bool


@dataclass(frozen=True, slots=True)
class TagExpression:
    """A parsed expression, in postfix form: operators stand behind what they apply to."""

    postfix: tuple[_Word, ...]

    @property
    def tags(self) -> tuple[str, ...]:
        """The tags that are named, each once, in their order."""
        named = [word.text for word in self.postfix if word.is_tag]
        return tuple(dict.fromkeys(named))

    def matches(self, tags: Collection[str]) -> bool:
        """Whether the expression is true of a case with these tags."""
        values: list[bool] = []
        for word in self.postfix:
            if word.is_tag:
                values.append(word.text in tags)
                continue
            value = values.pop()
            if word.text == "not":
                values.append(not value)
            elif word.text == "and":
                values[-1] = values[-1] and value
            else:
                values[-1] = values[-1] or value
        return values[0]


def read_tags(text: str) -> TagExpression:
    """Parse an expression of tags, `and`, `or`, `not` and parentheses; a tag with spaces stands in quotes.

    Raises:
        ValueError: if it is none; the message says what is wrong.
    """
    reader = _Reader()
    for word in _words(text):
        reader.take(word)
    return TagExpression(reader.finish())


def unknown_tags(expression: TagExpression, known: Sequence[str], option: str) -> list[str]:
    """Return a sentence on each tag that an expression names and no case has; it begins with the option's name."""
    sentences: list[str] = []
    for tag in expression.tags:
        if tag not in known:
            hint = did_you_mean(tag, known)
            sentences.append(f"{option}: no case has the tag {tag!r}{hint}")
    return sentences


def _words(text: str) -> Iterator[_Word]:
    """Yield the words of an expression."""
    place, end = 0, len(text.rstrip())
    while place < end:
        match = _WORD.match(text, place)
        if match is None:
            raise ValueError(f"a quotation mark is not closed; {_EXAMPLE}")
        place = match.end()
        word = match.group(match.lastgroup or 0)
        keyword = match.lastgroup == "plain" and word in _RANKS
        is_tag = match.lastgroup != "sign" and not keyword
        yield _Word(word, is_tag)


class _Reader:
    """Brings words into postfix form, with a stack instead of recursion: no depth of parentheses is too much."""

    def __init__(self) -> None:
        self._postfix: list[_Word] = []
        self._pending: list[_Word] = []
        """Operators and open parentheses whose end has not come yet."""
        self._needs_tag = True

    def take(self, word: _Word) -> None:
        """Take the next word."""
        begins = word.is_tag or word.text in ("not", _OPEN)
        if begins != self._needs_tag:
            raise ValueError(self._complaint(f"before {word.text!r}"))
        if word.is_tag:
            self._postfix.append(word)
            self._needs_tag = False
        elif begins:
            self._pending.append(word)
        elif word.text == _CLOSE:
            self._close()
        else:
            self._release(_RANKS[word.text])
            self._pending.append(word)
            self._needs_tag = True

    def finish(self) -> tuple[_Word, ...]:
        """Return the postfix form."""
        if self._needs_tag:
            raise ValueError(self._complaint("at the end"))
        self._release(0)
        if self._pending:
            raise ValueError(f"'(' is not closed; {_EXAMPLE}")
        return tuple(self._postfix)

    def _close(self) -> None:
        self._release(0)
        if not self._pending:
            raise ValueError(f"')' closes nothing; {_EXAMPLE}")
        self._pending.pop()

    def _release(self, rank: int) -> None:
        """Move the pending operators that bind at least as tightly as `rank`, down to the last parenthesis."""
        while self._pending and self._pending[-1].text != _OPEN:
            if _RANKS[self._pending[-1].text] < rank:
                return
            self._postfix.append(self._pending.pop())

    def _complaint(self, place: str) -> str:
        missing = "'and' or 'or'"
        if self._needs_tag:
            missing = "a tag"
        return f"{missing} is missing {place}; {_EXAMPLE}"
