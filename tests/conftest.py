"""What every test starts from."""

from __future__ import annotations

import os
import signal

import pytest
from hypothesis import settings

from tests import warm

# A shell that starts a job in the background lets it, and every process it starts, ignore Ctrl-C; some tests send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Sessions that tests start would compile the plugin again each time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Threads of the embedded model that wait for each other would keep the processors from all other tests, and from each
# other: beside two busy processes its tests then take many times as long.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")

# Machines are noisy: no property is about how long a single example takes.
settings.register_profile("ours", deadline=None, max_examples=int(os.environ.get("SELFOPT_EXAMPLES", "100")))
settings.load_profile("ours")

# These modules have the longest tests, most of which wait; at the end of a run they would be waited for alone.
_FIRST = ("tests/acceptance/test_engines.py", "tests/report/test_litellm.py", "tests/models/test_embedded.py")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_setupnodes() -> None:
    """Start what the sessions of tests are forked from, once for all processes of xdist."""
    warm.python()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest tests."""
    items.sort(key=lambda item: not item.nodeid.startswith(_FIRST))
