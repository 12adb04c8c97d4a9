"""Reading typed values from a TOML table; errors name the place of a wrong value."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, overload

from pytest_selfopt.bounded_text import brief
from pytest_selfopt.errors import SettingsError
from pytest_selfopt.redaction.known import KNOWN
from pytest_selfopt.suggest import did_you_mean


class Table:
    """One table of a configuration file, read key by key; `finish` rejects keys that were not read."""

    def __init__(self, values: object, place: str) -> None:
        """Wrap `values`, found at `place` (such as `pyproject.toml [tool.selfopt]`).

        Raises:
            SettingsError: if it is not a table.
        """
        if not isinstance(values, Mapping):
            raise SettingsError(f"{place}: expected a table, got {_shown(values)}")
        self.place = place
        self._values: Mapping[str, Any] = values
        self._known: list[str] = []

    def text(self, key: str, default: str | None = None, *, choices: Sequence[str] = ()) -> str | None:
        """Read a non-empty string, one of `choices` if given."""
        value: str | None = self._take(key, str, "text", default)
        if value == "":
            self.refuse(key, "must not be empty")
        if value is not None and choices and value not in choices:
            self.refuse(key, f"{_brief(value)} is not one of {', '.join(choices)}{did_you_mean(value, choices)}")
        return value

    def integer(self, key: str, default: int, *, least: int, most: int) -> int:
        """Read a whole number between two bounds."""
        value = self._take(key, int, "a whole number", default)
        assert isinstance(value, int)
        if not least <= value <= most:
            self.refuse(key, f"{value} is outside {least} to {most}")
        return value

    @overload
    def number(self, key: str, default: float, *, least: float, most: float) -> float: ...
    @overload
    def number(self, key: str, default: float | None, *, least: float, most: float) -> float | None: ...
    def number(self, key: str, default: float | None, *, least: float, most: float) -> float | None:
        """Read a number between two bounds."""
        value = self._take(key, (int, float), "a number", default)
        if value is not None and not least <= value <= most:
            self.refuse(key, f"{value} is outside {least:g} to {most:g}")
        return None if value is None else float(value)

    def numbers(self, key: str, default: tuple[float, ...]) -> tuple[float, ...]:
        """Read a list of numbers."""
        values: tuple[float, ...] = self._list(key, (int, float), "numbers", default)
        return values

    def texts(self, key: str, default: tuple[str, ...]) -> tuple[str, ...]:
        """Read a list of strings."""
        values: tuple[str, ...] = self._list(key, str, "texts", default)
        return values

    def flags(self, key: str, default: tuple[bool, ...]) -> tuple[bool, ...]:
        """Read a list of booleans."""
        values: tuple[bool, ...] = self._list(key, bool, "booleans", default)
        return values

    @overload
    def flag(self, key: str) -> bool | None: ...
    @overload
    def flag(self, key: str, *, default: bool) -> bool: ...
    def flag(self, key: str, *, default: bool | None = None) -> bool | None:
        """Read a boolean."""
        value: bool | None = self._take(key, bool, "true or false", default)
        return value

    def raw(self, key: str) -> Any:
        """Return the unchecked value; None if the key is missing."""
        self._known.append(key)
        return self._values.get(key)

    def has(self, key: str) -> bool:
        """Whether the key exists."""
        return key in self._values

    def table(self, key: str) -> Table:
        """Return a nested table; a missing one is empty."""
        self._known.append(key)
        return Table(self._values.get(key, {}), f"{self.place} {key}")

    def tables(self) -> dict[str, Table]:
        """Return all keys of this table, each as a table."""
        return {key: self.table(key) for key in self._values}

    def refuse(self, key: str, why: str) -> NoReturn:
        """Reject the value of `key`.

        Raises:
            SettingsError: always.
        """
        raise SettingsError(f"{self.place}: {key}: {why}")

    def names(self) -> tuple[str, ...]:
        """Return the keys."""
        return tuple(self._values)

    def finish(self) -> None:
        """Reject keys that were not read.

        Raises:
            SettingsError: naming the first such key, and the key that was probably meant.
        """
        for key in self._values:
            if key not in self._known:
                raise SettingsError(f"{self.place}: unknown key {_brief(key)}{did_you_mean(key, self._known)}")

    def _take(self, key: str, kind: type | tuple[type, ...], what: str, default: Any) -> Any:
        self._known.append(key)
        if key not in self._values:
            return default
        value = self._values[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool) or value != value:
            self.refuse(key, f"expected {what}, got {_shown(value)}")
        return value

    def _list(self, key: str, kind: type | tuple[type, ...], what: str, default: Any) -> Any:
        values = self._take(key, list, f"a list of {what}", list(default))
        for value in values:
            if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
                self.refuse(key, f"expected a list of {what}, but it contains {_shown(value)}")
        return tuple(values)


def _brief(value: object) -> str:
    """Return the beginning of a value without secrets: somebody may have put a key into the wrong place."""
    return brief(KNOWN.redactor.redact_value(value))


def _shown(value: object) -> str:
    return f"{_brief(value)} ({type(value).__name__})"
