"""What surveys say while they are under way, and in the history."""

from __future__ import annotations

import io

from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.commands.common.batch_progress import describe_batch, progress_writer


@given(most=st.integers(0, 100), done=st.integers(0, 2000), errors=st.integers(0, 2000))
def test_batch_progress_fits_uncut(most: int, done: int, errors: int) -> None:
    text = describe_batch(done, 2000, errors, 61, most)
    assert len(text) <= most
    assert set(text.replace(",", "").split()) <= {
        *describe_batch(done, 2000, errors, 61, 1000).replace(",", "").split(),
        f"{done}/2000",
    }
    assert bool(text) == (most >= len(f"{done}/2000"))


def test_a_log_gets_timed_lines_and_an_end() -> None:
    stream, seconds = io.StringIO(), iter([0, 1, 6, 7, 8])
    write = progress_writer(stream, lambda: float(next(seconds)))
    for done in (1, 2, 3, 4):
        write(done, 4, 1)
    assert stream.getvalue().splitlines() == [
        "  2 of 4 answers, 1 without answer, 0:06",
        "  4 of 4 answers, 1 without answer, 0:08",
    ]
