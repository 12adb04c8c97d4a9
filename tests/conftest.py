"""What every test starts from."""

from __future__ import annotations

import os
import signal

# A shell that starts a job in the background lets it, and every process it starts, ignore Ctrl-C; some tests send it.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Sessions that tests start would compile the plugin again each time.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
