"""How far a batch is, on stderr."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from pytest_selfopt.console.output import columns_of
from pytest_selfopt.console.quantities import format_clock

LOG_INTERVAL_S = 5.0
LIVE_INTERVAL_S = 0.2


def progress_writer(stream: TextIO, clock: Callable[[], float]) -> Callable[[int, int, int], None]:
    """A function that writes now and then how far a batch is; on a terminal it writes the same line anew."""
    began = last = clock()
    live = stream.isatty()
    interval_s = LOG_INTERVAL_S
    if live:
        interval_s = LIVE_INTERVAL_S

    def write_progress(done: int, total: int, errors: int) -> None:
        nonlocal last
        now = clock()
        if done < total and now - last < interval_s:
            return
        last = now
        if live:
            columns = columns_of(stream) - 1
            text = describe_batch(done, total, errors, now - began, columns)
            text = text.ljust(columns)
        else:
            text = describe_batch(done, total, errors, now - began, 1000)
        end = "\n"
        if live and done < total:
            end = "\r"
        stream.write(f"{text}{end}")
        stream.flush()

    return write_progress


def describe_batch(
    done: int,
    total: int,
    errors: int,
    elapsed_s: float,
    most: int,
) -> str:
    """How far a batch is, in at most `most` columns: what matters least is left out, or all of it."""
    count = f"  {done:,} of {total:,} answers"
    answers = count
    if errors:
        answers = f"{count}, {errors:,} without answer"
    forms = (
        f"{answers}, {format_clock(elapsed_s)}",
        answers,
        count,
        f"{done}/{total}",
    )
    return next((form for form in forms if len(form) <= most), "")
