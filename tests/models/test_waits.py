"""How long a server asks to wait, however it says it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.models.waits import wait_of

NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after-ms": "1500", "Retry-After": "9"}, 1.5),
        ({"Retry-After": "3723"}, 3723.0),
        ({"x-ratelimit-reset-requests": "6m0s", "x-ratelimit-reset-tokens": "120ms"}, 0.12),
        (
            {
                "x-ratelimit-reset-requests": "6m0s",
                "x-ratelimit-remaining-requests": "0",
                "x-ratelimit-reset-tokens": "1s",
            },
            360.0,
        ),
        ({"x-ratelimit-reset": "1800000030000"}, 30.0),
        ({"x-ratelimit-reset": "1800000030"}, 30.0),
        ({"x-ratelimit-reset": "17"}, 17.0),
        ({"anthropic-ratelimit-requests-reset": "2027-01-15T08:00:10Z"}, 10.0),
        ({"anthropic-ratelimit-requests-reset": "soon"}, None),
        ({"Retry-After": "nan"}, None),
        ({}, None),
    ],
)
def test_headers_are_read_as_seconds(headers: dict[str, str], seconds: float | None) -> None:
    assert wait_of(headers, None, now=NOW) == pytest.approx(seconds)


def test_googles_delay_is_read_from_the_body() -> None:
    details = [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "34.07s"}]
    assert wait_of({}, details, now=NOW) == pytest.approx(34.07)


@given(
    st.dictionaries(st.sampled_from(["retry-after-ms", "Retry-After", "x-ratelimit-reset-tokens"]), st.text()),
    st.text(),
)
def test_any_header_gives_seconds_or_nothing(headers: dict[str, str], delay: str) -> None:
    seconds = wait_of(headers, [{"retryDelay": delay}], now=NOW)
    assert seconds is None or 0 <= seconds < float("inf")
