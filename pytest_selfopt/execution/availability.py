"""The configured models, whether each answers, and advice for those that do not."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pytest_selfopt.bench.tools import Message
from pytest_selfopt.errors import SelfoptError
from pytest_selfopt.execution.calls import WARMUP_PROMPT, WARMUP_TIMEOUT_S
from pytest_selfopt.execution.model_pool import ModelPool
from pytest_selfopt.models.client import Client, HttpClient
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.planning.capabilities import shown_key
from pytest_selfopt.redaction.addresses import shown_address
from pytest_selfopt.settings import Settings
from pytest_selfopt.specs.request import ChatRequest, Sampling
from pytest_selfopt.trial import CallError, ErrorKind, Reply

PROBE = ChatRequest(
    messages=(Message(role="user", content=WARMUP_PROMPT),),
    sampling=Sampling(max_tokens=16),
    fresh=True,
)
"""A short question, isolated, so that the server is asked what isolates."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Availability:
    """A model and whether it can be used; `answers` is None if the model was not asked."""

    model: ModelConfig
    answers: bool | None
    sentence: str
    notes: tuple[str, ...] = ()
    """What its server refused, how it isolates, and why its key is not blacked out, in sentences."""


def configured_models(settings: Settings) -> tuple[ModelConfig, ...]:
    """Return every model that is built in, configured, or named by a baseline.

    Raises:
        SettingsError: if a baseline names an unknown model.
    """
    models = dict(settings.models)
    name = settings.default_model
    models[name] = settings.model(name)
    for phase in settings.phases.values():
        name = phase.baseline.model
        models[name] = settings.model(name)
    return tuple(models.values())


def is_spare(model: ModelConfig, settings: Settings) -> bool:
    """Whether a model is only listed because it is built in: no phase begins with it."""
    begun_with = {settings.default_model, *(phase.baseline.model for phase in settings.phases.values())}
    return model.provider.name == "embedded" and model.id not in begun_with


def check_availability(model: ModelConfig, *, ask: bool) -> Availability:
    """Check whether a model can be used: by a short question, or (without `ask`) by its configuration."""
    availability = _checked(model, ask=ask)
    notes = (*availability.notes, shown_key(model))
    return replace(availability, notes=tuple(filter(None, notes)))


def _checked(model: ModelConfig, *, ask: bool) -> Availability:
    if model.members:
        return Availability(model=model, answers=None, sentence=f"a swarm; see {', '.join(model.members)}")
    pool = ModelPool([model], None)
    try:
        pool.check()
        if not ask:
            return Availability(model=model, answers=None, sentence="nothing is missing; not asked")
        return _probed(model, pool.client(model))
    except SelfoptError as problem:
        return Availability(model=model, answers=False, sentence=f"cannot be asked: {problem}")
    finally:
        pool.stop()


def _probed(model: ModelConfig, client: Client) -> Availability:
    asked = _asked(model, client.ask(PROBE, timeout_s=WARMUP_TIMEOUT_S))
    if not isinstance(client, HttpClient) or not asked.answers:
        return asked
    return replace(asked, notes=(*client.lessons, client.isolation))


def _asked(model: ModelConfig, answer: Reply | CallError) -> Availability:
    if isinstance(answer, Reply):
        return _answering(model, answer)
    if answer.reply is not None and answer.kind in (ErrorKind.CUT_OFF, ErrorKind.EMPTY):
        # A model that thinks does not come to an answer in so few tokens.
        return _answering(model, answer.reply)
    advice = _advice(model, answer)
    sentence = f"does not answer: {answer.kind}: {answer.message}{advice}"
    return Availability(model=model, answers=False, sentence=sentence)


def _answering(model: ModelConfig, reply: Reply) -> Availability:
    sentence = f"answers, in {reply.latency_s:.2f} s{_served_as(model, reply)}"
    return Availability(model=model, answers=True, sentence=sentence)


def _served_as(model: ModelConfig, reply: Reply) -> str:
    """Say which model has answered, if its server names another than the one that was asked."""
    if reply.served_model in ("", model.name):
        return ""
    return f", as {reply.served_model!r} (asked for {model.name!r})"


def _advice(model: ModelConfig, error: CallError) -> str:
    """Return advice on an error whose message does not give any."""
    ollama = model.wire == "ollama"
    if error.kind is ErrorKind.CONNECTION:
        start = "Start it"
        if ollama:
            start = "Start it with `ollama serve`"
        return f"; is the server at {shown_address(model.provider.base_url)} running? {start}, or correct base_url"
    if error.kind is ErrorKind.AUTH:
        variable = model.provider.api_key_env or "api_key_env"
        return f"; is the key in {variable} the right one?"
    if ollama and error.status == 404:
        return f"; get it with `ollama pull {model.name}`"
    if model.wire == "openai" and error.status == 404 and "/v" not in model.provider.base_url:
        return "; does base_url lack its /v1?"
    return ""
