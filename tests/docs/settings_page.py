"""The page of all settings: every key of `[tool.selfopt]`, written down while the settings are read."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any
from unittest import mock

from pytest_selfopt.config_table import Table
from pytest_selfopt.settings import Mode, Overrides, load_settings
from tests.docs.lines import table
from tests.docs.meanings import MEANINGS

# One table of each kind that a project names itself, and the keys that are read only where they stand.
NAMED = """
[providers.own_provider]
base_url = "http://127.0.0.1:8000/v1"
[models."own_provider/own_model"]
context = 8192
[budget]
max_calls = 1
[phases.own_phase]
[tiers]
own_tier = ["own_provider/own_model"]
[variants]
own_variant = "module:NAME"
"""
Found = dict[str, list[list[str]]]


def settings_page() -> Iterator[str]:
    """Every key that is read from `[tool.selfopt]`."""
    yield from (
        "# All settings",
        "",
        "Every key that is read, what it means and may be, and what holds when it is left out. ",
        "",
    )
    yield from (
        "Names in capitals are your own; the built-in providers [have their own defaults](../how-to/models.md). ",
        "Where no default stands, there is none, or it depends on other keys. ",
        "[Configuration](configuration.md) shows the keys at work, ",
        "and [where settings are looked for](configuration.md#where-settings-are-looked-for).",
        "",
    )
    for place, rows in sorted(read_keys().items(), key=lambda one: one[0] != "[tool.selfopt]"):
        meanings = MEANINGS[place]
        assert meanings.keys() == {row[0].strip("`") for row in rows}, f"{place}: the keys in tests/docs/meanings.py"
        shown = [[key, meanings[key.strip("`")], may_be, default] for key, may_be, default in rows]
        yield from (f"## {place}", "", *table(["key", "meaning", "may be", "default"], shown), "")


def read_keys() -> Found:
    """The rows of each table: key, what it may be, default."""
    found: Found = {}
    kinds: dict[str, Any] = {name: _noting(found, getattr(Table, name), kind) for name, kind in _KINDS.items()}
    with mock.patch.multiple(Table, **kinds), tempfile.TemporaryDirectory() as folder, chdir(folder):
        Path("selfopt.toml").write_text(NAMED)
        load_settings(Path.cwd(), Mode.CYCLE, Overrides())
    return found


def _noting(found: Found, read: Callable[..., Any], kind: str) -> Callable[..., Any]:
    """A way to read a value that writes down what is asked for."""

    def noting(self: Table, key: str, default: Any = None, **bounds: Any) -> Any:
        row = [f"`{_own(key)}`", _may_be(kind, bounds), _own(_default(default, bounds.get("least")))]
        found.setdefault(_place(self.place), []).append(row)
        given = {"default": default} if kind == "true or false" and default is not None else {}
        arguments = () if kind == "true or false" else (default,)
        return read(self, key, *arguments, **given, **bounds)

    def noting_flag(self: Table, key: str, *, default: bool | None = None) -> Any:
        return noting(self, key, default)

    return noting_flag if kind == "true or false" else noting


def _may_be(kind: str, bounds: dict[str, Any]) -> str:
    if bounds.get("choices"):
        return _own(" or ".join(f"`{one}`" for one in bounds["choices"]))
    return f"{kind}, {bounds['least']:,.10g} to {bounds['most']:,.10g}" if "least" in bounds else kind


def _default(default: Any, least: float | None) -> str:
    """A default as it is written in TOML; one that nobody may write stands for none."""
    if default is None or default == () or (least is not None and default < least):
        return ""
    values = [f"{one:g}" if isinstance(one, float) else json.dumps(one) for one in _listed(default)]
    return f"`[{', '.join(values)}]`" if isinstance(default, tuple) else f"`{values[0]}`"


def _listed(default: Any) -> tuple[Any, ...]:
    return default if isinstance(default, tuple) else (default,)


def _place(place: str) -> str:
    """The name of a table."""
    words = place.removeprefix("selfopt.toml").replace("own_provider/own_model", "own_model").split()
    return _own(f"[tool.selfopt{''.join(f'.{word}' for word in words)}]")


def _own(text: str) -> str:
    """A text with names of a project's own in capitals."""
    for name in ("provider", "model", "phase", "tier", "variant"):
        text = text.replace(f"own_{name}", name.upper())
    return text


_KINDS = {
    "text": "text",
    "integer": "a whole number",
    "number": "a number",
    "numbers": "a list of numbers",
    "texts": "a list of strings",
    "flags": "a list of booleans",
    "flag": "true or false",
}
