"""Reading scripts from YAML; errors name the key that is wrong."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_selfopt.bench.case import Case
from pytest_selfopt.bench.grading.combined import AllOf, AnyOf
from pytest_selfopt.bench.grading.expect import (
    Calls,
    Contains,
    ContainsAny,
    Exact,
    Expectation,
    NoCall,
    Number,
)
from pytest_selfopt.bench.grading.meaning import simple_parts
from pytest_selfopt.bench.grading.numbers import write_number
from pytest_selfopt.bench.grading.tool_calls import right_call
from pytest_selfopt.bench.loading.suites import load_suite
from pytest_selfopt.bench.loading.yaml_files import YamlProblem, read_yaml
from pytest_selfopt.config_table import Table
from pytest_selfopt.errors import SettingsError
from pytest_selfopt.models.scripted.script import Script, Then, When
from pytest_selfopt.trial import Json, Reply, ToolCall

LONGEST_S = 3600.0
_RESTRAINED = "There is nothing to call here."


def load_script(path: Path) -> Script:
    """Read a script file; paths of suites are relative to it.

    Raises:
        SettingsError: naming file and key, if the file cannot be read.
    """
    try:
        value = read_yaml(path.read_text(encoding="utf-8-sig")).value
    except (OSError, UnicodeDecodeError) as problem:
        raise SettingsError(f"cannot read the script {path}: {problem}") from None
    except YamlProblem as problem:
        place = f"{path}:{problem.line}".removesuffix(":0")
        raise SettingsError(f"cannot read the script {place}: {problem}") from None
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
    rules = _rules(entries, place, cases)
    script = Script(
        rules=rules,
        default=default,
        latency=table.number("latency", 0.0, least=0, most=LONGEST_S) or 0.0,
        seed=table.integer("seed", 0, least=0, most=2**32),
        load=table.number("load", 0.0, least=0, most=LONGEST_S) or 0.0,
        unload_after=table.number("unload_after", None, least=0, most=LONGEST_S),
        served_as=table.text("served_as") or "",
        models=table.texts("models", ()),
        digests=_digests(table),
        owned_by=table.text("owned_by") or Script().owned_by,
        prompts={case.id: case.prompt for case in cases},
        answers=_expected_answers(cases),
        left_to_default=_left_to_default(cases, rules, default),
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
    if not isinstance(case.expect, AllOf | AnyOf):
        return _answer(case.expect)
    for part in simple_parts(case.expect):
        answer = _answer(part)
        if answer is not None and case.judge(_reply(answer)).passed:
            return answer
    return None


def _reply(answer: Then) -> Reply:
    text = answer.text or answer.reply or ""
    return Reply(text=text, tool_calls=answer.calls)


def _answer(expect: Expectation) -> Then | None:
    if isinstance(expect, Calls):
        return Then(calls=tuple(map(right_call, expect.calls)))
    if isinstance(expect, NoCall):
        return Then(reply=_RESTRAINED)
    if isinstance(expect, Exact):
        return Then(text=expect.texts[0])
    if isinstance(expect, Contains):
        return Then(text=" ".join(expect.parts))
    if isinstance(expect, ContainsAny):
        return Then(text=expect.parts[0])
    if isinstance(expect, Number):
        return Then(text=write_number(expect.value, expect.locale))
    return None


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
        has=when.text("has"),
        busy=_whole(when, "busy", least=1, most=10**6),
        first=_whole(when, "first", least=1, most=10**9),
        after=_whole(when, "after", least=1, most=10**9),
        cold=_whole(when, "cold", least=1, most=10**9),
        step=_whole(when, "step", least=0, most=10**6),
        max_tokens_below=_whole(when, "max_tokens_below", least=1, most=10**9),
        chance=_chance(when),
    )
    if condition.case is not None and all(case.id != condition.case for case in cases):
        when.refuse("case", f"{condition.case!r} is not a case of the script's suite")
    when.finish()
    if condition.case is not None:
        cases = tuple(case for case in cases if case.id == condition.case)
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
        headers=_headers(table),
        finish=table.text("finish"),
        usage=_usage(table),
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


def _headers(table: Table) -> Mapping[str, str]:
    """Read `headers`, a mapping of names to strings or numbers that fit into one line each."""
    headers: dict[str, str] = {}
    for name, value in _mapping(table, "headers").items():
        if not isinstance(value, str | int | float) or isinstance(value, bool):
            table.refuse("headers", f"expected a string or a number as the value of {name!r}")
        line = f"{name}: {value}"
        if not line.isascii() or not line.isprintable():
            table.refuse("headers", f"expected printable ASCII, got {line!r}")
        headers[name] = str(value)
    return headers


def _usage(table: Table) -> Mapping[str, Json]:
    usage: Mapping[str, Json] = _mapping(table, "usage")
    return usage


def _mapping(table: Table, key: str) -> Mapping[str, Any]:
    """Read a mapping whose keys are strings; empty if the key is missing."""
    value = table.raw(key) or {}
    if not isinstance(value, dict) or not all(isinstance(name, str) for name in value):
        table.refuse(key, "expected a mapping with strings as keys")
    return value


def _check_expected(table: Table, cases: tuple[Case, ...]) -> None:
    """Reject `expected` unless a case that the rule may answer has a definite right answer."""
    if not cases:
        table.refuse("expected", "needs a `suite`, whose cases say what is expected")
    if all(expected_answer(case) is None for case in cases):
        table.refuse("expected", f"the expectation of case {cases[0].id!r} gives no definite right answer")


def _left_to_default(cases: tuple[Case, ...], rules: Sequence[tuple[When, Then]], default: Then) -> tuple[str, ...]:
    """Return the cases without a definite right answer that no rule names, where rules give `expected` answers."""
    if not default.expected and not any(then.expected for _, then in rules):
        return ()
    named = {when.case for when, _ in rules}
    return tuple(case.id for case in cases if case.id not in named and expected_answer(case) is None)


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
