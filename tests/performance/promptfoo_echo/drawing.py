"""Configurations of promptfoo, drawn by a seed: tests whose assertions are about as often right as wrong."""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import yaml

from tests.performance.promptfoo_echo.samples import (
    COMMON,
    ENDS,
    JSON_TEXTS,
    PATTERNS,
    PLAIN,
    RARE,
    SCHEMAS,
    WORDS,
)

CONFIGURATION = "promptfooconfig.yaml"


@dataclass(slots=True)
class Drawn:
    """A configuration with its files."""

    files: dict[str, str] = field(default_factory=dict)
    prompts: int = 1
    tests: list[DrawnTest] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class DrawnTest:
    """A test: its place in the file, how many it stands for by its lists of variables, and its types of assertions."""

    place: str
    combinations: int
    kinds: frozenset[str]


def draw(seed: str) -> Drawn:
    """Draw a configuration."""
    return _Drawing(random.Random(seed)).configuration()


class _Drawing:
    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._drawn = Drawn()
        self._plain: list[str] = []
        self._used: list[dict[str, Any]] = []
        """Assertions that later tests may use again: YAML then writes an alias."""

    def configuration(self) -> Drawn:
        chance = self._chance
        prompts = ["{{reply}}"]
        if chance.random() < 0.25:
            prompts.append(
                chance.choice(
                    ("{{ reply }}!", "Say {{reply}}", "{{reply}}{# note #}", "{{reply | upper}}", "{{reply}}\n")
                )
            )
        document: dict[str, Any] = {"prompts": prompts, "providers": ["echo"]}
        self._drawn.prompts = len(prompts)
        self._default(document)
        tests: list[Any] = [self._test() for _ in range(chance.randint(5, 9))]
        if chance.random() < 0.3:
            tests.append(self._table())
        document["tests"] = tests
        if chance.random() < 0.25:
            document["scenarios"] = [self._scenario()]
        text = yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=1000)
        for index, plain in enumerate(self._plain):
            text = text.replace(f"PLAIN_{index}_", plain)
        self._drawn.files[CONFIGURATION] = text
        return self._drawn

    def _default(self, document: dict[str, Any]) -> None:
        chance = self._chance
        default: dict[str, Any] = {"vars": {"shared": chance.choice(WORDS)}}
        if chance.random() < 0.3:
            default["assert"] = [{"type": "not-contains", "value": "{{shared}} {{shared}}"}]
        if chance.random() < 0.2:
            default["options"] = {chance.choice(("prefix", "suffix")): chance.choice(("> ", "{{shared}}", "."))}
        if chance.random() < 0.1:
            default["threshold"] = 0.5
        document["defaultTest"] = default
        if chance.random() < 0.15:
            self._drawn.files["default.yaml"] = yaml.safe_dump(default, allow_unicode=True)
            document["defaultTest"] = "file://default.yaml"

    def _test(self) -> dict[str, Any]:
        chance = self._chance
        reply, variables, combinations = self._reply()
        test: dict[str, Any] = {"vars": {**variables, "reply": reply}}
        if chance.random() < 0.5:
            test["vars"] = {"reply": reply, **variables}
        shown = reply
        if isinstance(reply, list):
            shown = reply[0]
        asserted = [self._assertion(str(shown)) for _ in range(chance.choice((1, 1, 1, 2, 3)))]
        if chance.random() < 0.2:
            asserted.append(self._set(str(shown)))
        if chance.random() < 0.1:
            chance.choice(asserted)["weight"] = chance.choice((0, 2, 0.5))
        if chance.random() < 0.2:
            test["threshold"] = chance.choice((0.3, 0.5, 0.5, 0.66, 1, 1, None, chance.choice((0, 1.5))))
        if chance.random() < 0.1:
            test["options"] = chance.choice(
                ({"prefix": "A "}, {"suffix": ""}, {"disableVarExpansion": True}, {"disableDefaultAsserts": True})
            )
        if test.get("options") == {"disableVarExpansion": True}:
            combinations = 1
        test["assert"] = asserted
        place = f"{CONFIGURATION}: tests[{len(self._drawn.tests)}]"
        self._drawn.tests.append(DrawnTest(place, combinations, _kinds(asserted)))
        return test

    def _reply(self) -> tuple[Any, dict[str, Any], int]:
        """Draw a reply with the other variables of a test, and how many tests its lists stand for."""
        chance = self._chance
        text = self._words()
        kind = chance.random()
        if kind < 0.45:
            return text + chance.choice(ENDS), {"word": chance.choice(WORDS)}, 1
        if kind < 0.65:
            return chance.choice(JSON_TEXTS), {}, 1
        if kind < 0.75:
            return (
                f"{{{{word}}}} and {text}",
                {"word": chance.choice((*WORDS, "{{deep}}", "$&", "$$", "x\n")), "deep": "depth"},
                1,
            )
        if kind < 0.8:
            return "{{word | upper}} {{ list[0] }} {{none}}", {"word": "deep {{shared}}", "list": [1, 2]}, 1
        if kind < 0.85:
            return [text, chance.choice(WORDS)], {"word": ["p", "q"]}, 4
        if kind < 0.9:
            self._plain.append(chance.choice(PLAIN))
            return f"PLAIN_{len(self._plain) - 1}_", {}, 1
        if kind < 0.95:
            name = f"reply-{len(self._drawn.files)}.txt"
            self._drawn.files[name] = f" {text} {{{{shared}}}}\n"
            return f"file://{name}", {}, 1
        return (
            chance.choice(
                ("{{ unfinished", "50 %} off", "{{nothing}} here", "{% raw %}{{x}}{% endraw %}", "a {# b #} c")
            ),
            {},
            1,
        )

    def _words(self) -> str:
        return " ".join(self._chance.choices(WORDS, k=self._chance.randint(1, 3)))

    def _assertion(self, reply: str) -> dict[str, Any]:
        chance = self._chance
        if self._used and chance.random() < 0.1:
            return chance.choice(self._used)
        if chance.random() < 0.03:
            return dict(chance.choice(RARE))
        kinds: tuple[tuple[str, Callable[[str], Any]], ...] = (
            ("contains", self._part),
            ("icontains", self._part),
            ("equals", self._equal),
            ("starts-with", self._beginning),
            ("regex", self._pattern),
            ("is-json", self._schema),
            ("contains-all", self._list),
            ("contains-any", self._list),
            ("icontains-all", self._list),
            ("icontains-any", self._list),
        )
        kind, value = chance.choice(kinds)
        assertion: dict[str, Any] = {"type": kind, "value": value(reply)}
        if chance.random() < 0.25:
            assertion["type"] = f"not-{kind}"
        if kind == "is-json" and assertion["value"] is None:
            del assertion["value"]
        self._used.append(assertion)
        return assertion

    def _part(self, reply: str) -> Any:
        chance = self._chance
        if chance.random() < 0.2:
            return chance.choice(
                ("{{word}}", "{{shared}}", "{{ word }}x", "{{word | lower}}", "{{nothing}}", 42, "{{reply}}")
            )
        if chance.random() < 0.1:
            return self._filed("value", f" {chance.choice(WORDS)}\n")
        words = reply.split(" ")
        return chance.choice((chance.choice(words), chance.choice(WORDS), reply.strip(), reply.swapcase()[:4])) or "x"

    def _equal(self, reply: str) -> Any:
        chance = self._chance
        try:
            parsed = json.loads(reply)
        except ValueError:
            parsed = {"a": 1}
        variants = (
            reply,
            reply.strip(),
            f" {reply}",
            reply.casefold(),
            parsed,
            "{{reply}}",
            42,
            True,
            None,
            ["{{word}}", 1],
        )
        return chance.choice((reply, *variants))

    def _beginning(self, reply: str) -> Any:
        chance = self._chance
        return (
            chance.choice(
                (reply[:1], reply[:4], reply.strip()[:2], "{{word}}", "{{shared}}", chance.choice(WORDS), ".")
            )
            or "x"
        )

    def _pattern(self, _reply: str) -> Any:
        chance = self._chance
        if chance.random() < 0.1:
            return chance.choice(("^{{word}}", "{{shared}}$", r"{{word}}\d", "a{{'{2}'}}"))
        return chance.choice(PATTERNS)

    def _schema(self, _reply: str) -> Any:
        chance = self._chance
        if chance.random() < 0.4:
            return None
        if chance.random() < 0.15:
            return self._filed("schema", json.dumps({"type": "object", "required": ["a"]}), ".json")
        return chance.choice(SCHEMAS)

    def _list(self, reply: str) -> Any:
        chance = self._chance
        parts = [self._part(reply) for _ in range(chance.randint(1, 3))]
        if chance.random() < 0.3:
            return chance.choice((", ".join(map(str, parts)), '"a, b", Paris', "x,,y", '"open', "no, 42"))
        if chance.random() < 0.1:
            parts.append(chance.choice(("", None, 4.5, True)))
        return parts

    def _filed(self, name: str, text: str, ending: str = ".txt") -> str:
        file = f"{name}-{len(self._drawn.files)}{ending}"
        self._drawn.files[file] = text
        return f"file://{file}"

    def _set(self, reply: str) -> dict[str, Any]:
        chance = self._chance
        members = [dict(self._assertion(reply)) for _ in range(chance.randint(1, 3))]
        several: dict[str, Any] = {"type": "assert-set", "assert": members}
        if chance.random() < 0.5:
            several["threshold"] = chance.choice((0.3, 0.5, 1))
        if chance.random() < 0.3:
            several["weight"] = chance.choice((0, 2))
        return several

    def _scenario(self) -> dict[str, Any]:
        config = [{"vars": {"word": word}} for word in self._chance.choices(WORDS, k=2)]
        reply = "{{word}} it is"
        asserted = [self._assertion(reply) for _ in range(2)]
        tests = [{"vars": {"reply": reply}, "assert": [one]} for one in asserted]
        for number, _ in enumerate(config):
            for index, one in enumerate(asserted):
                place = f"{CONFIGURATION}: scenarios[0].config[{number}].tests[{index}]"
                self._drawn.tests.append(DrawnTest(place, 1, _kinds([one])))
        return {"config": config, "tests": tests}

    def _table(self) -> str:
        chance = self._chance
        out = io.StringIO()
        writer = csv.writer(out)
        writer.writerow(("reply", "word", "__expected", "__expected2"))
        name = f"tests-{len(self._drawn.files)}.csv"
        for _ in range(3):
            line = out.getvalue().count("\n") + 1
            reply = self._words().replace("\ufeff", "")
            expected = chance.choice(
                (f"contains: {reply[:3]}", reply, "not-equals: {{word}}", "regex:^\\w", "contains-any: no, 42")
            )
            second = chance.choice(("", "icontains:{{word}}", "starts-with: " + reply[:1], "is-json"))
            writer.writerow((reply, chance.choice(WORDS).replace("\ufeff", ""), expected, second))
            kinds = [cell.partition(":")[0].removeprefix("not-") for cell in (expected, second) if cell]
            self._drawn.tests.append(DrawnTest(f"{name}:{line}", 1, frozenset(kinds) & frozenset(COMMON)))
        self._drawn.files[name] = out.getvalue()
        return f"file://{name}"


def _kinds(assertions: list[dict[str, Any]]) -> frozenset[str]:
    kinds: set[str] = set()
    for assertion in assertions:
        kinds.add(assertion["type"].removeprefix("not-"))
        for member in assertion.get("assert", ()):
            kinds.add(member["type"].removeprefix("not-"))
    return frozenset(kinds)
