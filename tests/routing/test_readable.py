"""A routing configuration that cannot be used as a whole: what can be read of it holds, for everyone alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.routing.config import load_config, parse_config, readable_config
from pytest_selfopt.routing.readable import read_document
from pytest_selfopt.routing.resolve import index_rules, resolve, route

OFF: dict[str, Any] = {"model": "m", "phase": "p", "allow": False, "fallback_model": "stand-in"}
OTHER: dict[str, Any] = {"model": "n", "phase": "p", "variant": "schema"}

NAMES = st.sampled_from(["m", "n", 'q"{', "é\\"])
RULES: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {"model": NAMES, "phase": st.sampled_from(["p", "q"])},
    optional={
        "allow": st.booleans(),
        "fallback_model": NAMES | st.none(),
        "timeout": st.floats(0, 9) | st.just("soon"),
        "status": st.sampled_from(["trial", "rolled_back", "lost"]),
        "timestamp": st.integers(0, 9) | st.just("2026-11-30") | st.just([]),
        "before": st.just({"model": "m", "phase": "p", "allow": True}),
        "other": st.just({"rules": [3]}),
    },
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | RULES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["rules", "a"]), inner, max_size=2),
    max_leaves=8,
)


def write(folder: Path, text: str) -> Path:
    path = folder / "routing_config.json"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    return path


def is_used(text: str, model: str, phase: str) -> bool:
    """Whether the text lets a model be asked itself."""
    settled = route(index_rules(read_document(text).rules), model, phase)
    return settled.allowed and settled.model == model


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, list[dict[str, Any]]]:
    """A configuration that was cut off, or has a character too few or a wrong one; and the rules it was made of."""
    rules = draw(st.lists(RULES, max_size=4))
    text = json.dumps({"version": 1, "rules": rules})
    place = draw(st.integers(0, len(text)))
    rest = draw(st.sampled_from(["", text[place:], text[place + 1 :]]))
    return text[:place] + draw(st.sampled_from(["", "{", '"', ",", "NaN", "\n<<<<<<< HEAD\n"])) + rest, rules


@given(damaged())
def test_whole_rules_of_a_damaged_file_disable(given_: tuple[str, list[dict[str, Any]]]) -> None:
    text, rules = given_
    if not read_document(text).problems:
        return
    for rule in rules:
        off = rule.get("allow") is False and rule.get("status") != "rolled_back"
        if off and json.dumps(rule) in text:
            assert not is_used(text, rule["model"], rule["phase"])


@given(JSON)
def test_any_document_gives_the_same_answer_everywhere(
    tmp_path_factory: pytest.TempPathFactory, document: object
) -> None:
    path = write(tmp_path_factory.mktemp("any"), json.dumps(document))
    config = readable_config(path)
    for model in ("m", "n"):
        by_application = resolve(model, "p", path=path)
        by_command = config.apply_routing(model, "p")
        assert (by_application.model, by_application.allowed) == (by_command.model, by_command.allowed)
        assert not config.problem or by_application.because[-1].endswith(config.problem.removeprefix(path.name))
    at_start = load_config(path)
    for model in ("m", "n"):
        used = at_start.apply_routing(model, "p")
        assert (used.model, used.allowed) == (config.apply_routing(model, "p").model, used.allowed)
        after = resolve(model, "p", path=path)
        assert (used.model, used.allowed) == (after.model, after.allowed)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (json.dumps({"rules": [OFF, {**OTHER, "retries": "two"}]}), "rules[1]: 'retries' must be int, not 'two'"),
        (json.dumps({"rules": [{**OFF, "timestamp": []}]}), "rules[0]: 'timestamp' must be str or int or float"),
        (json.dumps({"rules": [OFF, OTHER, 7, {}]}), "a rule must be an object, not int, and 1 more"),
        (json.dumps([OFF]), "the file must contain an object"),
        (json.dumps({"rules": {"m::p": OFF}}), "'rules' must be a list"),
        (json.dumps({"version": 2, "rules": [OFF]}), "has version 2"),
        (json.dumps({"version": 1, "rulez": [OFF]}), "unknown field 'rulez'; did you mean 'rules'?"),
        (json.dumps({"timestamp": True, "rules": [OFF]}), "'timestamp' must be a string or a number"),
        (json.dumps({"rules": [OFF, OTHER]})[:-20], "invalid JSON at column"),
        ("\ufeff" + json.dumps({"rules": [OFF]}), "invalid JSON"),
        ('{"rules": [' + json.dumps(OFF) + '], "rules": []}', "duplicate key 'rules'"),
        ('{"rules": [{"model": "m", "phase": "p", "allow": false, "allow": true}]}', "duplicate key 'allow'"),
        (json.dumps({"x": float("nan"), "rules": [OFF]}), "NaN is not a JSON number"),
        (json.dumps({"rules": [{**OFF, "timeout": float("inf")}]}), "Infinity is not a JSON number, and 1 more"),
        (json.dumps({"rules": [OFF, {**OFF, "allow": True, "cycle": "x"}]}), "'cycle' must be int"),
        ("[" * 100_000 + json.dumps(OFF), "nested too deeply"),
    ],
)
def test_what_is_readable_holds_and_the_rest_is_said(tmp_path: Path, text: str, said: str) -> None:
    settled = resolve("m", "p", path=write(tmp_path, text), default="mine")
    assert not (settled.allowed and settled.model == "m")
    assert said in settled.because[-1]
    unknown = resolve("new", "p", path=tmp_path / "routing_config.json", default="mine")
    assert (unknown.model, said in unknown.because[0]) == ("mine", True)


def test_bytes_that_are_no_utf_8_hide_no_rule(tmp_path: Path) -> None:
    path = tmp_path / "routing_config.json"
    path.write_bytes(json.dumps({"rules": [{**OFF, "reason": "é"}]}, ensure_ascii=False).encode("latin-1"))
    settled = resolve("m", "p", path=path)
    assert settled.model == "stand-in"
    assert "it is not valid UTF-8 (byte 9" in settled.because[-1]


def test_what_a_broken_rule_replaced_is_not_in_force() -> None:
    rule = {"model": "m", "phase": "p", "allow": True, "before": OFF, "cycle": 3}
    assert is_used(json.dumps({"rules": [rule]})[:-4], "m", "p")


@pytest.mark.parametrize(
    ("rule", "used"),
    [
        ({"fallback_model": "c"}, "c"),
        ({"fallback_model": None}, "m"),
        ({"allow": True, "fallback_model": "c"}, "m"),
        ({"allow": False, "fallback_model": "c"}, "c"),
        ({"allow": None, "fallback_model": "c"}, "c"),
        ({"allow": "no"}, "none"),
        ({"fallback_model": 7}, "none"),
    ],
)
def test_what_a_rule_allows(rule: dict[str, Any], used: str) -> None:
    rules = read_document(json.dumps({"rules": [{"model": "m", "phase": "p", **rule}]})).rules
    settled = route(index_rules(rules), "m", "p")
    assert used == (settled.model if settled.allowed else "none")


def test_a_file_set_aside_leaves_its_readable_rules(tmp_path: Path) -> None:
    text = json.dumps({"owner": "me", "timestamp": 1771848000, "rules": [OFF, {**OTHER, "retries": -1}]})
    path = write(tmp_path, text)
    config = load_config(path)
    assert "rules[1]: 'retries' must not be negative, not -1" in config.problem
    assert config.problem.endswith("and its readable rules hold (2)")
    (aside,) = tmp_path.glob("*.corrupt-*")
    assert aside.read_text() == text
    written = json.loads(path.read_text())
    assert written == {"version": 1, "timestamp": 1771848000, "owner": "me", "rules": [OFF, {**OTHER, "allow": True}]}
    assert parse_config(path.read_text()).rules == config.rules


@pytest.mark.parametrize("broken", [[], [3]], ids=["in order", "broken"])
def test_a_disabled_default_is_not_asked(tmp_path: Path, broken: list[Any]) -> None:
    off = {"model": "x", "phase": "p", "allow": False}
    dead = {"model": "dead", "phase": "p", "allow": False}
    path = write(tmp_path, json.dumps({"rules": [OFF, off, dead, *broken]}))
    for model in ("dead", *(["unknown"] if broken else [])):
        assert resolve(model, "p", path=path, default="m").model == "stand-in"
        assert resolve(model, "p", path=path, default="free").allowed
        assert not resolve(model, "p", path=path, default="x").allowed
