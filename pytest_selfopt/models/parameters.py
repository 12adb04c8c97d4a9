"""The parameters that a model accepts: by its family, by its settings, and by what its server has refused.

Sampling parameters have the names of the OpenAI format here. What a server refuses is left out, or sent under another
name, and everybody is told: the ledger has what was really sent.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.models.failures import ServerError, search
from pytest_selfopt.specs.answer_schema import DEFS
from pytest_selfopt.trial import Json

SAMPLING = {
    "temperature": "temperature",
    "top_p": "top_p",
    "seed": "seed",
    "max_tokens": "max_tokens",
    "num_predict": "max_tokens",
}
"""The names of sampling parameters in a new body of any wire format, and what they are here."""
LIMIT = "max_tokens"
NEW_LIMIT = "max_completion_tokens"
WRAPPED = "answer"
"""The member that holds an answer whose schema has to be an object's."""

REFUSING_STATUSES = (400, 422)
MOST_ADJUSTMENTS = 6
"""How often one call is sent again because of what a server has refused."""

_LEAST_LIMIT = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameters:
    """What is sent to a model: `names` of sampling parameters that it knows by another name, or not at all (None).

    `most_tokens` is the highest limit of tokens that it accepts. With `only_one` it takes a temperature or a `top_p`,
    but not both. With `object_root` the schema of an answer has to be an object's, `strict` is sent if it is not None.
    `extra` are members of the body beyond those of a request.
    """

    names: Mapping[str, str | None] = field(default_factory=dict)
    most_tokens: int | None = None
    only_one: bool = False
    object_root: bool = False
    strict: bool | None = None
    extra: Mapping[str, Json] = field(default_factory=dict)

    def renamed(self, name: str, other: str | None) -> Parameters:
        """Return the parameters with another name for one of them; None leaves it out."""
        return replace(self, names={**self.names, name: other})


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What a refusal teaches: the parameters to send from now on, and a sentence on it."""

    parameters: Parameters
    sentence: str


_NO_SAMPLING: Mapping[str, str | None] = {"temperature": None, "top_p": None}

_OPENAI = r"(?:gpt-|o\d|chatgpt-)"
_THINKING = r"o\d|gpt-[5-9]"
_TUNABLE = r"gpt-5-chat|gpt-5\.[1-4](?!\d)"
"""Models of the thinking families that take a temperature, at least while they are not told to think."""

_CLAUDE = r"claude-(?:opus|sonnet|haiku)-(\d+)(?:-(\d{1,2})(?!\d))?"
_CLAUDE_WITHOUT_SAMPLING = r"claude-(?:fable|mythos)"
_FIRST_WITH_ONE = (4, 1)
_FIRST_WITHOUT = (4, 7)


def accepted_parameters(model: ModelConfig) -> Parameters:
    """Return what is known of a model before it was asked: its family's ways, changed by its own settings."""
    known = _of_family(model)
    own = model.parameters
    names = {**known.names, **own.names}
    changed = replace(known, names=names, extra=own.extra)
    if own.object_root is not None:
        changed = replace(changed, object_root=own.object_root)
    if own.strict is not None:
        changed = replace(changed, strict=own.strict)
    return changed


def _of_family(model: ModelConfig) -> Parameters:
    """Return the ways of a model's family, as of November 2026 (docs/how-to/models.md has the sources)."""
    # Routers, whose models have the provider in their name, adapt parameters themselves.
    if model.wire == "openai" and re.match(_OPENAI, model.name):
        return _of_openai(model.name)
    if model.wire == "anthropic":
        return _of_claude(model.name)
    return Parameters()


def _of_openai(name: str) -> Parameters:
    if not re.match(_THINKING, name):
        return Parameters(object_root=True)
    names: dict[str, str | None] = {LIMIT: NEW_LIMIT}
    if not re.match(_TUNABLE, name):
        names |= _NO_SAMPLING
    return Parameters(names=names, object_root=True)


