"""Hostile input of every kind, in whole sessions: `python -m tests.performance.hostile`.

Replies on all wires, suites and settings that were damaged, suites of 20,000 cases by a careless author, damaged files
of the state, messages in the queues of NATS, and kill -9 at 200 random moments of cycles in a row. It prints each
fault with the input that it came from, and at the end how many inputs were tried, and how many led to a traceback, a
key in a file or an output, a lost call, a hang, a forgery that was accepted, or another fault; the status is 1 if any
did. A seed gives the same inputs. The whole takes about an hour of processor time on one core.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests import warm
from tests.performance.hostile import careless, files, kills, queues, replies, state
from tests.performance.hostile.figures import Figures

KINDS = {
    replies.KIND: replies.play,
    files.SUITES: files.play_suites,
    files.SETTINGS: files.play_settings,
    careless.KIND: careless.play,
    state.KIND: state.play,
    queues.KIND: queues.play,
    kills.KIND: kills.play,
}
SEED = 20_261_130
PATIENCE_S = 900
"""Seconds after which a process is taken to hang, on a busy machine, too."""


def main() -> None:
    """Try all kinds, print what is wrong and the figures; the status is 1 if anything is."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=SEED, help=f"of what is tried (default: {SEED})")
    parser.add_argument("--only", choices=KINDS, action="append", help="only this kind of input")
    parser.add_argument("--short", action="store_true", help="a few inputs of each kind")
    options = parser.parse_args()
    warm.SECONDS = PATIENCE_S
    figures = Figures()
    for kind in options.only or KINDS:
        with tempfile.TemporaryDirectory(prefix="hostile-") as folder:
            KINDS[kind](figures, Path(folder), options.seed, short=options.short)
    print(figures.table())
    sys.exit(1 if figures.findings else 0)


if __name__ == "__main__":
    main()
