"""Async test functions: pytest runs their bodies only with a plugin that takes them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import pytest

from pytest_selfopt.session.stash import PLANNED

_ADVICE = {
    "asyncio": 'mark it with @pytest.mark.asyncio or set asyncio_mode = "auto"',
    "anyio": "mark it with @pytest.mark.anyio",
    "trio": "mark it with @pytest.mark.trio or set trio_mode = true",
}
"""What makes a plugin take a test, by the name under which pytest knows the plugin."""
_INSTALL = "install and set up pytest-asyncio, anyio or pytest-trio"
_SELECTIVE = frozenset({"python", *_ADVICE})
"""The plugins of which is known which tests they take; pytest's own takes none."""


def refuse_async(items: Sequence[pytest.Item]) -> list[str]:
    """Return a sentence on each async benchmark test whose body nothing would run."""
    tests: dict[str, pytest.Function] = {}
    for item in items:
        if PLANNED in item.stash and isinstance(item, pytest.Function):
            tests.setdefault(item.nodeid.partition("[")[0], item)
    sentences: list[str] = []
    for test, item in tests.items():
        if inspect.isasyncgenfunction(item.obj):
            sentences.append(
                f"{test}: a test with both async and yield is never run, so it would judge nothing; remove yield"
            )
        elif inspect.iscoroutinefunction(item.obj) and not _is_taken(item):
            advice = _advice(item.config)
            sentences.append(f"{test}: no plugin runs this async test, so it would judge nothing; {advice}")
    return sentences


def _is_taken(item: pytest.Function) -> bool:
    """Whether a plugin will run an async test, as far as can be known before."""
    # pytest-asyncio makes its own items of the tests that it takes.
    if type(item) is not pytest.Function:
        return True
    manager = item.config.pluginmanager
    if manager.hasplugin("anyio") and "anyio_backend" in item.fixturenames:
        return True
    if manager.hasplugin("trio") and item.get_closest_marker("trio") is not None:
        return True
    return any(
        not (hook.wrapper or hook.hookwrapper) and hook.plugin_name not in _SELECTIVE
        for hook in item.ihook.pytest_pyfunc_call.get_hookimpls()
    )


def _advice(config: pytest.Config) -> str:
    choices = [advice for plugin, advice in _ADVICE.items() if config.pluginmanager.hasplugin(plugin)]
    if not choices:
        choices.append(_INSTALL)
    return ", or ".join([*choices, "write it without async"])
