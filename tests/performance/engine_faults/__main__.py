"""What real engines do to calls: `python -m tests.performance.engine_faults [NAME …] [--times N]`.

Whole cycles with real servers and workers, each fault ten times. With NATS: replies that fill its max_payload to the
byte, and longer ones; a max_payload that is lowered meanwhile, so that the server closes the connections of its clients
for good; 3,000 calls in one batch. With Temporal: workflows that are gone (as after the retention of their namespace)
or terminated, all of them and some; prompts of 2.5 and 5 MB; servers with lower limits of payloads and histories. What
is asked is counted at the model: no call may be paid twice, and every session has to end at its first try. It takes a
quarter of an hour; the status is 1 if anything is wrong.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from pytest_selfopt.models.scripted import ScriptedServer
from tests.acceptance.engines import KINDS, Engine
from tests.performance.engine_faults import nats_faults, temporal_faults
from tests.performance.engine_faults.bench import Bench

PUBLISHES = 3000


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done with a bench, in turns; it returns what was counted, and raises an AssertionError."""

    kind: str
    play: Callable[[Bench, int], str]
    server: tuple[str, ...] = ()
    """More arguments of the server."""


FAULTS: Mapping[str, Fault] = {
    "around_max_payload": Fault("nats", nats_faults.around_max_payload),
    "lowered_max_payload": Fault("nats", nats_faults.lowered_max_payload),
    "lost_workflows": Fault("temporal", temporal_faults.lost_workflows),
    "long_prompts": Fault("temporal", temporal_faults.long_prompts),
    "low_blob_limit": Fault("temporal", temporal_faults.low_blob_limit, temporal_faults.LOW_BLOBS),
    "low_history_limit": Fault("temporal", temporal_faults.low_history_limit, temporal_faults.LOW_HISTORIES),
}


def play(name: str, folder: Path, times: int) -> int:
    """Repeat a fault on one server; print what came; return how often it was wrong."""
    fault, wrong = FAULTS[name], 0
    with ExitStack() as held:
        engine = Engine(KINDS[fault.kind], folder / "engine", more=fault.server)
        held.callback(engine.close)
        for turn in range(times):
            engine.name = f"turn-{turn}"
            with ScriptedServer({}) as server:
                try:
                    told = fault.play(Bench(folder / str(turn), engine, server), turn)
                except AssertionError as problem:
                    wrong += 1
                    told = f"WRONG: {problem}"
                engine.end_workers()
            print(f"{name} {turn + 1}: {told}", flush=True)
    return wrong


def main() -> None:
    """Play all faults, or some."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[[], "publishes", *FAULTS], metavar="NAME")
    parser.add_argument("--times", type=int, default=10)
    options = parser.parse_args()
    wrong = 0
    with tempfile.TemporaryDirectory(prefix="engine-faults-") as place:
        for name in options.names or ["publishes", *FAULTS]:
            if name == "publishes":
                print(nats_faults.publishes(Path(place, name), PUBLISHES), flush=True)
            else:
                wrong += play(name, Path(place, name), options.times)
    print(f"wrong: {wrong}")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