def _of_claude(name: str) -> Parameters:
    if re.match(_CLAUDE_WITHOUT_SAMPLING, name):
        return Parameters(names=_NO_SAMPLING)
    match = re.match(_CLAUDE, name)
    if match is None:
        return Parameters()
    version = (int(match[1]), int(match[2] or 0))
    if version >= _FIRST_WITHOUT:
        return Parameters(names=_NO_SAMPLING)
    return Parameters(only_one=version >= _FIRST_WITH_ONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentSampling:
    """The sampling parameters of one request: as they were `sent`, by their names there, and what each is here.

    `adjustments` say what was left out or lowered because the model does not take it otherwise.
    """

    sent: dict[str, Json]
    names: Mapping[str, str]
    adjustments: tuple[str, ...] = ()

    @property
    def max_tokens(self) -> int | None:
        """The limit of tokens that was sent; None if none was."""
        for name, known in self.names.items():
            limit = self.sent[name]
            if known == LIMIT and isinstance(limit, int):
                return limit
        return None


def apply_parameters(body: dict[str, Json], parameters: Parameters) -> SentSampling:
    """Adapt a new body to what its model accepts, in place; return the sampling parameters as they are sent."""
    values = body.get("options")
    if not isinstance(values, dict):
        values = body
    asked = {name: values.pop(name) for name in SAMPLING if name in values}
    sent: dict[str, Json] = {}
    names: dict[str, str] = {}
    adjustments: list[str] = []
    for name, value in asked.items():
        known = SAMPLING[name]
        other = parameters.names.get(known, name)
        if other is None or (known == "top_p" and parameters.only_one and "temperature" in names.values()):
            adjustments.append(f"{known} not sent")
            continue
        sent[other], names[other] = value, known
        if known == LIMIT:
            sent[other] = _lowered(value, parameters.most_tokens, adjustments)
    values.update(sent)
    if parameters.strict is not None:
        _set_strict(body, parameters)
    body.update(parameters.extra)
    return SentSampling(sent=sent, names=names, adjustments=tuple(adjustments))


def _lowered(value: Json, most: int | None, adjustments: list[str]) -> Json:
    """Return a limit of tokens of at most `most`; note it if it is lowered."""
    if most is None or not isinstance(value, int) or value <= most:
        return value
    adjustments.append(f"at most {most:,} tokens instead of {value:,}")
    return most


def _set_strict(body: Mapping[str, Json], parameters: Parameters) -> None:
    """Set `strict` of the schema in a body of the OpenAI format, if it has one."""
    answer_format = body.get("response_format")
    if not isinstance(answer_format, dict):
        return
    schema = answer_format["json_schema"]
    assert isinstance(schema, dict)
    schema["strict"] = parameters.strict


def wrapped_schema(schema: dict[str, Json]) -> dict[str, Json]:
    """Return a schema whose root is an object: one with the answer as its only member, unless it is one already."""
    if schema.get("type") == "object":
        return schema
    inner = dict(schema)
    # Its references lead to the root.
    definitions = inner.pop(DEFS, None)
    wrapped: dict[str, Json] = {
        "type": "object",
        "properties": {WRAPPED: inner},
        "required": [WRAPPED],
        "additionalProperties": False,
    }
    if definitions is not None:
        wrapped[DEFS] = definitions
    return wrapped


def unwrapped_text(text: str) -> str:
    """Return the answer within a text of a wrapped schema; any other text as it is."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    if isinstance(value, dict) and list(value) == [WRAPPED]:
        return json.dumps(value[WRAPPED], ensure_ascii=False)
    return text


_REFUSED = (
    r"unsupported|not supported|n.t supported|does(?: not|n.t) support|do(?: not|n.t) support|unrecognized|unknown"
    r"|extra_forbidden|extra inputs|not permitted|not allowed|cannot find field|not a valid field|deprecated"
    r"|may only be|only the default|cannot both|use only one|cannot be set"
)
_TOO_HIGH = r"too large|too high|at most|maximum|exceed|greater than|less than or equal|must be <=|>\s*\d"
_COUNT = r"(\d{1,15})(?!\d)"
_AT_MOST = rf"at most {_COUNT}|> {_COUNT}, which is the maximum|less than or equal to {_COUNT}|<= ?{_COUNT}"
_ONLY_ONE = r"cannot both|use only one"
_NO_EFFORT = r"set reasoning_effort to 'none'"
_OBJECT_ROOT = r"type: \"object\"|root.{0,40}object|top.?level.{0,40}(?:object|anyof)|must be an object"


def learn(
    parameters: Parameters, body: Mapping[str, Json], sampling: SentSampling, error: ServerError
) -> Lesson | None:
    """Return what a refusal of a request with this body teaches; None if nothing that another request could heed."""
    text = _all_texts(error)
    for name, value in sampling.sent.items():
        if _names(text, error.param, name):
            lesson = _on_sampling(parameters, sampling.names[name], name, value, text)
            if lesson is not None:
                return lesson
    if search(_NO_EFFORT, text) and "reasoning_effort" not in body:
        extra = {**parameters.extra, "reasoning_effort": "none"}
        sentence = "reasoning_effort is sent as none, without which the model takes no tools"
        return Lesson(parameters=replace(parameters, extra=extra), sentence=sentence)
    return _on_schema(parameters, body, text, error.param)


def _on_sampling(parameters: Parameters, known: str, name: str, value: Json, text: str) -> Lesson | None:
    """Learn from a text that names a parameter, `known` here, by the `name` under which it was sent."""
    refused = search(_REFUSED, text)
    if known == LIMIT:
        asks_for_other_name = refused and name != NEW_LIMIT and NEW_LIMIT in text
        if isinstance(value, int) and search(_TOO_HIGH, text) and not asks_for_other_name:
            return _on_limit(parameters, value, text)
        if not refused:
            return None
        if name == NEW_LIMIT:
            return _rename(parameters, LIMIT)
        return _rename(parameters, NEW_LIMIT)
    if not refused:
        return None
    if known in ("temperature", "top_p") and search(_ONLY_ONE, text):
        sentence = "top_p is not sent: the model takes it or a temperature, but not both"
        return Lesson(parameters=replace(parameters, only_one=True), sentence=sentence)
    return Lesson(parameters=parameters.renamed(known, None), sentence=f"{known} is not sent: the model refuses it")


def _on_limit(parameters: Parameters, value: int, text: str) -> Lesson | None:
    """Learn the highest limit of tokens, from the text or by halving."""
    most = value // 2
    for match in re.finditer(_AT_MOST, text, re.IGNORECASE):
        stated = int(next(filter(None, match.groups())))
        if stated < value:
            most = stated
    if most < _LEAST_LIMIT:
        return None
    sentence = f"at most {most:,} tokens are asked for: the model refuses {value:,}"
    return Lesson(parameters=replace(parameters, most_tokens=most), sentence=sentence)


def _rename(parameters: Parameters, other: str) -> Lesson | None:
    if parameters.names.get(LIMIT, LIMIT) == other:
        return None
    sentence = f"the limit of tokens is sent as {other}, as the model asks"
    return Lesson(parameters=parameters.renamed(LIMIT, other), sentence=sentence)


def _on_schema(parameters: Parameters, body: Mapping[str, Json], text: str, param: str) -> Lesson | None:
    if "response_format" not in body and "output_config" not in body:
        return None
    if parameters.strict is not None and _names(text, param, "strict") and search(_REFUSED, text):
        sentence = "strict is not sent: the model refuses it"
        return Lesson(parameters=replace(parameters, strict=None), sentence=sentence)
    if not parameters.object_root and search(_OBJECT_ROOT, text):
        sentence = "answers under a schema are wrapped in an object, as the model asks"
        return Lesson(parameters=replace(parameters, object_root=True), sentence=sentence)
    return None


def _names(text: str, param: str, name: str) -> bool:
    """Whether a refusal names a parameter, as it was sent or in camel case (xAI)."""
    if param == name:
        return True
    first, *others = name.split("_")
    camel = first + "".join(map(str.capitalize, others))
    return re.search(rf"(?<!\w)(?:{name}|{camel})(?!\w)", text) is not None


def _all_texts(error: ServerError) -> str:
    """Return all that a server says about an error."""
    return f"{error.message} {error.details or ''}"
