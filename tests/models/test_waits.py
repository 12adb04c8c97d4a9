"""How long a server asks to wait, however it says it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.models.waits import MOST_WAIT_S, wait_of

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


ABSURD = (
    "31 Dec 99999 23:59:59 GMT",
    "Fri, 31 Dec 99999 23:59:59 GMT",
    "Fri, 31 Dec 9999 23:59:59 GMT",
    "Mon, 99 Foo 2020 99:99:99 GMT",
    "1e400",
    "1e308",
    "99999999999999999999",
    "nan",
    "-inf",
    "soon",
)


@pytest.mark.parametrize("header", ABSURD)
def test_what_no_server_can_mean_is_not_said(header: str) -> None:
    assert wait_of({"Retry-After": header}, None, now=NOW) is None
    assert wait_of({"Retry-After": header, "x-ratelimit-reset": "17"}, None, now=NOW) == 17.0


@pytest.mark.parametrize("header", ["-5", "-1e308", "Wed, 21 Oct 2015 07:28:00 GMT", "Thu, 01 Jan 0001 00:00:00 GMT"])
def test_a_wait_that_is_over_is_none(header: str) -> None:
    assert wait_of({"Retry-After": header}, None, now=NOW) in (0.0, None)


NUMBERS = st.floats().map(str) | st.integers().map(str)
DATES = st.builds(
    "{}, {} {} {} {}:{}:{} {}".format,
    st.sampled_from(["Fri", "", "x"]),
    st.integers(-1, 99),
    st.sampled_from(["Jan", "Dec", "Foo", ""]),
    st.integers(-1, 10**6),
    st.integers(0, 99),
    st.integers(0, 99),
    st.integers(0, 99),
    st.sampled_from(["GMT", "+9999", "-0000", ""]),
)
RESETS = st.builds("{}-{}-{}T{}:00:00{}".format, *[st.integers(0, 99999)] * 3, st.integers(0, 30), st.just("+23:59"))
HEADERS = st.text() | NUMBERS | DATES | RESETS | st.sampled_from(ABSURD)


@given(
    st.dictionaries(st.sampled_from(["retry-after-ms", "Retry-After", "x-ratelimit-reset-tokens"]), HEADERS),
    st.text(),
)
def test_any_header_gives_seconds_or_nothing(headers: dict[str, str], delay: str) -> None:
    seconds = wait_of(headers, [{"retryDelay": delay}], now=NOW)
    assert seconds is None or 0 <= seconds <= MOST_WAIT_S
