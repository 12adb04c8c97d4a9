"""Scripts: how a scripted model behaves, read from YAML and applied to requests."""

from __future__ import annotations

import hashlib
import itertools
import math
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pytest_selfopt.bench.case import Case
from pytest_selfopt.bench.expect import Calls, Contains, Exact, NoCall, Number
from pytest_selfopt.bench.suites import load_suite
from pytest_selfopt.bench.tool_calls import ExpectedCall
from pytest_selfopt.config_table import Table
from pytest_selfopt.errors import SettingsError
from pytest_selfopt.specs.variants import TOLD_RESULT
from pytest_selfopt.trial import Json, ToolCall

LONGEST_S = 3600.0
WARM_UP = "What is 2+2?"
"""The question of an immediate warm-up."""
_RESTRAINED = "There is nothing to call here."


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """A request, whatever its wire format: `messages` are pairs of role and text."""

    model: str
    messages: tuple[tuple[str, str], ...]
    native: bool = False
    """Whether tools are offered in the format's own fields."""
    constrained: bool = False
    """Whether an answer schema is given."""

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


@dataclass(frozen=True, slots=True, kw_only=True)
class When:
    """The condition of a rule; a field that is None matches every request."""

    case: str | None = None
    prompt: str | None = None
    anywhere: str | None = None
    model: str | None = None
    native: bool | None = None
    constrained: bool | None = None
    busy: int | None = None
    first: int | None = None
    cold: int | None = None
    step: int | None = None
    chance: float = 1.0

    def fits(self, asked: Asked, prompts: Mapping[str, str], in_flight: int, since_load: float) -> bool:
        """Whether a request matches; the caller checks `first` and `chance`.

        `since_load` is the number of earlier requests since the model was loaded; infinity once it is warm.
        """
        return (
            (self.case is None or prompts[self.case] == asked.prompt)
            and (self.prompt is None or self.prompt in asked.prompt)
            and (self.anywhere is None or any(self.anywhere in text for _, text in asked.messages))
            and (self.model is None or self.model == asked.model)
            and (self.native is None or self.native == asked.native)
            and (self.constrained is None or self.constrained == asked.constrained)
            and (self.step is None or self.step == asked.step)
            and (self.busy is None or in_flight > self.busy)
            and (self.cold is None or since_load < self.cold)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Then:
    """The server's response, after `latency` seconds (None: the script's)."""

    text: str | None = None
    calls: tuple[ToolCall, ...] = ()
    reply: str | None = None
    refusal: str | None = None
    expected: bool = False
    status: int = 200
    retry_after: float | None = None
    message: str = ""
    body: str | None = None
    truncate: int | None = None
    drop: bool = False
    hang: bool = False
    trickle: bool = False
    latency: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """The behaviour of a scripted model; `prompts` (by case id) and `answers` (by prompt) come from its suite.

    `served_as` is the model name in answers (empty: the name in the request), `digests` are those of the weights in
    Ollama's list, by model.
    """

    rules: tuple[tuple[When, Then], ...] = ()
    default: Then = Then(text="I do not know.")
    latency: float = 0.0
    seed: int = 0
    load: float = 0.0
    unload_after: float | None = None
    served_as: str = ""
    digests: Mapping[str, str] = field(default_factory=dict)
    prompts: Mapping[str, str] = field(default_factory=dict)
    answers: Mapping[str, Then] = field(default_factory=dict)


class Play:
    """A running script: counts requests and draws random numbers. Not safe to share."""

    def __init__(self, script: Script) -> None:
        self._script = script
        self._applied = [0] * len(script.rules)
        self._asked: Counter[str] = Counter()
        self._since_load: dict[str, float] = {}

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
        since_load = self._count(asked)
        for index, (when, then) in enumerate(self._script.rules):
            if not when.fits(asked, self._script.prompts, in_flight, since_load):
                continue
            self._applied[index] += 1
            if when.first is not None and self._applied[index] > when.first:
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
        return self._script.answers.get(asked.prompt, default)


def _address_of(asked: Asked) -> str:
    """Return a digest of a request's messages."""
    messages = repr(asked.messages).encode("utf-8", "backslashreplace")
    return hashlib.sha256(messages).hexdigest()


def load_script(path: Path) -> Script:
    """Read a script file; paths of suites are relative to it.

    Raises:
        SettingsError: naming file and key, if the file cannot be read.
    """
    try:
        value = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as problem:
        reason = " ".join(str(problem).split())
        raise SettingsError(f"cannot read the script {path}: {reason}") from None
    if value is None:
        value = {}
    return parse_script(value, path.name, folder=path.parent)


def parse_script(value: object, place: str = "script", *, folder: Path = Path()) -> Script:
    """Read a script.

    Raises:
        SettingsError: naming the key that is wrong.
        SuiteError: if its suite cannot be read.
    """
    table = Table(value, place)
    cases = _cases(table, folder)
    entries = table.raw("rules") or []
    if not isinstance(entries, list):
        raise SettingsError(f"{place}: rules: expected a list")
    default = _default(table, cases)
    script = Script(
        rules=_rules(entries, place, cases),
        default=default,
        latency=table.number("latency", 0.0, least=0, most=LONGEST_S) or 0.0,
        seed=table.integer("seed", 0, least=0, most=2**32),
        load=table.number("load", 0.0, least=0, most=LONGEST_S) or 0.0,
        unload_after=table.number("unload_after", None, least=0, most=LONGEST_S),
        served_as=table.text("served_as") or "",
        digests=_digests(table),
        prompts={case.id: case.prompt for case in cases},
        answers=_expected_answers(cases),
    )
    table.finish()
    return script


def _cases(table: Table, folder: Path) -> tuple[Case, ...]:
    """Load the cases of the suite that a script names, if any."""
    suite = table.text("suite")
    if not suite:
        return ()
    return load_suite(folder / suite).cases


def _default(table: Table, cases: tuple[Case, ...]) -> Then:
    if not table.has("default"):
        return Script().default
    return _then(table.table("default"), cases)


def _rules(entries: list[Any], place: str, cases: tuple[Case, ...]) -> tuple[tuple[When, Then], ...]:
    rules: list[tuple[When, Then]] = []
    for index, entry in enumerate(entries):
        rule = _rule(entry, f"{place}: rules[{index}]", cases)
        rules.append(rule)
    return tuple(rules)


def _digests(table: Table) -> Mapping[str, str]:
    value = table.raw("digests") or {}
    if not isinstance(value, dict) or not _holds_only_texts(value):
        table.refuse("digests", "expected a mapping of models to strings")
    return value


def _holds_only_texts(mapping: Mapping[object, object]) -> bool:
    keys_and_values = itertools.chain(mapping.keys(), mapping.values())
    return all(isinstance(member, str) for member in keys_and_values)


def _expected_answers(cases: tuple[Case, ...]) -> dict[str, Then]:
    """Return the right answers by prompt; cases without one are left out."""
    answers: dict[str, Then] = {}
    for case in cases:
        answer = expected_answer(case)
        if answer is not None:
            answers[case.prompt] = answer
    return answers


def expected_answer(case: Case) -> Then | None:
    """Return a right answer for a case; None if its expectation only constrains the answer's form."""
    expect = case.expect
    if isinstance(expect, Calls):
        return Then(calls=tuple(map(_right_call, expect.calls)))
    if isinstance(expect, NoCall):
        return Then(reply=_RESTRAINED)
    if isinstance(expect, Exact):
        return Then(text=expect.text)
    if isinstance(expect, Contains):
        return Then(text=" ".join(expect.parts))
    if isinstance(expect, Number):
        return Then(text=repr(expect.value))
    return None


def _right_call(call: ExpectedCall) -> ToolCall:
    """Return a call with the first accepted value of each mandatory argument."""
    arguments: dict[str, Json] = {}
    for name, values in call.arguments.items():
        if values and "" not in values:
            arguments[name] = values[0]
    return ToolCall(name=call.name, arguments=arguments)


def _rule(value: object, place: str, cases: tuple[Case, ...]) -> tuple[When, Then]:
    table = Table(value, place)
    when, then = table.table("when"), table.table("then")
    table.finish()
    condition = When(
        case=when.text("case"),
        prompt=when.text("prompt"),
        anywhere=when.text("anywhere"),
        model=when.text("model"),
        native=when.flag("native"),
        constrained=when.flag("constrained"),
        busy=_whole(when, "busy", least=1, most=10**6),
        first=_whole(when, "first", least=1, most=10**9),
        cold=_whole(when, "cold", least=1, most=10**9),
        step=_whole(when, "step", least=0, most=10**6),
        chance=_chance(when),
    )
    if condition.case is not None and all(case.id != condition.case for case in cases):
        when.refuse("case", f"{condition.case!r} is not a case of the script's suite")
    when.finish()
    return condition, _then(then, cases)


def _whole(table: Table, key: str, *, least: int, most: int) -> int | None:
    """Read a whole number; None if the key is missing."""
    if not table.has(key):
        return None
    return table.integer(key, 0, least=least, most=most)


def _chance(table: Table) -> float:
    chance = table.number("chance", None, least=0, most=1)
    if chance is None:
        return 1.0
    return chance


def _then(table: Table, cases: tuple[Case, ...]) -> Then:
    then = Then(
        text=table.text("text"),
        calls=_calls(table),
        reply=table.text("reply"),
        refusal=table.text("refusal"),
        expected=table.flag("expected", default=False),
        status=table.integer("status", 200, least=100, most=599),
        retry_after=table.number("retry_after", None, least=0, most=LONGEST_S),
        message=table.text("message") or "",
        body=table.raw("body"),
        truncate=_whole(table, "truncate", least=0, most=10**9),
        drop=table.flag("drop", default=False),
        hang=table.flag("hang", default=False),
        trickle=table.flag("trickle", default=False),
        latency=table.number("latency", None, least=0, most=LONGEST_S),
    )
    if then.body is not None and not isinstance(then.body, str):
        table.refuse("body", "expected a string")
    if then.expected:
        _check_expected(table, cases)
    table.finish()
    return then


def _check_expected(table: Table, cases: tuple[Case, ...]) -> None:
    """Reject `expected` unless every case of the suite has a definite right answer."""
    if not cases:
        table.refuse("expected", "needs a `suite`, whose cases say what is expected")
    for case in cases:
        if expected_answer(case) is None:
            table.refuse("expected", f"the expectation of case {case.id!r} gives no definite right answer")


def _calls(table: Table) -> tuple[ToolCall, ...]:
    """Read `calls`, a list, or else `call`, a single one."""
    single, several = table.raw("call"), table.raw("calls")
    if several is None and single is None:
        return ()
    if several is None:
        return (_call(single, table, "call"),)
    if not isinstance(several, list):
        table.refuse("calls", "expected a list of calls")
    return tuple(_call(entry, table, "calls") for entry in several)


def _call(entry: object, table: Table, key: str) -> ToolCall:
    if not isinstance(entry, dict) or not isinstance(entry.get("name"), str):
        table.refuse(key, "expected a name and arguments")
    arguments: dict[str, Json] = entry.get("arguments") or {}
    if not isinstance(arguments, dict):
        table.refuse(key, "expected a mapping of arguments")
    return ToolCall(name=entry["name"], arguments=arguments)
