"""Drawn patterns, searched by Node.js and by our grader in the same texts."""

from __future__ import annotations

import json
import random
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from pytest_selfopt.bench.grading.bounded import TooSlow, bounded
from pytest_selfopt.bench.grading.patterns import JAVASCRIPT, for_python, search

_ATOMS = (
    *(
        "a",
        "b",
        "c",
        "A",
        "é",
        "😀",
        " ",
        ".",
        "^",
        "$",
        "-",
        r"\d",
        r"\D",
        r"\w",
        r"\W",
        r"\s",
        r"\S",
        r"\b",
        r"\B",
        r"\n",
    ),
    *(r"\.", r"\x41", r"\u0041", r"\ud83d\ude00", r"\u{2}", r"\p{L}", r"\cJ", r"\0", r"\A", r"\Z", r"\z", r"\e", r"\-"),
    *(r"\/", r"\1", r"\2", r"\k<n>", "[abc]", "[^a]", "[a-c]", r"[\d-x]", r"[\w.]", r"[^\S\n]", "[]", "[^]", "[😀]"),
    *(r"[\b]", "[a&&b]", "[[a]", "{,2}", "{", "}", "]", r"[^\w\s]"),
)
_GROUPS = ("(", "(?:", "(?=", "(?!", "(?<=", "(?<!", "(?<n>", "(?<m>", "(?i:", "(?P<x>")
_REPEATS = ("*", "+", "?", "{2}", "{1,2}", "{1,}", "*?", "+?", "??", "{,2}", "{0}")
_SIGNS = "abcABé😀0_9 .\n\r\u2028\u00a0\u0660-]}{pLuzZe"
_TEXTS = 12
_DEEPEST = 3
_SCRIPT = """
const jobs = JSON.parse(require("fs").readFileSync(0));
const found = ([pattern, texts]) => {
  try { const regex = new RegExp(pattern); return texts.map((text) => regex.test(text)); } catch { return null; }
};
process.stdout.write(JSON.stringify(jobs.map(found)));
"""


@dataclass(slots=True)
class PatternFigures:
    """How many drawn patterns were searched alike, left out though JavaScript reads them, and refused by both."""

    same: int = 0
    left_out: int = 0
    refused: int = 0
    differences: list[str] = field(default_factory=list)


def compare_patterns(node: Path, seed: int, number: int) -> PatternFigures:
    """Search drawn patterns in drawn texts, here and there."""
    chance = random.Random(seed)
    jobs = [(_pattern(chance, 0), [_text(chance) for _ in range(_TEXTS)]) for _ in range(number)]
    done = subprocess.run([node, "-e", _SCRIPT], input=json.dumps(jobs), capture_output=True, text=True, check=True)
    figures = PatternFigures()
    for (pattern, texts), found in zip(jobs, json.loads(done.stdout), strict=True):
        try:
            for_python(pattern, JAVASCRIPT)
        except ValueError:
            figures.refused += found is None
            figures.left_out += found is not None
            continue
        try:
            ours = [bounded(search, pattern, text, JAVASCRIPT) for text in texts]
        except TooSlow:
            continue
        figures.same += ours == found
        if ours != found:
            figures.differences.append(f"{pattern!a} in {texts!a}: JavaScript finds {found}, our grader {ours}")
    return figures


def _pattern(chance: random.Random, depth: int) -> str:
    parts: list[str] = []
    for _ in range(chance.randint(1, 3)):
        part = chance.choice(_ATOMS)
        if depth < _DEEPEST and chance.random() < 0.35:
            inside = [_pattern(chance, depth + 1) for _ in range(chance.choice((1, 1, 2)))]
            part = f"{chance.choice(_GROUPS)}{'|'.join(inside)})"
        if chance.random() < 0.3:
            part += chance.choice(_REPEATS)
        parts.append(part)
    return "".join(parts)


def _text(chance: random.Random) -> str:
    return "".join(chance.choices(_SIGNS, k=chance.randint(0, 6)))
