"""Edits of the routing configuration that were made while a cycle ran: they are kept."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from pytest_selfopt.routing.atomic_files import copy_aside
from pytest_selfopt.routing.config import RoutingConfig, parse_config, routing_text
from pytest_selfopt.routing.rule import Rule

Rules = dict[tuple[str, str], list[Rule]]
"""The rules by model and phase."""


def keep_edits(path: Path, began: RoutingConfig, decided: RoutingConfig) -> tuple[RoutingConfig, list[str]]:
    """Return what is to be written, and sentences about what was changed in the file since it was read.

    `began` is the configuration as it was read, `decided` what the cycle made of it. A rule that was changed in the
    file meanwhile is kept, even if the cycle changed it, too. An unusable file is replaced, and a copy of it kept.

    Raises:
        StateError: if the file cannot be read, or its copy cannot be written.
    """
    try:
        current = parse_config(routing_text(path))
    except FileNotFoundError:
        current = RoutingConfig()
    except ValueError as problem:
        copy = copy_aside(path)
        return decided, [
            f"{path.name} could not be used ({problem}) when it was written; a copy is kept as {copy.name}"
        ]
    if (current.rules, current.extra) == (began.rules, began.extra):
        return decided, []
    before, now, ours = map(_by_address, (began.rules, current.rules, decided.rules))
    notes: list[str] = []
    rules: list[Rule] = []
    for address in dict.fromkeys([*now, *ours, *before]):
        edited = now.get(address, []) != before.get(address, [])
        rules += (now if edited else ours).get(address, [])
        if edited:
            notes.append(_note(path, address, lost=ours.get(address, []) != before.get(address, [])))
    return replace(decided, extra=current.extra).with_rules(rules), notes


def _by_address(rules: Iterable[Rule]) -> Rules:
    by_address: Rules = {}
    for rule in rules:
        by_address.setdefault((rule.model, rule.phase), []).append(rule)
    return by_address


def _note(path: Path, address: tuple[str, str], *, lost: bool) -> str:
    model, phase = address
    sentence = f"the rule for {model} in {phase} was changed in {path.name} while the cycle ran, and is kept"
    if lost:
        sentence += " instead of the cycle's own change"
    return sentence
