"""The interface for applications: model and settings in effect for (model, phase). Standard library only.

from pytest_selfopt.routing.resolve import resolve
route = resolve("embedded/smollm2-135m", "atomic")
request = route.request("What's the weather in Paris?", tools=TOOLS)
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from pytest_selfopt.routing.readable import read_bytes
from pytest_selfopt.routing.regular_file import read_regular
from pytest_selfopt.routing.rule import Rule
from pytest_selfopt.settings_lookup import routing_file

if TYPE_CHECKING:
    from pytest_selfopt.application.request import RouteRequest
    from pytest_selfopt.bench.tools import Message

Index: TypeAlias = Mapping[tuple[str, str], Rule]


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The effective model for a request, and the settings of its rule (None: not set).

    `allowed` is False if the model is disabled without a usable fallback; `because` explains the route, one sentence
    per step; `evidence` is what its rule rests on, as in the file, such as "claim" for a promotion: the prompts that it
    rests on, and those for which it is shown.
    """

    requested: str
    phase: str
    model: str
    allowed: bool = True
    enable_warmup: bool | None = None
    variant: str | None = None
    timeout_s: float | None = None
    retries: int | None = None
    isolated: bool | None = None
    sampling: Mapping[str, Any] | None = None
    because: tuple[str, ...] = ()
    evidence: Mapping[str, Any] | None = None
    config: str = field(default="", compare=False, repr=False)
    """The path of the routing configuration that was read, whose project's settings a request follows."""

    @property
    def rerouted(self) -> bool:
        """Whether the model in effect differs from the requested one."""
        return self.model != self.requested

    def request(
        self,
        prompt: str | Sequence[Message | Mapping[str, Any]],
        *,
        tools: Iterable[Mapping[str, Any]] = (),
        examples: str | Path | None = None,
        client: str | None = None,
        server: str = "",
    ) -> RouteRequest:
        """Return what to send to ask a prompt in the way that is in force: the same that the benchmark sends.

        `prompt` is the user's text, or the messages of a conversation: `role` and `content` each, of results of tools
        `tool`, too. `tools` are definitions as in suites, or as OpenAI, Anthropic and MCP write them. What the rule
        leaves open is as the phase's baseline in the settings of the project. `examples` is the suite file whose worked
        examples are shown, where the variant shows some (None: the one that the rule was measured by). `client` is
        "openai", "ollama" or "anthropic" (None: as the benchmark asks); `server`, "llamacpp" or "vllm", is only needed
        where the way in force is isolated.

        Raises:
            SelfoptError: if there is no such request: the model is unknown, or disabled without a fallback, the
                settings or the project's variant cannot be used, or the examples are missing.
        """
        # What only asks for the route does without.
        from pytest_selfopt.application.build import case_of, request_for

        return request_for(self, case_of(prompt, tools), suite=examples, client=client, server=server)


def index_rules(rules: Iterable[Rule]) -> dict[tuple[str, str], Rule]:
    """Return the rules in force by (model, phase)."""
    return {(rule.model, rule.phase): rule for rule in rules if rule.in_force}


def route(index: Index, model: str, phase: str, *, fallback: str | None = None) -> Route:
    """Follow fallbacks from `model` to the first allowed model; a loop or a dead end gives a route not allowed.

    `fallback` is the phase's own: it replaces a disabled model whose rule names none.
    """
    steps: list[str] = []
    seen = [model]
    while True:
        rule = index.get((seen[-1], phase))
        if rule is None or rule.allow:
            return _settled(model, phase, seen[-1], rule, steps)
        why = ""
        if rule.reason:
            why = f" ({rule.reason})"
        following, whose = rule.fallback_model, ""
        if not following and fallback not in seen:
            following, whose = fallback, ", the fallback of the phase,"
        if not following:
            steps.append(f"{seen[-1]} is disabled for {phase} and has no fallback{why}")
            break
        steps.append(f"{seen[-1]} is disabled for {phase}; {following}{whose} replaces it{why}")
        if following in seen:
            steps.append(f"the fallbacks of {phase} lead back to {following}")
            break
        seen.append(following)
    return Route(requested=model, phase=phase, model=model, allowed=False, because=tuple(steps))


def _settled(requested: str, phase: str, model: str, rule: Rule | None, steps: list[str]) -> Route:
    if rule is None:
        return Route(requested=requested, phase=phase, model=model, because=tuple(steps))
    because = f"the rule for {model} in {phase}"
    if rule.reason:
        because += f": {rule.reason}"
    timeout_s = rule.timeout_s
    if timeout_s is not None:
        timeout_s = float(timeout_s)
    return Route(
        requested=requested,
        phase=phase,
        model=model,
        enable_warmup=rule.enable_warmup,
        variant=rule.variant,
        timeout_s=timeout_s,
        retries=rule.retries,
        isolated=rule.isolated,
        sampling=rule.sampling,
        because=(*steps, because),
        evidence=rule.evidence,
    )


_turn = threading.Lock()
_read: dict[str, tuple[tuple[int, int, int], Index, str]] = {}


def resolve(model: str, phase: str, *, path: str | Path | None = None, default: str | None = None) -> Route:
    """Return the route for a model in a phase by the configuration at `path`.

    Without a path it is that of the project: the settings nearest upwards from the working directory lead to it, as in
    sessions of pytest. An application that runs elsewhere names it.

    Never raises because of the file. The readable rules of a broken one hold. If the file is missing, or broken without
    a readable rule on the model, `default` (or the requested model) is in effect; of a dead end, only `default` is.
    `because` says why, and what is wrong with the file. It is read again only after a change.
    """
    note = ""
    if path is None:
        path, note = routing_file()
    found = replace(_resolved(model, phase, path, default), config=str(path))
    if not note:
        return found
    return replace(found, because=(*found.because, note))


def _resolved(model: str, phase: str, path: str | Path, default: str | None) -> Route:
    try:
        index, problem = _index(str(path))
    except FileNotFoundError:
        return _instead(model, phase, default, f"{path} does not exist")
    except (OSError, ValueError) as error:
        return _instead(model, phase, default, f"{path} cannot be used: {error}")
    if problem and (model, phase) not in index:
        return _instead(model, phase, default, problem, index=index)
    settled = route(index, model, phase)
    if problem:
        settled = replace(settled, because=(*settled.because, problem))
    if settled.allowed or default is None:
        return settled
    return _instead(model, phase, default, *settled.because, index=index)


def _instead(model: str, phase: str, default: str | None, *because: str, index: Index | None = None) -> Route:
    """Return the route of the default, or of the model itself; a readable rule about it holds for it, too."""
    instead = route(index or {}, default or model, phase)
    return replace(instead, requested=model, because=(*because, *instead.because))


def _index(path: str) -> tuple[Index, str]:
    """Return the rules in force, and a sentence on what is wrong with the file (empty: nothing)."""
    status = Path(path).stat()
    mark = (status.st_mtime_ns, status.st_size, status.st_ino)
    known = _read.get(path)
    if known is not None and known[0] == mark:
        return known[1:]
    with _turn:
        reading = read_bytes(read_regular(Path(path)))
        index, problem = index_rules(reading.rules), reading.sentence(path)
        _read[path] = (mark, index, problem)
        return index, problem
