"""Addresses with secrets are told from others, and shown without them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.redaction.addresses import password_in_address, secret_in_address, shown_address


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/v1"),
        ("https://[::1]:80/v1", "https://[::1]:80/v1"),
        ("http://[", "http://["),
        ("https://host/@cf/model", "https://host/@cf/model"),
        ("https://host/v1?api-version=2024-10-21", "https://host/v1?api-version=2024-10-21"),
        ("https://host/v1?team=7&design=x#top", "https://host/v1?team=…&design=…&top=…"),
        ("", ""),
    ],
)
def test_an_address_without_a_secret_is_shown(address: str, shown: str) -> None:
    assert secret_in_address(address) == ""
    assert shown_address(address) == shown


@given(
    st.sampled_from(
        [
            "http://me:{}@host/v1",
            "http://{}@host",
            "nats://me:a/{}@host:4222",
            "//me:{}@host",
            "me:{}@host",
            "http://host/v1?key={}",
            "http://host?a=b&X-Api-Key={}",
            "http://host/#access_token={}",
            "http://host?sig={}",
            "http://host?%6bey={}",
            "http://me:{}@[",
        ]
    ),
    st.text("abcXYZ0123456789-_.~@:%[]", min_size=9).map(lambda text: f"S3CR3T{text}"),
)
def test_a_secret_in_an_address_is_never_shown(address: str, secret: str) -> None:
    whole = address.format(secret)
    assert secret_in_address(whole).startswith("must not contain a ")
    assert "S3CR3T" not in secret_in_address(whole) + shown_address(whole)


def test_a_password_in_an_address_is_a_secret() -> None:
    assert password_in_address("nats://me:pa%2Fss@host:4222") == "pa/ss"
    assert password_in_address("nats://token@host") == "token"
    assert password_in_address("nats://host:4222") == ""
