"""What every test starts from."""

from __future__ import annotations

import os
import signal

from hypothesis import settings

# A shell that starts a job in the background lets it, and every process it starts, ignore Ctrl-C; some tests send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Sessions that tests start would compile the plugin again each time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# Machines are noisy: no property is about how long a single example takes.
settings.register_profile("no deadline", deadline=None)
settings.load_profile("no deadline")
