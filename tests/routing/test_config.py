"""The routing configuration: read, written, set aside, and what applications get from it."""

from __future__ import annotations

import importlib.resources
import json
import os
import signal
import subprocess
import sys
import textwrap
import timeit
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.errors import StateError
from pytest_selfopt.routing.config import (
    NewerVersionError,
    RoutingConfig,
    load_config,
    parse_config,
    read_config,
    readable_config,
    save_config,
)
from pytest_selfopt.routing.resolve import resolve
from pytest_selfopt.routing.rule import Rule, rule_from_json, rule_to_json

NOW = "2026-11-21T00:00:00Z"
SCHEMA = json.loads((importlib.resources.files("pytest_selfopt.routing") / "schema.json").read_text())
KNOWN = set(SCHEMA["definitions"]["rule"]["properties"])

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
JSON = st.none() | st.booleans() | st.integers(-5, 5) | TEXTS
RULES = st.fixed_dictionaries(
    {"model": TEXTS.filter(bool), "phase": TEXTS.filter(bool)},
    optional={
        "allow": st.booleans(),
        "enable_warmup": st.booleans() | st.none(),
        "variant": TEXTS,
        "timeout": st.floats(0, 1000) | st.integers(0, 1000),
        "retries": st.integers(0, 10),
        "isolation": st.booleans(),
        "sampling": st.dictionaries(TEXTS, JSON, max_size=2),
        "reason": TEXTS | st.none(),
        "status": st.sampled_from(["trial", "confirmed", "rolled_back", "expired"]),
        "timestamp": TEXTS | st.integers(0, 2**40) | st.floats(0, 2e9) | st.none(),
        "fallback_model": TEXTS | st.none(),
        "cycle": st.integers(0, 9),
        "evidence": st.dictionaries(TEXTS, JSON, max_size=2),
        "note of somebody": JSON,
    },
)
ANYTHING = st.fixed_dictionaries({}, optional={name: JSON | st.dictionaries(TEXTS, JSON, max_size=1) for name in KNOWN})


def write(folder: Path, document: Any) -> Path:
    path = folder / "routing_config.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document), encoding="utf-8")
    return path


@given(RULES)
def test_a_rule_round_trips_with_unknown_fields(value: dict[str, Any]) -> None:
    rule = rule_from_json(value)
    assert json.dumps(rule_to_json(rule)) == json.dumps(value)
    changed = replace(rule, cycle=10)
    written = rule_to_json(changed)
    assert rule_from_json(written) == changed
    kept = {name: one for name, one in value.items() if name != "cycle" and (one is not None or name not in KNOWN)}
    assert {**written, **kept} == written


@given(ANYTHING)
def test_reader_and_schema_accept_the_same_rules(value: dict[str, Any]) -> None:
    document = {"rules": [value]}
    valid = jsonschema.Draft7Validator(SCHEMA).is_valid(document)
    try:
        parse_config(json.dumps(document))
    except ValueError:
        assert not valid
    else:
        assert valid


@pytest.mark.parametrize("version", [1, "1.0", "1"])
def test_the_documented_format_is_read(tmp_path: Path, version: int | str) -> None:
    rules = [
        {"model": "lfm", "phase": "atomic", "allow": True, "enable_warmup": True, "source": "harness_feedback"},
        {"model": "lfm", "phase": "extended", "allow": False, "fallback_model": "claude-haiku", "reason": "0 of 7"},
    ]
    document = {"version": version, "timestamp": NOW, "rules": rules}
    jsonschema.Draft7Validator(SCHEMA).validate(document)
    config = read_config(write(tmp_path, document))
    assert config.apply_routing("lfm", "atomic").enable_warmup is True
    route = config.apply_routing("lfm", "extended")
    assert (route.model, route.rerouted) == ("claude-haiku", True)
    assert route.because == ("lfm is disabled for extended; claude-haiku replaces it (0 of 7)",)


def test_a_missing_file_means_no_rules(tmp_path: Path) -> None:
    assert load_config(tmp_path / "none.json") == RoutingConfig()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        '{"rules": 3}',
        '{"rules": [{"model": "m"}]}',
        '{"rules": [], "rules": []}',
        '{"x": NaN}',
        '{"x": 1e999}',
        f'{{"x": 1{"0" * 5000}}}',
        "\x00",
    ],
)
def test_an_unusable_file_is_kept_and_reported(tmp_path: Path, text: str) -> None:
    for round_ in (1, 2):
        config = load_config(write(tmp_path, text))
        assert "it was set aside as routing_config.json.corrupt-" in config.problem
        aside = list(tmp_path.glob("routing_config.json.corrupt-*"))
        assert len(aside) == round_
        assert all(path.read_text() == text for path in aside)
        assert not (tmp_path / "routing_config.json").exists()


