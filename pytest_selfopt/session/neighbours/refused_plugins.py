"""The plugins that are refused: they run a test more than once, in a process of its own, or in a debugger.

| plugin | read of version |
| --- | --- |
| pytest-rerunfailures | 16.7 |
| flaky | 3.8.1 |
| pytest-retry | 1.7.0 |
| pytest-repeat | 0.9.4 |
| pytest-flakefinder | 1.1.0 |
| pytest-run-parallel | 0.10.0 |
| pytest-forked | 1.7.5 |
| pytest-parallel | 0.1.1 |

What is not listed here is noticed by `ItemRuns` when it happens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pytest

_OFF = (None, "", "0", 0)
"""Values of an option that changes nothing; `False` is equal to one of them."""
_ONCE = (*_OFF, "1", 1)
"""Values of a number of runs, in all, that changes nothing."""
_REPEATS = "would run a test more than once, but each run is evidence of a cycle or gate"
_FORKS = "runs each test in a child process, whose end can take evidence of a cycle or gate with it"
_DEBUGS = "opens a debugger in each test, and a test that is left in it counts as passed, although it judged nothing"
_NO_REPLIES = "runs tests in processes and threads of its own, which get no replies (pytest-xdist is supported: -n 2)"


@dataclass(frozen=True, slots=True)
class Switch:
    """An option that makes a plugin change how tests are run unless its value is one of `harmless`.

    It has a `name` for pytest and a `flag` for people; a `setting` in pytest's file counts where it is not given.
    """

    name: str
    flag: str
    harmless: tuple[object, ...] = _OFF
    setting: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RefusedPlugin:
    """A plugin that is refused if one of its options or markers, or the attribute that its decorator sets, is used.

    A plugin that is `never` of use is refused in plain sessions, too.
    """

    package: str
    module: str
    switches: tuple[Switch, ...] = ()
    markers: tuple[str, ...] = ()
    attribute: str = ""
    effect: str = _REPEATS
    never: bool = False


REFUSED = (
    RefusedPlugin(
        package="pytest-rerunfailures",
        module="pytest_rerunfailures",
        switches=(Switch("force_reruns", "--force-reruns"), Switch("reruns", "--reruns", setting="reruns")),
        markers=("flaky",),
    ),
    RefusedPlugin(
        package="flaky",
        module="flaky.flaky_pytest_plugin",
        switches=(Switch("force_flaky", "--force-flaky"),),
        markers=("flaky",),
        attribute="_flaky_max_runs",
    ),
    RefusedPlugin(
        package="pytest-retry",
        module="pytest_retry.retry_plugin",
        switches=(Switch("retries", "--retries", setting="retries"),),
        markers=("flaky",),
    ),
    RefusedPlugin(
        package="pytest-repeat",
        module="pytest_repeat",
        switches=(Switch("count", "--count", _ONCE),),
        markers=("repeat",),
    ),
    RefusedPlugin(
        package="pytest-flakefinder",
        module="pytest_flakefinder",
        switches=(Switch("flake_finder_enable", "--flake-finder"),),
    ),
    RefusedPlugin(
        package="pytest-run-parallel",
        module="pytest_run_parallel.plugin",
        switches=(
            Switch("parallel_threads", "--parallel-threads", _ONCE),
            Switch("iterations", "--iterations", _ONCE),
            Switch("forever", "--forever"),
        ),
        markers=("force_parallel_threads", "iterations", "parallel_threads"),
    ),
    RefusedPlugin(
        package="pytest-forked",
        module="pytest_forked",
        switches=(Switch("forked", "--forked"),),
        markers=("forked",),
        effect=_FORKS,
    ),
    RefusedPlugin(
        package="pytest-parallel",
        module="pytest_parallel",
        switches=(
            Switch("workers", "--workers", setting="workers"),
            Switch("tests_per_worker", "--tests-per-worker", setting="tests_per_worker"),
        ),
        effect=_NO_REPLIES,
        never=True,
    ),
    RefusedPlugin(
        package="pytest",
        module="_pytest.debugging",
        switches=(Switch("trace", "--trace"),),
        effect=_DEBUGS,
    ),
)


def refuse_plugins(config: pytest.Config, items: Sequence[pytest.Item], *, judges: bool) -> str:
    """Return a sentence on the first plugin with which benchmarks cannot be run; empty if there is none.

    Args:
        config: The configuration of the session.
        items: The items of benchmarks.
        judges: Whether the runs of the items are evidence.
    """
    names = _names_by_module(config)
    for plugin in REFUSED:
        if plugin.module in names and (judges or plugin.never):
            problem = _switched_on(config, plugin) or _marked(items, plugin, names[plugin.module])
            if problem:
                return problem
    return ""


def _names_by_module(config: pytest.Config) -> Mapping[str, str]:
    """Return the names under which pytest knows those of its plugins that are modules."""
    names: dict[str, str] = {}
    for name, plugin in config.pluginmanager.list_name_plugin():
        module = getattr(plugin, "__name__", None)
        if isinstance(module, str):
            names[module] = name
    return names


def _switched_on(config: pytest.Config, plugin: RefusedPlugin) -> str:
    """Return a sentence if an option or a setting makes a plugin change every test; empty if none does."""
    for switch in plugin.switches:
        value = config.getoption(switch.name, None)
        if value is not None and value not in switch.harmless:
            return f"{plugin.package} ({switch.flag}) {plugin.effect}; remove {switch.flag}"
        if value is None and switch.setting and config.getini(switch.setting) not in switch.harmless:
            cause = f"{switch.setting} in the settings of pytest"
            return f"{plugin.package} ({cause}) {plugin.effect}; give -o {switch.setting}= as well"
    return ""


def _marked(items: Sequence[pytest.Item], plugin: RefusedPlugin, name: str) -> str:
    """Return a sentence on the first item that is marked for a plugin of this name; empty if none is."""
    for item in items:
        cause = _mark_on(item, plugin)
        if cause:
            test = item.nodeid.partition("[")[0]
            return f"{test}: {plugin.package} ({cause}) {plugin.effect}; remove {cause}, or give -p no:{name}"
    return ""


def _mark_on(item: pytest.Item, plugin: RefusedPlugin) -> str:
    for marker in plugin.markers:
        if item.get_closest_marker(marker) is not None:
            return f"the marker {marker}"
    if not plugin.attribute:
        return ""
    for owner in (getattr(item, "obj", None), getattr(item, "cls", None)):
        if getattr(owner, plugin.attribute, None) is not None:
            return f"its decorator @{plugin.package}"
    return ""
