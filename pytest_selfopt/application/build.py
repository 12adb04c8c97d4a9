"""From a route to a request: the settings of its project, the spec in force, and what the variant makes of a prompt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_selfopt.application.examples import examples_for
from pytest_selfopt.application.project import Project, project_of, taken_back
from pytest_selfopt.application.request import RouteRequest
from pytest_selfopt.bench.call_format import show
from pytest_selfopt.bench.case import Case, Example
from pytest_selfopt.bench.grading.expect import Expectation
from pytest_selfopt.bench.grading.read_expect import expectation_from_json
from pytest_selfopt.bench.loading.tool_definitions import unchecked_tool
from pytest_selfopt.bench.tools import Message, Tool
from pytest_selfopt.errors import ModelError, SettingsError
from pytest_selfopt.models.caches.isolation import LLAMA_CPP, SWITCHING_SERVERS, isolating_members
from pytest_selfopt.models.client import WIRE_FORMATS
from pytest_selfopt.models.config import ModelConfig, WireName
from pytest_selfopt.models.parameters import accepted_parameters
from pytest_selfopt.models.wire_format import Unsupported, build_body
from pytest_selfopt.routing.resolve import Route
from pytest_selfopt.specs.routed import apply_route
from pytest_selfopt.specs.variants import build_request
from pytest_selfopt.suggest import did_you_mean
from pytest_selfopt.trial import ToolCall

CLIENTS: tuple[WireName, ...] = ("openai", "ollama", "anthropic")
"""The styles of clients that a request can be made for."""

_ROLES = ("system", "user", "assistant", "tool")
_MESSAGE_FIELDS = ("role", "content", "calls", "tool")


def request_for(
    route: Route,
    case: Case,
    *,
    suite: str | Path | None,
    client: str | None,
    server: str,
) -> RouteRequest:
    """Build the request that asks a case as a route says; see `Route.request`. `suite` is that of the examples.

    Raises:
        SelfoptError: if there is no such request; the message says why, and what to do.
    """
    project = project_of(route)
    settled, because = _settled(route, project)
    start = replace(project.settings.phase(route.phase).baseline, model=settled.model)
    spec = apply_route(start, settled)
    config = project.settings.model(spec.model)
    style = _style(config, client)
    wire = WIRE_FORMATS[style]
    variant = project.settings.variant(spec.variant)
    shown: tuple[Example, ...] = ()
    if variant.needs_examples:
        shown = examples_for(project, settled, suite)
    request = build_request(case, shown, spec, variant)
    try:
        built = build_body(wire, config, request, accepted_parameters(config))
    except Unsupported as problem:
        raise ModelError(f"{spec.id} cannot be asked: {problem}") from None
    notes = list(built.sampling.adjustments)
    if request.fresh:
        owner = _owner(config, server)
        built.value.update(isolating_members(owner))
        notes += _on_isolation(config, owner)
    return RouteRequest(
        client=_client_of(style),
        spec=spec,
        because=because,
        timeout_s=spec.timeout_s,
        retries=spec.retries,
        notes=tuple(notes),
        built=built,
        config=config,
        wire=wire,
        variant=variant,
        offers_tools=bool(case.tools),
    )


def case_of(prompt: str | Sequence[Message | Mapping[str, Any]], tools: Iterable[Mapping[str, Any]]) -> Case:
    """Return a prompt with its tools as variants ask it: as a case, which nobody judges.

    Raises:
        SettingsError: if a message or a tool cannot be used.
    """
    return Case(id="request", suite="application", messages=_messages(prompt), tools=_tools(tools), expect=_EXPECTED)


def _settled(route: Route, project: Project) -> tuple[Route, tuple[str, ...]]:
    """Return a route that can be asked, with the reasons; a disabled model is replaced as in sessions.

    Raises:
        ModelError: if the model is disabled, and nothing replaces it.
    """
    phase = project.settings.phase(route.phase)
    if not route.allowed:
        route = project.routing.apply_routing(route.requested, route.phase, fallback=phase.fallback)
    if not route.allowed:
        raise ModelError(
            f"{'; '.join(route.because)}: name a fallback_model in that rule, a fallback of the phase in the settings, "
            "or a default in resolve()"
        )
    because = list(route.because)
    if project.routing.get_rule(route.model, route.phase) is None:
        because.append(_on_baseline(route, project))
    return route, tuple(because)


def _on_baseline(route: Route, project: Project) -> str:
    """Return the sentence on a route without a rule: what holds instead, and why there is no rule any more."""
    settings = project.settings
    known = {*settings.phases, *(rule.phase for rule in project.routing.rules)}
    sentence = f"no rule is in force for {route.model} in {route.phase}, so that the configured baseline holds"
    if known and route.phase not in known:
        sentence += f" (the settings and rules name no such phase{did_you_mean(route.phase, sorted(known))})"
    why = taken_back(project, route.model, route.phase)
    return f"{sentence}: {why}" if why else sentence


def _style(config: ModelConfig, client: str | None) -> WireName:
    """Return the wire format of a request: that which the benchmark sends, or that of the client which was named.

    Raises:
        ModelError: if the model is not asked by one request of a known form.
        SettingsError: if there is no such style of clients.
    """
    if client is not None and client not in CLIENTS:
        raise SettingsError(f"client {client!r}{did_you_mean(client, CLIENTS)}")
    if config.members:
        raise ModelError(f"{config.id} is a swarm, which is not asked by one request; promote a single model")
    if client is not None:
        return client
    if config.provider.client:
        raise ModelError(
            f"{config.id} is asked by the project's own client {config.provider.client}; use that, or name the "
            f"style of yours: client= one of {', '.join(CLIENTS)}"
        )
    return config.wire


def _client_of(wire: WireName) -> str:
    if wire == "embedded":
        return "openai"
    return wire


def _owner(config: ModelConfig, server: str) -> str:
    """Return whose server it is, as far as that is known without asking it.

    Raises:
        SettingsError: if a server was named that has no switch for its cache.
    """
    if server and server not in SWITCHING_SERVERS:
        raise SettingsError(f"server {server!r} has no switch for its cache{did_you_mean(server, SWITCHING_SERVERS)}")
    if not server and config.wire == "embedded":
        return LLAMA_CPP
    return server


def _on_isolation(config: ModelConfig, owner: str) -> list[str]:
    if owner:
        return ["isolated: send it on a new connection; its server's cache is switched off"]
    named = " or ".join(SWITCHING_SERVERS)
    sentence = "isolated: send it on a new connection"
    if config.wire == "openai":
        sentence += f"; if its server is {named}, name it (server=), which switches its cache off"
    return [sentence]


def _no_expectation() -> Expectation:
    """Return what stands for the expectation of a case that nobody judges."""
    return expectation_from_json({"no_call": True})


_EXPECTED = _no_expectation()


def _messages(prompt: str | Sequence[Message | Mapping[str, Any]]) -> tuple[Message, ...]:
    """Return the messages of a conversation, which a text alone begins.

    Raises:
        SettingsError: naming the message and what is wrong with it.
    """
    if isinstance(prompt, str):
        return (Message(role="user", content=prompt),)
    messages = tuple(_message(entry, index) for index, entry in enumerate(prompt))
    if not messages:
        raise SettingsError("messages: there is none; give at least the user's")
    return messages


def _message(entry: object, index: int) -> Message:
    if isinstance(entry, Message):
        return entry
    place = f"messages[{index}]"
    if not isinstance(entry, Mapping):
        raise SettingsError(f"{place}: expected an object with role and content, got {type(entry).__name__}")
    for name in entry:
        if name not in _MESSAGE_FIELDS:
            advice = "; a model's answer goes back as read(…).message"
            raise SettingsError(
                f"{place}: unknown field {show(str(name))}; it has {', '.join(_MESSAGE_FIELDS)}{advice}"
            )
    role, content = entry.get("role"), entry.get("content")
    if role not in _ROLES:
        raise SettingsError(f"{place}.role: {show(role)} is not one of {', '.join(_ROLES)}")
    if not isinstance(content, str):
        raise SettingsError(f"{place}.content: expected a text, got {show(content)}")
    if role == "tool" and not isinstance(entry.get("tool"), str):
        raise SettingsError(f"{place}.tool: a result names the tool that was called")
    try:
        calls = tuple(ToolCall(**call) for call in entry.get("calls", ()))
    except TypeError:
        raise SettingsError(f"{place}.calls: expected a list of objects with name and arguments") from None
    return Message(role=str(role), content=content, calls=calls, tool=entry.get("tool", ""))


def _tools(definitions: Iterable[Mapping[str, Any]]) -> tuple[Tool, ...]:
    try:
        return tuple(map(unchecked_tool, definitions))
    except ValueError as problem:
        raise SettingsError(f"tools: {problem}") from None
