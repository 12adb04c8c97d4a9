"""Reading the fields of an entry one by one, so that all wrong ones are told at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ParamSpec, TypeVar

from pytest_selfopt.bench.call_format import show
from pytest_selfopt.bench.environment import BrokenWorld
from pytest_selfopt.suggest import did_you_mean

_Inputs = ParamSpec("_Inputs")
_Value = TypeVar("_Value")


class WrongFields(ValueError):
    """Fields of an entry are wrong; a sentence for each, and none for what was told elsewhere."""

    def __init__(self, sentences: Sequence[str]) -> None:
        super().__init__("; ".join(sentences))
        self.sentences = tuple(sentences)


class Fields:
    """Reads the fields of one entry, and goes on after a wrong one."""

    def __init__(self, unread: Sequence[str] = ()) -> None:
        self._sentences: list[str] = []
        self.wrong = bool(unread)
        """Whether a field is wrong or unread, so that there is no entry."""

    def read(self, reader: Callable[_Inputs, _Value], *inputs: _Inputs.args, **named: _Inputs.kwargs) -> _Value | None:
        """Return what the reader makes of its inputs; None if it refuses them."""
        try:
            return reader(*inputs, **named)
        except WrongFields as problem:
            self.wrong = True
            self.refuse(problem.sentences)
        except (ValueError, BrokenWorld) as problem:
            self.refuse([str(problem)])
        return None

    def refuse(self, sentences: Iterable[str]) -> None:
        """Note what is wrong."""
        self._sentences.extend(sentences)
        self.wrong = self.wrong or bool(self._sentences)

    def check(self) -> None:
        """Refuse the entry if a field is wrong.

        Raises:
            WrongFields: with all that was found.
        """
        if self.wrong:
            raise WrongFields(self._sentences)


def object_of(value: Any, what: str, known: Sequence[str] = ()) -> dict[str, Any]:
    """Return the object that an entry is; with `known`, one that has no other fields.

    Raises:
        WrongFields: if it is something else.
    """
    if not isinstance(value, dict):
        raise WrongFields([f"expected a {what} as an object, got {show(value)}"])
    unknown = unknown_fields(value, what, known)
    if known and unknown:
        raise WrongFields(unknown)
    return value


def unknown_fields(value: Iterable[object], what: str, known: Sequence[str]) -> list[str]:
    """Return a sentence on each field that entries of this kind do not have."""
    sentences: list[str] = []
    for name in value:
        if name not in known:
            hint = did_you_mean(str(name), known)
            sentences.append(f"unknown field {show(str(name))} of a {what}{hint}")
    return sentences
