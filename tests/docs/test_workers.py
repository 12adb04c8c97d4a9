"""The tables of docs/how-to/nats.md and temporal.md name every key and variable that there is, and no other."""

from __future__ import annotations

import re
from dataclasses import fields

import pytest

from pytest_selfopt.runners.nats.config import NatsConfig
from pytest_selfopt.runners.temporal.config import TemporalConfig
from tests.packages import ROOT

SECRETS = {"password", "token", "api_key"}
KEY_NAMES = {"ack_wait_s": "ack_wait", "heartbeat_s": "heartbeat"}


def table(page: str) -> list[tuple[set[str], set[str]]]:
    """The keys and the variables in each row of a page's table."""
    text = (ROOT / "docs/how-to" / page).read_text()
    rows = [line.split("|") for line in text.splitlines() if line.startswith("|")][2:]
    return [(set(re.findall(r"`(\w+)`", row[1])), set(re.findall(r"`(\w+)`", row[3]))) for row in rows]


@pytest.mark.parametrize(("page", "config"), [("nats.md", NatsConfig()), ("temporal.md", TemporalConfig())])
def test_worker_keys_and_variables_match_the_settings(page: str, config: NatsConfig | TemporalConfig) -> None:
    rows = table(page)
    named = set().union(*(keys for keys, _ in rows))
    there = {KEY_NAMES.get(field.name, field.name) for field in fields(config)} - SECRETS
    assert named == there
    for variable in set().union(*(variables for _, variables in rows)):
        value = "true" if variable.endswith("_TLS") else "a:1"
        assert config.with_environment({variable: value}) != config, variable
