"""All answers of a phase as small texts for a page, which unpacks what is looked at.

The numbers of all trials are one packed text, and the answers themselves one for each `BLOCK` trials, because a reader
looks at few of them. Packed is: JSON, compressed by zlib, in base64.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from pytest_selfopt.console.sanitize import visible
from pytest_selfopt.ledger.answers import StoredAnswer
from pytest_selfopt.ledger.records import Question
from pytest_selfopt.redaction.known import redact_written
from pytest_selfopt.trial import Json

BLOCK = 250
"""Trials whose answers are packed together."""
MOST_ANSWER = 20_000
"""The characters of an answer that are kept, and of a prompt."""
MOST_PACKED = 4_000_000
"""The characters of packed answers that a page holds, over all its phases; those beyond are left out."""

_LEVEL = 1
"""Of zlib: higher ones take up to three times as long for a tenth less."""
_DIGITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PackedAnswers:
    """The answers of a phase: the packed numbers of all trials, the packed questions and blocks of answers."""

    specs: tuple[str, ...]
    """The specs, as the rows of `numbers` count them."""
    numbers: str
    """Packed: columns with a value for each trial; what a trial did not have is null."""
    questions: str
    """Packed: name, prompt and expectation of each case, as the rows count them."""
    blocks: tuple[str, ...]
    """Packed: answer, reason and kept length of `BLOCK` trials each, in the order of the rows."""
    left: int
    """The trials whose answers are left out, because the page would be too long."""

    @property
    def size(self) -> int:
        """The characters of the packed answers."""
        return sum(map(len, self.blocks))

    def to_json(self) -> dict[str, Json]:
        """Return the fields, and the size of a block."""
        return {
            "specs": list(self.specs),
            "numbers": self.numbers,
            "questions": self.questions,
            "blocks": list(self.blocks),
            "left": self.left,
            "block": BLOCK,
        }


@dataclass(slots=True)
class _Columns:
    """The numbers of trials, one list for each name."""

    spec: list[int] = field(default_factory=list)
    case: list[int] = field(default_factory=list)
    run: list[int] = field(default_factory=list)
    outcome: list[str] = field(default_factory=list)
    latency_s: list[float | None] = field(default_factory=list)
    tokens_in: list[int | None] = field(default_factory=list)
    tokens_out: list[int | None] = field(default_factory=list)
    cost_usd: list[float | None] = field(default_factory=list)
    attempts: list[int] = field(default_factory=list)
    end: list[str] = field(default_factory=list)

    def add(self, answer: StoredAnswer, spec: int, case: int) -> None:
        self.spec.append(spec)
        self.case.append(case)
        self.run.append(answer.run)
        self.outcome.append(answer.outcome[0].upper())
        self.latency_s.append(_rounded(answer.latency_s))
        self.tokens_in.append(answer.tokens_in)
        self.tokens_out.append(answer.tokens_out)
        self.cost_usd.append(answer.cost_usd)
        self.attempts.append(answer.attempts)
        self.end.append(_shown(answer.error_kind or answer.finish_reason))

    def to_json(self) -> dict[str, Any]:
        columns: dict[str, Any] = {name: getattr(self, name) for name in self.__slots__}
        columns["outcome"] = "".join(self.outcome)
        return columns


@dataclass(slots=True)
class _Blocks:
    """The answers, packed `BLOCK` by `BLOCK` while there is room; none after the first that does not fit."""

    room: int
    packed: list[str] = field(default_factory=list)
    kept: int = 0
    """The answers in them."""
    _open: list[list[Json]] = field(default_factory=list)

    def add(self, answer: StoredAnswer) -> None:
        if self.room <= 0:
            return
        text = answer.text
        self._open.append([_shown(text), _shown(answer.reason), len(text)])
        if len(self._open) == BLOCK:
            self.close()

    def close(self) -> None:
        """Pack what was added since the last block."""
        if not self._open:
            return
        block = packed(self._open)
        self.room -= len(block)
        if self.room > 0:
            self.packed.append(block)
            self.kept += len(self._open)
        self._open.clear()


def pack_answers(
    answers: Iterable[StoredAnswer],
    read_questions: Callable[[Sequence[str]], Mapping[str, Question]],
    *,
    room: int = MOST_PACKED,
) -> PackedAnswers:
    """Pack the answers of a phase, reading them once; `read_questions` returns those known of some hashes of cases.

    `room` is how many characters the packed answers may have; whole blocks are left out beyond.
    """
    columns, blocks = _Columns(), _Blocks(room)
    specs: dict[str, int] = {}
    cases: dict[tuple[str, str], int] = {}
    for answer in answers:
        spec = specs.setdefault(answer.spec, len(specs))
        case = cases.setdefault((answer.case, answer.case_hash), len(cases))
        columns.add(answer, spec, case)
        blocks.add(answer)
    blocks.close()
    questions = read_questions([hashed for _, hashed in cases])
    return PackedAnswers(
        specs=tuple(specs),
        numbers=packed(columns.to_json()),
        questions=packed([_question(case, questions.get(hashed)) for case, hashed in cases]),
        blocks=tuple(blocks.packed),
        left=len(columns.run) - blocks.kept,
    )


def packed(value: object) -> str:
    """Return a value as JSON, compressed, in base64, without known secrets.

    Files are redacted as they are written, but in packed texts no secret would be found any more.
    """
    text = redact_written(json.dumps(value, ensure_ascii=False, separators=(",", ":")))
    return base64.b64encode(zlib.compress(text.encode(), _LEVEL)).decode()


def _question(case: str, question: Question | None) -> Sequence[Json]:
    if question is None:
        return [_shown(case), "", ""]
    return [_shown(case), _shown(question.prompt), _shown(question.expected)]


def _shown(text: str) -> str:
    """Return a text as a page may show it: of bounded length, with hidden characters visible."""
    text = text[:MOST_ANSWER]
    # Most texts are plain, and need no search.
    if text.isascii() and text.isprintable():
        return text
    return visible(text)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, _DIGITS)
