"""Rules rest on premises: what changed is named, and each kind of rule lapses in its own way."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.loop.provenance import Expiry, changed, expire, together
from pytest_selfopt.routing.rule import Rule, rule_to_json

NOW = "2026-11-21T12:00:00Z"
THEN = {"model digest": "aa", "provider": "p", "suite items": "11"}
known = st.dictionaries(st.sampled_from(["a", "b", "c"]), st.sampled_from(["1", "2"]))


def rule(**fields: Any) -> Rule:
    return Rule(model="m", phase="atomic", **{"variant": "schema", "premises": THEN, "reason": "proven", **fields})


def lapsed(*rules: Rule, matters: bool = True, **now: str) -> Expiry:
    return expire(rules, "m", "atomic", premises=lambda _: {**THEN, **now}, matters=lambda _: matters, now=NOW)


@given(then=known, now=known)
def test_facts_unknown_on_one_side_are_ignored(then: dict[str, str], now: dict[str, str]) -> None:
    differing = [name for name in then if name in now and then[name] != now[name]]
    said = changed(then, now)
    assert all(f"{name} was {then[name]}, is {now[name]}" in said for name in differing)
    assert bool(said) is bool(differing)


def test_without_changes_every_rule_stays() -> None:
    rules = (rule(status="confirmed"), rule(status="rolled_back"), rule(status=None))
    assert lapsed(*rules) == Expiry(rules=rules, changes=())


def test_an_expired_confirmed_rule_is_retried() -> None:
    kept = Rule(model="m", phase="atomic", variant="native_api")
    confirmed = rule(status="confirmed", before=rule_to_json(kept))
    found = lapsed(confirmed, provider="q")
    (again,) = found.rules
    assert (again.status, again.variant, again.untried) == ("trial", "schema", kept)
    (change,) = found.changes
    assert change.kind == "expired"
    assert change.sentence.endswith("because provider was p, is q")
    assert (change.before, change.after) == (confirmed, again)


def test_a_rule_without_effect_is_not_tried() -> None:
    confirmed = rule(status="confirmed")
    assert lapsed(confirmed, matters=False, provider="q").rules == (confirmed,)


@pytest.mark.parametrize("before", [None, Rule(model="m", phase="atomic", retries=2)])
def test_an_expired_trial_restores_the_previous_rule(before: Rule | None) -> None:
    tried = rule(status="trial", before=rule_to_json(before) if before else None)
    found = lapsed(tried, provider="q")
    assert [one for one in found.rules if one.in_force] == ([before] if before else [])
    assert [one.status for one in found.rules if not one.in_force] == ["expired"]
    assert found.changes[0].after == before


def test_a_rolled_back_rule_may_be_retried() -> None:
    found = lapsed(rule(status="rolled_back"), provider="q")
    assert [one.status for one in found.rules] == ["expired"]
    assert found.changes[0].kind == "forgotten"
    (change,) = found.changes
    assert (change.before, change.after) == (rule(status="rolled_back"), None)


def test_rules_without_relevant_provenance_never_expire() -> None:
    rules = (
        rule(status="confirmed", premises=None),
        Rule(model="n", phase="atomic", status="confirmed", premises=THEN),
    )
    assert lapsed(*rules, provider="q").changes == ()


def test_fallback_facts_are_marked_suites_named_once() -> None:
    both = together(THEN, {"model digest": "cc", "suite items": "11"})
    assert both == {**THEN, "fallback model digest": "cc"}