@pytest.mark.parametrize(
    ("text", "place"), [("{", "column 2"), ("{\n", "line 2, column 1"), ("{\n,", "line 2, column 1")]
)
def test_reading_only_sets_nothing_aside(tmp_path: Path, text: str, place: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(StateError, match=f"invalid JSON at {place}"):
        read_config(path)
    assert path.read_text() == text


def test_a_newer_file_is_refused_untouched(tmp_path: Path) -> None:
    path = write(tmp_path, {"version": 2, "rules": []})
    with pytest.raises(NewerVersionError, match="version 2"):
        load_config(path)
    assert path.exists()


def test_saving_is_sorted_idempotent_and_lossless(tmp_path: Path) -> None:
    path = write(tmp_path, {"version": 1, "owner": "me", "rules": [{"model": "z", "phase": "p", "hue": 7}]})
    config = load_config(path)
    config.save_rule(path, Rule(model="a", phase="p"), now=NOW)
    first = path.read_bytes()
    document = json.loads(first)
    assert document["owner"] == "me"
    assert [rule["model"] for rule in document["rules"]] == ["a", "z"]
    assert document["rules"][1]["hue"] == 7
    load_config(path).save_rule(path, Rule(model="a", phase="p"), now="2030-01-01T00:00:00Z")
    assert path.read_bytes() == first
    assert [one.name for one in tmp_path.iterdir()] == ["routing_config.json"]


def test_circular_fallbacks_are_refused_but_readable(tmp_path: Path) -> None:
    rules = [
        Rule(model="a", phase="p", allow=False, fallback_model="b"),
        Rule(model="b", phase="p", allow=False, fallback_model="a"),
    ]
    with pytest.raises(StateError, match="a → b → a"):
        save_config(tmp_path / "c.json", RoutingConfig().with_rules(rules), now=NOW)
    path = write(tmp_path, {"rules": [rule_to_json(rule) for rule in rules]})
    assert resolve("a", "p", path=path, default="mine").model == "mine"
    assert resolve("a", "p", path=path).allowed is False


def test_fallback_chains_skip_rolled_back_rules(tmp_path: Path) -> None:
    path = write(
        tmp_path,
        {
            "rules": [
                {"model": "a", "phase": "p", "allow": False, "fallback_model": "b"},
                {"model": "b", "phase": "p", "allow": False, "fallback_model": "c"},
                {"model": "c", "phase": "p", "variant": "schema", "timeout": 5, "isolation": True},
                {"model": "d", "phase": "p", "allow": False, "status": "rolled_back"},
            ]
        },
    )
    route = resolve("a", "p", path=path)
    assert (route.model, route.variant, route.timeout_s, route.isolated) == ("c", "schema", 5.0, True)
    assert len(route.because) == 3
    assert resolve("d", "p", path=path).model == "d"


def test_any_file_gives_applications_an_answer(tmp_path: Path) -> None:
    for content in ("{", "[]", '{"rules": [3]}'):
        route = resolve("m", "p", path=write(tmp_path, content), default="d")
        assert route.model == "d"
        assert "cannot be used" in route.because[0]
    assert resolve("m", "p", path=tmp_path).model == "m"
    assert resolve("m", "p", path=tmp_path / "none").because == (f"{tmp_path / 'none'} does not exist",)


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = write(tmp_path, {"rules": [{"model": "m", "phase": "p", "variant": "schema"}]})
    assert resolve("m", "p", path=path).variant == "schema"
    write(tmp_path, {"rules": [{"model": "m", "phase": "p", "variant": "few_shot"}]})
    assert resolve("m", "p", path=path).variant == "few_shot"


def test_resolving_among_many_rules_takes_microseconds(tmp_path: Path) -> None:
    path = write(tmp_path, {"rules": [{"model": f"m{number}", "phase": "p"} for number in range(10_000)]})
    resolve("m7", "p", path=path)
    best = min(timeit.repeat(lambda: resolve("m9999", "p", path=path), number=200, repeat=5)) / 200
    assert best < 200e-6  # ten times the 20 µs promised on a quiet machine


def test_resolving_imports_the_standard_library_only() -> None:
    script = """
        import sys
        before = set(sys.modules)
        import pytest_selfopt.routing.resolve
        names = {name.partition(".")[0] for name in set(sys.modules) - before}
        print(sorted(names - set(sys.stdlib_module_names) - {"pytest_selfopt"}))
        print(sorted(name for name in sys.modules if name.startswith("pytest_selfopt.")))
    """
    ran = subprocess.run(
        [sys.executable, "-S", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    routing = ("", ".readable", ".regular_file", ".resolve", ".rule")
    names = ("bounded_text", *(f"routing{name}" for name in routing), "settings_lookup", "strict_json")
    assert ran.stdout.splitlines() == ["[]", str([f"pytest_selfopt.{name}" for name in names])]


def test_kill_9_leaves_a_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "routing_config.json"
    script = """
        import sys
        from pathlib import Path
        from pytest_selfopt.routing.config import RoutingConfig, save_config
        from pytest_selfopt.routing.rule import Rule
        print("ready", flush=True)
        for number in range(1_000_000):
            rules = [Rule(model=f"m{index}", phase="p", cycle=number) for index in range(200)]
            save_config(Path(sys.argv[1]), RoutingConfig().with_rules(rules), now=str(number))
    """
    for moment in range(5):
        process = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script), str(path)], stdout=subprocess.PIPE)
        with process:
            assert process.stdout is not None
            process.stdout.readline()
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(0.1 + 0.037 * moment)
            process.send_signal(signal.SIGKILL)
        rules = read_config(path).rules
        assert len(rules) == 200
        assert len({rule.cycle for rule in rules}) == 1


@pytest.mark.timeout(60)
@pytest.mark.parametrize("what", ["pipe", "device"])
def test_what_is_no_file_is_not_read(tmp_path: Path, what: str) -> None:
    path = tmp_path / "routing_config.json"
    if what == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero")
    route = resolve("m", "p", path=path, default="d")
    assert route.model == "d"
    assert "it is not a regular file" in route.because[0]
    for read in (load_config, read_config, readable_config):
        with pytest.raises(StateError, match="it is not a regular file"):
            read(path)
    assert path.exists()


def test_long_values_are_told_briefly(tmp_path: Path) -> None:
    rule = {"model": "m", "phase": "p", "allow": "a" * 100_000}
    config = readable_config(write(tmp_path, json.dumps({"version": "v" * 100_000, "rules": [rule]})))
    assert "'allow' must be bool, not 'aaa" in config.problem or "'version' must begin" in config.problem
    assert len(config.problem) < 1_000
