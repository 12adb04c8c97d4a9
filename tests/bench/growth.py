"""How the time of work grows with its size: told by ratios, which hold on machines of any speed."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable

SHORT = 8_000
"""Characters of the shorter text."""
TIMES = 4
"""How many times as long the other one is: linear work takes as many times as long, quadratic 16 times."""
BOUND = 10
"""Between the two."""
SHORTEST_S = 0.004
"""Seconds below which nothing is told by a ratio; what is quadratic in the longer text takes more."""
ATTEMPTS = 5


def is_quadratic(work: Callable[[str], object], text_of: Callable[[int], str], short: int = SHORT) -> bool:
    """Whether the processor time of work grows faster than the length of its text, whenever it is measured."""
    texts = text_of(short), text_of(TIMES * short)
    least = [float("inf"), float("inf")]
    for _ in range(ATTEMPTS):
        for place, text in enumerate(texts):
            least[place] = min(least[place], _seconds(work, text))
        if least[1] < max(SHORTEST_S, BOUND * least[0]):
            return False
    return True


def _seconds(work: Callable[[str], object], text: str) -> float:
    """The processor time of work without garbage collections, whose time grows with the whole process."""
    gc.disable()
    try:
        began = time.thread_time()
        work(text)
        return time.thread_time() - began
    finally:
        gc.enable()
