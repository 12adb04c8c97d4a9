"""What models refuse: known by family, set by the user, or learned from the refusal itself."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_selfopt.bench.tools import Message
from pytest_selfopt.models.client import HttpClient
from pytest_selfopt.models.config import ModelConfig, ParameterSettings, ProviderConfig, WireName
from pytest_selfopt.models.failures import ServerError
from pytest_selfopt.models.parameters import (
    Lesson,
    Parameters,
    accepted_parameters,
    apply_parameters,
    learn,
    unwrapped_text,
    wrapped_schema,
)
from pytest_selfopt.models.scripted import ScriptedServer
from pytest_selfopt.specs.request import ChatRequest, Sampling
from pytest_selfopt.trial import CallError, Json, Reply

HELLO = ChatRequest(messages=(Message(role="user", content="Hello"),))
NONE = Parameters()
SCHEMA: dict[str, Json] = {"anyOf": [{"type": "object"}, {"type": "array"}]}


def model(name: str, wire: WireName = "openai", base_url: str = "", **change: Any) -> ModelConfig:
    provider = ProviderConfig(name="p", wire=wire, base_url=base_url)
    return ModelConfig(id="m", provider=provider, name=name, **change)


def refused(sent: dict[str, Json], error: ServerError, parameters: Parameters = NONE) -> Lesson | None:
    """What the refusal of a body teaches that was sent with these parameters."""
    sampling = apply_parameters(sent, parameters)
    return learn(parameters, sent, sampling, error)


def body(**change: Json) -> dict[str, Json]:
    return {"model": "m", "messages": [], "temperature": 0.0, "max_tokens": 100, **change}


@pytest.mark.parametrize(
    ("name", "wire", "sent"),
    [
        ("gpt-4o-mini", "openai", {"temperature": 0.0, "top_p": 0.9, "max_tokens": 100}),
        ("gpt-5", "openai", {"max_completion_tokens": 100}),
        ("gpt-5-mini-2025-08-07", "openai", {"max_completion_tokens": 100}),
        ("gpt-5.1", "openai", {"temperature": 0.0, "top_p": 0.9, "max_completion_tokens": 100}),
        ("gpt-5.5", "openai", {"max_completion_tokens": 100}),
        ("o3-mini", "openai", {"max_completion_tokens": 100}),
        ("openai/o3-mini", "openai", {"temperature": 0.0, "top_p": 0.9, "max_tokens": 100}),
        ("gpt-oss:20b", "ollama", {"temperature": 0.0, "top_p": 0.9, "max_tokens": 100}),
        ("claude-3-5-haiku-20241022", "anthropic", {"temperature": 0.0, "top_p": 0.9, "max_tokens": 100}),
        ("claude-sonnet-4-20250514", "anthropic", {"temperature": 0.0, "top_p": 0.9, "max_tokens": 100}),
        ("claude-haiku-4-5", "anthropic", {"temperature": 0.0, "max_tokens": 100}),
        ("claude-opus-4-7", "anthropic", {"max_tokens": 100}),
        ("claude-sonnet-5", "anthropic", {"max_tokens": 100}),
        ("claude-fable-5", "anthropic", {"max_tokens": 100}),
    ],
)
def test_a_family_gets_what_it_accepts(name: str, wire: WireName, sent: dict[str, Json]) -> None:
    assert apply_parameters(body(top_p=0.9), accepted_parameters(model(name, wire))).sent == sent


def test_settings_come_before_the_family() -> None:
    own = ParameterSettings(
        names={"temperature": "temperature", "seed": "random_seed"}, extra={"reasoning_effort": "low"}
    )
    parameters = accepted_parameters(model("gpt-5", parameters=own))
    sent = body(seed=3)
    assert apply_parameters(sent, parameters).sent == {
        "temperature": 0.0,
        "random_seed": 3,
        "max_completion_tokens": 100,
    }
    assert sent["reasoning_effort"] == "low"


def test_ollamas_options_are_adapted_too() -> None:
    sent: dict[str, Json] = {"options": {"temperature": 0.5, "num_predict": 100, "num_ctx": 4096}}
    assert apply_parameters(sent, Parameters(names={"temperature": None})).sent == {"num_predict": 100}
    assert sent == {"options": {"num_predict": 100, "num_ctx": 4096}}


REFUSALS: list[tuple[str, dict[str, Json]]] = [
    (
        "Unsupported parameter: 'max_tokens' is not supported. Use 'max_completion_tokens'.",
        {"temperature": 0.0, "max_completion_tokens": 100},
    ),
    ("Unsupported value: 'temperature' does not support 0. Only the default (1) is supported.", {"max_tokens": 100}),
    ("`temperature` is deprecated for this model.", {"max_tokens": 100}),
    ('Invalid JSON payload received. Unknown name "temperature": Cannot find field.', {"max_tokens": 100}),
    ("body.max_tokens: Extra inputs are not permitted", {"temperature": 0.0, "max_completion_tokens": 100}),
    (
        "max_tokens is too large: 100. This model supports at most 40 completion tokens.",
        {"temperature": 0.0, "max_tokens": 40},
    ),
    (
        "max_tokens: 100 > 80, which is the maximum allowed number of output tokens",
        {"temperature": 0.0, "max_tokens": 80},
    ),
    (
        "'max_tokens' is too large: 100. This model's maximum context length is 110 tokens.",
        {"temperature": 0.0, "max_tokens": 50},
    ),
]


@pytest.mark.parametrize(("message", "sent"), REFUSALS)
def test_a_refusal_teaches_what_to_send(message: str, sent: dict[str, Json]) -> None:
    lesson = refused(body(), ServerError(message=message))
    assert isinstance(lesson, Lesson)
    assert apply_parameters(body(), lesson.parameters).sent == sent


def test_a_limit_of_thousands_of_digits_is_none() -> None:
    lesson = refused(body(), ServerError(message=f"max_tokens is too large: at most {'9' * 5_000}"))
    assert isinstance(lesson, Lesson)
    assert lesson.parameters.most_tokens == 50


def test_temperature_and_top_p_exclude_each_other() -> None:
    error = ServerError(message="`temperature` and `top_p` cannot both be specified for this model.")
    lesson = refused(body(top_p=0.9), error)
    assert lesson is not None
    assert apply_parameters(body(top_p=0.9), lesson.parameters).sent == {"temperature": 0.0, "max_tokens": 100}


@pytest.mark.parametrize(
    "error",
    [
        ServerError(message="The model 'gpt-9' does not exist"),
        ServerError(message="Unsupported parameter: 'presence_penalty'", param="presence_penalty"),
        ServerError(message="messages.0.role: Extra inputs are not permitted"),
        ServerError(message="temperature of the server room is high"),
    ],
)
def test_other_errors_teach_nothing(error: ServerError) -> None:
    assert refused(body(), error) is None


def test_a_root_that_is_no_object_is_wrapped() -> None:
    error = ServerError(
        message="""Invalid schema for response_format 'answer': schema must be a JSON Schema of 'type: "object"'"""
    )
    lesson = refused(body(response_format={"type": "json_schema", "json_schema": {}}), error)
    assert lesson is not None
    assert lesson.parameters.object_root
    wrapped = wrapped_schema(SCHEMA)
    assert (wrapped["type"], wrapped["properties"]) == ("object", {"answer": SCHEMA})
    assert wrapped_schema(wrapped) is wrapped
    assert unwrapped_text('{"answer": {"reply": "Hi."}}') == '{"reply": "Hi."}'
    assert unwrapped_text("Hi.") == "Hi."


def test_a_client_adapts_and_tells() -> None:
    refused = {"message": "Unsupported value: 'temperature' does not support 0 with this model.", "status": 400}
    script = {"rules": [{"when": {"first": 1}, "then": refused}], "default": {"text": '{"answer": {"reply": "Hi."}}'}}
    with ScriptedServer(script) as server:
        client = HttpClient(model("gpt-4o", base_url=server.base_url))
        replies = [
            client.ask(ChatRequest(messages=HELLO.messages, answer_schema=SCHEMA), timeout_s=5) for _ in range(2)
        ]
        assert ["temperature" in seen for seen in server.seen.requests] == [True, False, False]
    for reply in replies:
        assert isinstance(reply, Reply)
        assert (reply.text, reply.sent, reply.off_schema) == ('{"reply": "Hi."}', {"max_tokens": 4096}, False)
    assert client.lessons == ("temperature is not sent: the model refuses it",)


def test_endless_refusals_end() -> None:
    with ScriptedServer({"default": {"status": 400, "message": "max_tokens is too large"}}) as server:
        error = HttpClient(model("m", base_url=server.base_url)).ask(HELLO, timeout_s=5)
        assert server.seen.asked == 6
    assert isinstance(error, CallError)
    assert error.kind == "request"


def test_what_was_not_sent_is_described() -> None:
    parameters = Parameters(names={"temperature": None, "seed": "rng"}, most_tokens=50)
    sampling = apply_parameters(body(seed=3), parameters)
    assert sampling.sent == {"rng": 3, "max_tokens": 50}
    assert sampling.adjustments == ("temperature not sent", "at most 50 tokens instead of 100")
    assert apply_parameters(body(seed=3), Parameters(names={"seed": "rng"})).adjustments == ()
    nothing = Parameters(names={"temperature": None, "max_tokens": None})
    assert apply_parameters(body(), nothing).adjustments == ("temperature not sent", "max_tokens not sent")


def test_a_renamed_parameter_is_learned_by_its_name() -> None:
    error = ServerError(message="Unknown parameter: 'rng'.")
    lesson = refused(body(seed=3), error, Parameters(names={"seed": "rng"}))
    assert lesson is not None
    assert lesson.sentence == "seed is not sent: the model refuses it"
    assert "rng" not in apply_parameters(body(seed=3), lesson.parameters).sent


def test_a_schema_that_binds_nobody_shows() -> None:
    with ScriptedServer({"default": {"text": "Paris is nice."}}) as server:
        request = ChatRequest(messages=HELLO.messages, answer_schema=SCHEMA, sampling=Sampling(max_tokens=100))
        reply = HttpClient(model("m", base_url=server.base_url)).ask(request, timeout_s=5)
    assert isinstance(reply, Reply)
    assert reply.off_schema
