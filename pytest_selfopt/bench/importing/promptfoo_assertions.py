"""Promptfoo's assertions as expectations."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from pytest_selfopt.bench.importing.javascript import javascript_key, javascript_text
from pytest_selfopt.bench.importing.promptfoo_templates import filled, is_elsewhere
from pytest_selfopt.bench.javascript_patterns import python_pattern
from pytest_selfopt.bench.loading.yaml_files import YamlProblem, read_yaml

Expectation: TypeAlias = dict[str, Any]
Variables: TypeAlias = Mapping[str, Any]

_NOT = "not-"
_SET = "assert-set"
_PROGRAMS = ("javascript", "python", "ruby", "webhook")
_MEASURES = ("latency", "cost", "perplexity", "perplexity-score", "tokens-used")
_COMPARISONS = ("select-best", "max-score")
_TOOLS = ("is-valid-function-call", "is-valid-openai-function-call", "is-valid-openai-tools-call")
_SCORES = ("levenshtein", "rouge-n", "bleu", "gleu", "meteor", "similar", "bertscore", "word-count", "character-count")
_PARTS = re.compile(r'\s*+(?:"((?:[^"\\]|\\.|"")*)"|(?!")([^,]*))\s*(?:,|$)')


@dataclass(frozen=True, slots=True)
class _Weighed:
    """An expectation and its share in the score; `whole` if it scores 0 or 1 and nothing between."""

    expectation: Expectation
    weight: float
    whole: bool = True


def expectation_of(assertions: Sequence[Any], threshold: Any, variables: Variables) -> tuple[Expectation, int]:
    """Return the expectation that a test's assertions amount to, and how many were left out as mere metrics.

    Raises:
        ValueError: with the reason, if a case cannot hold it.
    """
    weighed: list[_Weighed] = []
    dropped = 0
    for assertion in assertions:
        read, less = _weigh(assertion, variables, by_score=threshold is not None)
        dropped += less
        if read is not None:
            weighed.append(read)
    if not weighed:
        raise ValueError("it asserts nothing")
    return _combined(weighed, threshold), dropped


def _weigh(assertion: Any, variables: Variables, *, by_score: bool) -> tuple[_Weighed | None, int]:
    """Return an assertion with its weight, or None if it cannot fail a test; and the number of such."""
    if not isinstance(assertion, Mapping):
        raise ValueError(f"an assertion is no object with a type but {assertion!r}")
    weight = _weight(assertion)
    if assertion.get("type") == _SET:
        if by_score and weight == 0:
            return None, 1
        return _weigh_set(assertion, weight, variables)
    if weight == 0 or assertion.get("metricOnly") is True:
        return None, 1
    return _Weighed(_read(assertion, variables), weight), 0


def _weigh_set(assertion: Mapping[str, Any], weight: float, variables: Variables) -> tuple[_Weighed | None, int]:
    members = assertion.get("assert")
    if not isinstance(members, list):
        raise ValueError(f"an {_SET} has no list of assertions")
    threshold = assertion.get("threshold")
    expectation, dropped = expectation_of(members, threshold, variables)
    return _Weighed(expectation, weight, whole=len(members) == 1), dropped


def _weight(assertion: Mapping[str, Any]) -> float:
    weight = assertion.get("weight", 1)
    if isinstance(weight, bool) or not isinstance(weight, int | float) or weight < 0:
        raise ValueError(f"the weight {weight!r} of an assertion is no number from 0 on")
    return weight


def _combined(weighed: Sequence[_Weighed], threshold: Any) -> Expectation:
    """Combine expectations; a threshold is the share of the weights that has to be right."""
    expectations = [part.expectation for part in weighed]
    if threshold is None:
        return _all(expectations)
    if isinstance(threshold, bool) or not isinstance(threshold, int | float):
        raise ValueError(f"its threshold {threshold!r} is no number")
    if threshold <= 0:
        raise ValueError(f"with a threshold of {threshold} it passes whatever the answer")
    if threshold > 1:
        raise ValueError(f"with a threshold of {threshold} no answer passes")
    if not all(part.whole for part in weighed):
        raise ValueError(f"its threshold {threshold} is about the scores of an {_SET}, which are no yes or no")
    weights = [part.weight for part in weighed]
    total = sum(weights)
    least = min(weights)
    if (total - least) / total < threshold:
        return _all(expectations)
    if least / total >= threshold:
        return {"any": expectations}
    raise ValueError(f"its threshold {threshold} asks for some of its {len(weighed)} assertions, neither all nor any")


def _all(expectations: Sequence[Expectation]) -> Expectation:
    if len(expectations) == 1:
        return expectations[0]
    first = expectations[0].get("ignore_case")
    parts: list[str] = []
    for expectation in expectations:
        if "contains" not in expectation or expectation["ignore_case"] != first:
            return {"all": list(expectations)}
        parts.extend(expectation["contains"])
    return {"contains": parts, "ignore_case": first}


def _read(assertion: Mapping[str, Any], variables: Variables) -> Expectation:
    kind = assertion.get("type")
    if not isinstance(kind, str):
        raise ValueError(f"an assertion has no type but {kind!r}")
    if "transform" in assertion:
        raise ValueError(f"the assertion {kind!r} is about what a program makes of the answer")
    plain = kind.removeprefix(_NOT)
    reader = _READERS.get(plain)
    if reader is None:
        raise ValueError(_reason(kind, plain))
    if is_elsewhere(assertion.get("value")):
        raise ValueError(f"the value of the assertion {kind!r} is in another file, {assertion['value']!r}")
    value = _rendered(assertion.get("value"), variables, kind)
    expectation = reader(plain, value)
    if plain != kind:
        return {"not": expectation}
    return expectation


def _reason(kind: str, plain: str) -> str:
    """Say why no expectation corresponds to a kind of assertion."""
    named = f"the assertion {kind!r}"
    if plain in _PROGRAMS:
        return f"{named} needs a program; write a grader of your own"
    if plain in _MEASURES:
        return f"{named} is about the call, not the answer"
    if plain in _COMPARISONS:
        return f"{named} compares the answers of several models"
    if plain in _TOOLS:
        return f"{named} checks calls by the tools of promptfoo's provider, which are not in its tests"
    if plain == "tool-call-f1":
        return f"{named} compares the names of tools only; a case expects calls with their arguments"
    if plain == "contains-json":
        return f"{named} finds JSON among words; a case's answer is JSON as a whole or in a code fence"
    if plain in _SCORES or plain.startswith("similar:"):
        return f"{named} is a score with a threshold, which cases do not have"
    return f"{named} needs a model, a program or a metric that cases do not have"


def _rendered(value: Any, variables: Variables, kind: str) -> Any:
    """Fill the variables of a value, or of the items of a list."""
    what = f"the value of the assertion {kind!r}"
    if isinstance(value, str):
        return filled(value, variables, what)
    if not isinstance(value, list):
        return value
    items: list[Any] = []
    for item in value:
        if is_elsewhere(item):
            raise ValueError(f"{what} is in another file, {item!r}")
        if isinstance(item, str):
            items.append(filled(item, variables, what))
        else:
            items.append(item)
    return items


def _contains(kind: str, value: Any) -> Expectation:
    return {"contains": [_text(kind, value)], "ignore_case": kind.startswith("i")}


def _contains_all(kind: str, value: Any) -> Expectation:
    return {"contains": _texts(kind, value), "ignore_case": kind.startswith("i")}


def _contains_any(kind: str, value: Any) -> Expectation:
    return {"contains_any": _texts(kind, value), "ignore_case": kind.startswith("i")}


def _equals(kind: str, value: Any) -> Expectation:
    if isinstance(value, dict | list):
        return {"json_schema": {"const": value}}
    if value is None:
        raise ValueError(f"the assertion {kind!r} has no value")
    return {"exact": javascript_text(value)}


def _starts_with(kind: str, value: Any) -> Expectation:
    return {"regex": rf"\A{re.escape(_string(kind, value))}"}


def _ends_with(kind: str, value: Any) -> Expectation:
    return {"regex": rf"{re.escape(_string(kind, value))}\Z"}


def _regex(kind: str, value: Any) -> Expectation:
    return {"regex": python_pattern(_string(kind, value))}


def _is_json(kind: str, value: Any) -> Expectation:
    """Convert the assertion that an answer is JSON; a schema may be written as a text in YAML."""
    if isinstance(value, str):
        try:
            value = read_yaml(value, name_key=javascript_key).value
        except YamlProblem as problem:
            raise ValueError(f"the schema of the assertion {kind!r} cannot be read: {problem}") from None
    if value is None or value is True:
        return {"json_schema": {}}
    if not isinstance(value, dict):
        raise ValueError(f"the schema of the assertion {kind!r} is no object")
    return {"json_schema": value}


def _string(kind: str, value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"the assertion {kind!r} has no text as its value")
    return value


def _text(kind: str, value: Any) -> str:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return javascript_text(value)
    return _string(kind, value)


def _texts(kind: str, value: Any) -> list[str]:
    """Return the texts of a list, or of a text that separates them by commas."""
    if isinstance(value, str):
        value = separated(kind, value)
    if not isinstance(value, list) or not value:
        raise ValueError(f"the assertion {kind!r} has no list of texts as its value")
    texts = [_member(item) for item in value]
    if not all(texts):
        raise ValueError(f"the assertion {kind!r} lists an empty text, which is in every answer")
    return texts


def _member(item: Any) -> str:
    if item is None:
        return "null"
    return javascript_text(item)


def separated(kind: str, text: str) -> list[str]:
    """Return the parts of a text that commas separate; quotes keep a part together.

    Raises:
        ValueError: naming the assertion's `kind`, if a quote does not end.
    """
    parts: list[str] = []
    at = 0
    while at < len(text):
        found = _PARTS.match(text, at)
        if found is None:
            raise ValueError(f"the value of the assertion {kind!r} has a quote without its end")
        quoted, plain = found.groups()
        if quoted is not None:
            parts.append(re.sub(r'\\(["\\])|""', _unquoted, quoted))
        elif plain.strip():
            parts.append(plain.strip())
        at = found.end()
    return parts


def _unquoted(match: re.Match[str]) -> str:
    return match[1] or '"'


_READERS: dict[str, Callable[[str, Any], Expectation]] = {
    "contains": _contains,
    "icontains": _contains,
    "contains-all": _contains_all,
    "icontains-all": _contains_all,
    "contains-any": _contains_any,
    "icontains-any": _contains_any,
    "equals": _equals,
    "starts-with": _starts_with,
    "ends-with": _ends_with,
    "regex": _regex,
    "is-json": _is_json,
}
