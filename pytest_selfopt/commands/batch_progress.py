"""How far a batch is, said on the other stream, which is no part of the answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TextIO

from pytest_selfopt.console.output import columns_of
from pytest_selfopt.console.quantities import format_duration

LOG_INTERVAL_S = 5.0


def progress(stream: TextIO, clock: Callable[[], float]) -> Callable[[int, int, int], None]:
    """What says how far a survey is, now and then; on a terminal the line is written anew."""
    began = said = clock()
    live = stream.isatty()

    def say(done: int, total: int, errors: int) -> None:
        nonlocal said
        now = clock()
        if done < total and now - said < (0.2 if live else LOG_INTERVAL_S):
            return
        said = now
        end = "\r" if live and done < total else "\n"
        most = columns_of(stream) - 1 if live else 1000
        text = describe_survey(done, total, errors, now - began, most)
        stream.write(f"{text.ljust(most) if live else text}{end}")
        stream.flush()

    return say


def describe_survey(done: int, total: int, errors: int, elapsed_s: float, most: int) -> str:
    """How far a survey is; what matters least is left out where it takes more than `most` columns, or all of it."""
    wrong = f", {errors:,} without answer" if errors else ""
    count = f"  {done:,} of {total:,} answers"
    forms = (f"{count}{wrong}, {format_duration(elapsed_s)}", f"{count}{wrong}", count, f"{done}/{total}")
    return next((form for form in forms if len(form) <= most), "")
