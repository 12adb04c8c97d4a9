"""How far a batch is, said on the other stream, which is no part of the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from pytest_selfopt.console.output import columns_of
from pytest_selfopt.console.quantities import format_duration

LOG_INTERVAL_S = 5.0
LIVE_INTERVAL_S = 0.2


def progress(stream: TextIO, clock: Callable[[], float]) -> Callable[[int, int, int], None]:
    """What says how far a survey is, now and then; on a terminal the line is written anew."""
    began = last = clock()
    live = stream.isatty()
    interval_s = LOG_INTERVAL_S
    if live:
        interval_s = LIVE_INTERVAL_S

    def say(done: int, total: int, errors: int) -> None:
        nonlocal last
        now = clock()
        if done < total and now - last < interval_s:
            return
        last = now
        if live:
            columns = columns_of(stream) - 1
            text = describe_survey(done, total, errors, now - began, columns)
            text = text.ljust(columns)
        else:
            text = describe_survey(done, total, errors, now - began, 1000)
        end = "\n"
        if live and done < total:
            end = "\r"
        stream.write(f"{text}{end}")
        stream.flush()

    return say


def describe_survey(
    done: int,
    total: int,
    errors: int,
    elapsed_s: float,
    most: int,
) -> str:
    """How far a survey is; what matters least is left out where it takes more than `most` columns, or all of it."""
    count = f"  {done:,} of {total:,} answers"
    answers = count
    if errors:
        answers = f"{count}, {errors:,} without answer"
    forms = (
        f"{answers}, {format_duration(elapsed_s)}",
        answers,
        count,
        f"{done}/{total}",
    )
    return next((form for form in forms if len(form) <= most), "")
