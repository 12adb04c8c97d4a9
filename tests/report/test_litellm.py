"""`selfopt export litellm`, read by LiteLLM's own Router."""

from __future__ import annotations

import json
import random
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from pytest_selfopt.cli import main
from pytest_selfopt.export.litellm import LiteLLMConfig, Sources, litellm_config
from pytest_selfopt.models.config import ModelConfig, ProviderConfig
from pytest_selfopt.models.scripted import ScriptedServer
from pytest_selfopt.routing.resolve import index_rules, resolve, route
from pytest_selfopt.routing.rule import Rule
from tests.packages import answering, fetched

LITELLM = "litellm==1.110.2"
ASK = Path(__file__).with_name("ask_litellm.py")
Ask = Callable[[dict[str, Any]], dict[str, Any]]
MODELS = ("a", "b", "c", "a/x", "desk/d")
PHASES = ("x", "y", "x/y")


@pytest.fixture(scope="module")
def ask() -> Iterator[Ask]:
    """Questions to LiteLLM: see `ask_litellm`."""
    # Keys of the environment that no entry of ours may pick up.
    keys = dict.fromkeys(("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "OLLAMA_API_KEY"), "not-for-you")
    known = {"DESK_KEY": "the-desk-key", "LITELLM_LOCAL_MODEL_COST_MAP": "True"}
    try:
        fetched(LITELLM, alone=False)
    except subprocess.CalledProcessError:
        pytest.skip(f"{LITELLM} cannot be installed here")
    with answering(LITELLM, ASK, **keys, **known) as asked:
        yield asked


def models_named(names: Sequence[str]) -> dict[str, ModelConfig]:
    provider = ProviderConfig(name="desk", wire="openai", base_url="http://127.0.0.1:9/v1")
    return {name: ModelConfig(id=name, provider=provider, name=f"wire-{name}") for name in names}


@st.composite
def sources(draw: st.DrawFn) -> Sources:
    rules = draw(
        st.lists(
            st.builds(
                Rule,
                model=st.sampled_from(MODELS),
                phase=st.sampled_from(PHASES),
                allow=st.booleans(),
                fallback_model=st.none() | st.sampled_from(MODELS),
                timeout_s=st.none() | st.just(30.0),
                status=st.sampled_from([None, "trial", "confirmed", "rolled_back", "expired"]),
            ),
            max_size=12,
        )
    )
    known = draw(st.sets(st.sampled_from(MODELS), min_size=1))
    return Sources(
        models={**dict.fromkeys(MODELS), **models_named([name for name in MODELS if name in known])},
        phases=PHASES,
        rules=rules,
        fallbacks=draw(st.dictionaries(st.sampled_from(PHASES), st.sampled_from(MODELS))),
    )


def entry_of(config: LiteLLMConfig, name: str) -> Mapping[str, Any] | None:
    """Where LiteLLM sends a name: an alias is followed once, and wins over a model."""
    name = config.document["router_settings"].get("model_group_alias", {}).get(name, name)
    found = [one["litellm_params"] for one in config.document["model_list"] if one["model_name"] == name]
    assert len(found) <= 1
    return found[0] if found else None


@given(sources())
def test_every_route_is_exported_or_reported(given_: Sources) -> None:
    config, index = litellm_config(given_), index_rules(given_.rules)
    reported = {gap.what for gap in config.gaps}
    for model in given_.models:
        for phase in given_.phases:
            name, expected = f"{model}/{phase}", route(index, model, phase)
            if f"the route {name}" in reported:
                continue
            entry = entry_of(config, name)
            assert expected.allowed
            assert entry is not None
            assert entry["model"] == f"openai/wire-{expected.model}"
            assert entry.get("timeout") == expected.timeout_s or f"the route {expected.model}/{phase}" in reported


@given(sources())
def test_failed_calls_fall_back_to_other_models(given_: Sources) -> None:
    config = litellm_config(given_)
    entries = {one["model_name"]: one["litellm_params"]["model"] for one in config.document["model_list"]}
    for one in config.document["router_settings"].get("fallbacks", ()):
        ((name, (instead,)),) = one.items()
        asked = entry_of(config, name)
        assert asked is not None
        assert entries[instead] != asked["model"]


def test_litellm_routes_as_resolve_does(ask: Ask) -> None:
    drawn = random.Random(7)
    known = models_named(MODELS)
    expected, configs = [], []
    for _ in range(40):
        rules = [
            Rule(
                model=model,
                phase=phase,
                allow=drawn.random() < 0.4,
                fallback_model=drawn.choice([*MODELS, None]),
                timeout_s=drawn.choice([None, 30.0]),
            )
            for model in MODELS
            for phase in ("x", "y")
            if drawn.random() < 0.7
        ]
        config = litellm_config(Sources(models=known, phases=("x", "y"), rules=rules, fallbacks={}))
        index = index_rules(rules)
        routes = {f"{model}/{phase}": route(index, model, phase) for model in MODELS for phase in ("x", "y")}
        # "a" in "x" has the name of the model "a/x": it is reported, and the name means the model.
        del routes["a/x"]
        expected.append({name: f"openai/wire-{one.model}" if one.allowed else None for name, one in routes.items()})
        configs.append(config.text)
    found = ask({"configs": configs, "names": [list(one) for one in expected], "calls": []})["routed"]
    assert [{name: one and one["model"] for name, one in config.items()} for config in found] == expected
    chains = [
        one for config in expected for one in config.items() if one[1] not in (None, f"openai/wire-{one[0][:-2]}")
    ]
    assert len(chains) > 20


def project(path: Path, rules: list[dict[str, Any]], settings: str) -> Path:
    (path / "selfopt.toml").write_text(settings)
    (path / "routing_config.json").write_text(json.dumps({"version": 1, "rules": rules}))
    return path


def test_calls_reach_the_fallback_through_litellm(tmp_path: Path, capsys: pytest.CaptureFixture[str], ask: Ask) -> None:
    with (
        ScriptedServer({"default": {"text": "from the first"}}) as first,
        ScriptedServer({"default": {"status": 500}}) as broken,
        ScriptedServer({"default": {"hang": True}}) as hanging,
        ScriptedServer({"default": {"text": "from the last"}}) as last,
    ):
        made = project(
            tmp_path,
            [
                {"model": "desk/first", "phase": "extended", "allow": False, "fallback_model": "desk/second"},
                {"model": "desk/hanging", "phase": "atomic", "timeout": 1, "retries": 0},
                {"model": "desk/second", "phase": "atomic", "allow": False, "fallback_model": "desk/hanging"},
                {"model": "desk/second", "phase": "extended", "allow": False, "fallback_model": "desk/last"},
                {
                    "model": "desk/broken",
                    "phase": "atomic",
                    "retries": 3,
                    "timeout": 7,
                    "sampling": {"temperature": 0.5},
                },
            ],
            f"""
model = "desk/first"
[models."desk/first"]
base_url = "{first.base_url}"
[models."desk/second"]
base_url = "{first.base_url}"
[models."desk/hanging"]
base_url = "{hanging.base_url}"
[models."anthropic/clever"]
base_url = "{first.address}"
[models."ollama/small"]
base_url = "{first.address}"
context = 4096
[models."desk/broken"]
base_url = "{broken.base_url}"
[models."desk/last"]
base_url = "{last.base_url}"
api_key_env = "DESK_KEY"
max_concurrency = 5
[phases.atomic]
fallback = "desk/last"
[phases.extended]
fallback = "desk/last"
""",
        )
        written = made / "litellm.yaml"
        assert main(["export", "litellm", "--rootdir", str(made), "-o", str(written)]) == 0
        names = [
            f"desk/{model}/{phase}"
            for model in ("first", "second", "broken", "last")
            for phase in ("atomic", "extended")
        ]
        calls = ["desk/first", "desk/first/atomic", "anthropic/clever/atomic", "ollama/small/atomic"]
        calls += ["desk/first/extended", "desk/second/extended", "desk/broken/atomic", "desk/hanging/atomic"]
        # Aliases: of a model that hangs, in its own entry, and of one that is broken, without one.
        calls += ["desk/second/atomic", "desk/broken/extended"]
        answer = ask({"configs": [written.read_text()], "names": [names], "calls": calls})
    (routed,) = answer["routed"]
    for name, entry in routed.items():
        model, _, phase = name.rpartition("/")
        assert entry["model"] == f"openai/{resolve(model, phase, path=made / 'routing_config.json').model[5:]}"
    assert [routed["desk/broken/atomic"][key] for key in ("timeout", "num_retries", "temperature")] == [7, 3, 0.5]
    assert routed["desk/last/atomic"]["max_parallel_requests"] is None
    assert answer["said"] == ["from the first"] * 4 + ["from the last"] * 6
    assert hanging.seen.asked == 2
    assert [one["options"]["num_ctx"] for one in first.seen.requests if "options" in one] == [4096]
    asked = [one for one in broken.seen.requests if one.get("temperature") == 0.5]
    assert len(asked) == 4, "one call and three retries, then the fallback"
    assert "not-for-you" not in str([first.seen.headers, broken.seen.headers]), "those keys are for somebody else"
    assert {one["authorization"] for one in last.seen.headers} == {"Bearer the-desk-key"}
    assert "the-desk-key" not in written.read_text()
    assert capsys.readouterr().out == f"written: {written}\n"


FALLING_BACK = """
model = "desk/first"
[models."desk/first"]
base_url = "{first}"
max_concurrency = 2
[models."desk/last"]
base_url = "{last}"
[phases.atomic]
fallback = "desk/last"
"""
NO_RETRIES = [{"model": "desk/first", "phase": "atomic", "retries": 0}]


def exported(path: Path, first: ScriptedServer, last: ScriptedServer, *flags: str) -> str:
    """The configuration of a model that falls back to another one, and is not asked again."""
    made = project(path, NO_RETRIES, FALLING_BACK.format(first=first.base_url, last=last.base_url))
    written = made / "litellm.yaml"
    assert main(["export", "litellm", "--rootdir", str(made), "-o", str(written), *flags]) == 0
    return written.read_text()


def test_litellm_refuses_calls_over_a_limit(tmp_path: Path, capsys: pytest.CaptureFixture[str], ask: Ask) -> None:
    with (
        ScriptedServer({"default": {"text": "first", "latency": 5}}) as first,
        ScriptedServer({"default": {"text": "last"}}) as last,
    ):
        assert "max_parallel_requests" not in exported(tmp_path, first, last)
        assert "no counterpart for the limits of calls under way (max_concurrency)" in capsys.readouterr().err
        limited = exported(tmp_path, first, last, "--with-max-parallel-requests")
        calls = ["desk/first/atomic"] * 6
        answer = ask({"configs": [limited], "names": [["desk/first"]], "calls": calls, "at_once": True})
    assert "LiteLLM limits each entry on its own (max_parallel_requests)" in capsys.readouterr().err
    assert answer["routed"][0]["desk/first"]["max_parallel_requests"] == 2
    assert Counter(answer["said"]) == {"first": 2, "last": 4}
    assert first.seen.asked == 2, "nothing failed, and yet the other model answers"


@pytest.mark.parametrize(
    ("status", "asked", "said"), [(500, 3, ["last", "first", "first"]), (404, 1, ["last", "last", "last"])]
)
def test_litellm_rests_a_model_it_cannot_find(
    tmp_path: Path, ask: Ask, status: int, asked: int, said: list[str]
) -> None:
    once = [{"when": {"first": 1}, "then": {"status": status}}]
    with (
        ScriptedServer({"rules": once, "default": {"text": "first"}}) as first,
        ScriptedServer({"default": {"text": "last"}}) as last,
    ):
        config = exported(tmp_path, first, last)
        answer = ask({"configs": [config], "names": [[]], "calls": ["desk/first/atomic"] * 3})
    assert answer["said"] == said
    assert first.seen.asked == asked


def test_an_unsupported_setting_is_reported_with_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rule = {
        "model": "anthropic/clever",
        "phase": "atomic",
        "enable_warmup": True,
        "variant": "schema",
        "isolation": True,
    }
    rule |= {
        "status": "trial",
        "reason": "the first runs are worse",
        "sampling": {"seed": 7, "max_tokens": 99},
        "note": 1,
    }
    made = project(
        tmp_path,
        [
            rule,
            {"model": "unheard-of", "phase": "atomic", "allow": False},
            {"model": "unheard-of", "phase": "extended", "allow": False, "fallback_model": "anthropic/clever"},
            {"model": "anthropic/clever", "phase": "extended", "allow": False, "fallback_model": "swarm:10@tier1"},
            {"model": "gone", "phase": "atomic", "status": "rolled_back"},
        ],
        '[models."desk/secret"]\nbase_url = "http://127.0.0.1:8000/v1?team=7"\n[models."desk/*"]\nbase_url = "http://x/v1"\n'
        '[providers.lost]\nbase_url = "http://[::1"\n[models."lost/one"]\n'
        '[providers.file]\nbase_url = "file:///x"\n[models."file/one"]\n'
        '[providers.mine]\nclient = "mine:Client"\n[models."mine/one"]\n'
        '[models."ollama/small"]\ntier = "tier1"\npinned = true\nprice_in = 1.0\n',
    )
    report = made / "report.txt"
    assert main(["export", "litellm", "--rootdir", str(made), "--report", str(report)]) == 0
    said = report.read_text()
    for part in (
        "the warm-up of the rule for anthropic/clever in atomic: LiteLLM makes no unscored first call",
        "the variant schema of the rule",
        "the isolation of the rule",
        "the trial of the rule",
        "the grounds of the rule",
        "the fields note of the rule",
        "the sampling seed of the rule",
        "the limits of calls under way (max_concurrency): LiteLLM's max_parallel_requests does not let the calls",
        "an unknown price of the model anthropic/clever: LiteLLM uses the prices in its own list",
        "an unknown price of the model ollama/small: LiteLLM counts zero for it",
        "the model embedded/smollm2-135m: it is embedded",
        "the model unheard-of: it is not configured",
        "the model swarm:10@tier1: it is a swarm",
        "the model desk/secret: its base_url may hold a secret",
        "the model lost/one: its base_url is not an address: Invalid IPv6 URL",
        "the model file/one: its base_url does not begin with http:// or https://",
        "the model desk/*: LiteLLM reads * in a name as a pattern",
        "the model mine/one: it is asked by a client of your own (mine:Client)",
        "the tier tier1 of the model ollama/small",
        "pinned of the model ollama/small",
        "the route unheard-of/atomic: unheard-of is disabled for atomic and has no fallback",
        "the route unheard-of/extended: it leads to swarm:10@tier1",
        "the route embedded/smollm2-135m/atomic: it leads to embedded/smollm2-135m",
        "rules that were rolled back or have expired (1):",
    ):
        assert f"no counterpart for {part}" in said, part
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "pass" not in printed.out + said.replace("passes", "")
    config = yaml.safe_load(printed.out)
    by_name = {one["model_name"]: one["litellm_params"] for one in config["model_list"]}
    assert set(by_name) == {"ollama/small", "anthropic/clever", "anthropic/clever/atomic"}
    assert by_name["anthropic/clever"]["api_key"] == "os.environ/ANTHROPIC_API_KEY"
    assert by_name["ollama/small"]["model"] == "ollama_chat/small"
    assert by_name["anthropic/clever/atomic"]["max_tokens"] == 99
    assert "seed" not in by_name["anthropic/clever/atomic"]


def test_openrouter_gets_litellm_names_and_token_prices(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    name = "openrouter/meta-llama/llama-3.2-1b-instruct"
    made = project(tmp_path, [], f'model = "{name}"\n[models."{name}"]\nprice_in = 0.05\nprice_out = 0.1\n')
    assert main(["export", "litellm", "--rootdir", str(made)]) == 0
    (entry,) = yaml.safe_load(capsys.readouterr().out)["model_list"]
    assert entry == {
        "model_name": name,
        "litellm_params": {
            "model": name,
            "api_base": "https://openrouter.ai/api/v1",
            "api_key": "os.environ/OPENROUTER_API_KEY",
            "input_cost_per_token": 5e-08,
            "output_cost_per_token": 1e-07,
        },
    }


def test_without_litellm_models_nothing_is_exported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = tmp_path / "litellm.yaml"
    assert main(["export", "litellm", "--rootdir", str(tmp_path), "-o", str(written)]) == 4
    assert "nothing can be exported to LiteLLM: no counterpart for the model embedded" in capsys.readouterr().err
    assert not written.exists()
