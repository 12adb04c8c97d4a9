"""Scripts: how a scripted model behaves, and what it does with a request."""

from __future__ import annotations

import hashlib
import math
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from pytest_selfopt.specs.variants import TOLD_RESULT
from pytest_selfopt.trial import Json, ToolCall

WARM_UP = "What is 2+2?"
"""The question of an immediate warm-up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request, whatever its wire format: `messages` are pairs of role and text."""

    model: str
    messages: tuple[tuple[str, str], ...]
    native: bool = False
    """Whether tools are offered in the format's own fields."""
    constrained: bool = False
    """Whether an answer schema is given."""
    max_tokens: int | None = None
    """The limit of tokens of the answer; None if there is none."""
    members: frozenset[str] = frozenset()
    """The names of the members of the body, and of those of Ollama's `options`."""

    @property
    def prompt(self) -> str:
        """The user's last message; tool results are not the user's, even if written as text."""
        for role, text in reversed(self.messages):
            if _is_said(role, text):
                return text
        return ""

    @property
    def step(self) -> int:
        """The number of the model's answers since the user's last message."""
        answers = 0
        for role, text in reversed(self.messages):
            if _is_said(role, text):
                break
            answers += role == "assistant"
        return answers


def _is_said(role: str, text: str) -> bool:
    return role == "user" and not text.startswith(TOLD_RESULT)


def _is_limited(asked: Asked, tokens: int) -> bool:
    """Whether an answer must have fewer than this many tokens."""
    return asked.max_tokens is not None and asked.max_tokens < tokens


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """The condition of a rule; a field that is None matches every request."""

    case: str | None = None
    prompt: str | None = None
    anywhere: str | None = None
    model: str | None = None
    native: bool | None = None
    constrained: bool | None = None
    has: str | None = None
    busy: int | None = None
    first: int | None = None
    after: int | None = None
    cold: int | None = None
    step: int | None = None
    max_tokens_below: int | None = None
    chance: float = 1.0

    def fits(self, asked: Asked, prompts: Mapping[str, str], in_flight: int, since_load: float) -> bool:
        """Whether a request matches; `takes` checks `first` and `after`, the caller `chance`.

        `since_load` is the number of earlier requests since the model was loaded; infinity once it is warm.
        """
        return (
            (self.case is None or prompts[self.case] == asked.prompt)
            and (self.prompt is None or self.prompt in asked.prompt)
            and (self.anywhere is None or any(self.anywhere in text for _, text in asked.messages))
            and (self.model is None or self.model == asked.model)
            and (self.native is None or self.native == asked.native)
            and (self.constrained is None or self.constrained == asked.constrained)
            and (self.has is None or self.has in asked.members)
            and (self.step is None or self.step == asked.step)
            and (self.max_tokens_below is None or _is_limited(asked, self.max_tokens_below))
            and (self.busy is None or in_flight > self.busy)
            and (self.cold is None or since_load < self.cold)
        )

    def takes(self, number: int) -> bool:
        """Whether the rule applies to the matching request of this number, from 1."""
        return (self.first is None or number <= self.first) and (self.after is None or number > self.after)


@dataclass(frozen=True, slots=True, kw_only=True)
class Then:
    """The server's response, after `latency` seconds (None: the script's).

    `headers` are added to those of the response, or replace them; `finish` is the reason why the answer ended (None:
    the format's usual one), and `usage` replaces members of the format's token counts.
    """

    text: str | None = None
    calls: tuple[ToolCall, ...] = ()
    reply: str | None = None
    refusal: str | None = None
    expected: bool = False
    status: int = 200
    retry_after: float | None = None
    message: str = ""
    body: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    finish: str | None = None
    usage: Mapping[str, Json] = field(default_factory=dict)
    truncate: int | None = None
    drop: bool = False
    hang: bool = False
    trickle: bool = False
    latency: float | None = None


_UNSET = Then()
_IGNORANT = Then(text="I do not know.")
_ANSWER = frozenset({"text", "calls", "reply", "refusal", "expected"})
"""What `expected` replaces in a rule."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """The behaviour of a scripted model; `prompts` (by case id) and `answers` (by prompt) come from its suite.

    `served_as` is the model name in answers (empty: the name in the request). Lists of models have `models`, those of
    `digests`, and those asked so far; `digests` are those of the weights in Ollama's list, `owned_by` is in OpenAI's.
    """

    rules: tuple[tuple[When, Then], ...] = ()
    default: Then = _IGNORANT
    latency: float = 0.0
    seed: int = 0
    load: float = 0.0
    unload_after: float | None = None
    served_as: str = ""
    models: tuple[str, ...] = ()
    digests: Mapping[str, str] = field(default_factory=dict)
    owned_by: str = "scripted"
    prompts: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, Then] = field(default_factory=dict)
    left_to_default: tuple[str, ...] = ()
    """The cases whose expectation gives no definite right answer and that no rule names: `expected` skips them."""


class Play:
    """A running script: counts requests and draws random numbers. Not safe to share."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._applied = [0] * len(script.rules)
        self._asked: Counter[str] = Counter()
        self._since_load: dict[str, float] = {}
        self._models: dict[str, None] = {}

    @property
    def models(self) -> tuple[str, ...]:
        """The models that were asked so far."""
        return tuple(self._models)

    def unload(self, model: str) -> None:
        """Unload a model, so that it is cold again."""
        self._since_load.pop(model, None)

    def choose(self, asked: Asked, in_flight: int) -> Then:
        """Choose what to do with a request while `in_flight` requests, itself included, are under way.

        Random draws depend on the seed, the prompt and how often it was asked, so that the order in which requests
        of several threads arrive does not matter.
        """
        address = _address_of(asked)
        self._asked[address] += 1
        if asked.model:
            self._models[asked.model] = None
        since_load = self._count(asked)
        for index, (when, then) in enumerate(self._script.rules):
            if not when.fits(asked, self._script.prompts, in_flight, since_load):
                continue
            self._applied[index] += 1
            if not when.takes(self._applied[index]):
                continue
            seed = f"{self._script.seed}/{index}/{address}/{self._asked[address]}"
            drawn = random.Random(seed).random()
            if when.chance >= 1 or drawn < when.chance:
                return self._answer(then, asked)
        return self._answer(self._script.default, asked)

    def _count(self, asked: Asked) -> float:
        """Count a request; return the number of earlier ones since its model was loaded, infinity once it is warm."""
        before = self._since_load.get(asked.model, 0.0)
        if WARM_UP in asked.prompt:
            self._since_load[asked.model] = math.inf
        else:
            self._since_load[asked.model] = before + 1
        return before

    def _answer(self, then: Then, asked: Asked) -> Then:
        if not then.expected:
            return then
        default = self._script.default
        if default.expected:
            default = _IGNORANT
        answer = self._script.answers.get(asked.prompt, default)
        return _beside(then, answer)


def _beside(then: Then, answer: Then) -> Then:
    """Return `answer` with all that a rule sets beside it, such as a latency or headers."""
    kept: dict[str, Any] = {}
    for setting in fields(Then):
        value = getattr(then, setting.name)
        if setting.name not in _ANSWER and value != getattr(_UNSET, setting.name):
            kept[setting.name] = value
    return replace(answer, **kept)


def _address_of(asked: Asked) -> str:
    """Return a digest of a request's messages."""
    messages = repr(asked.messages).encode("utf-8", "backslashreplace")
    return hashlib.sha256(messages).hexdigest()
