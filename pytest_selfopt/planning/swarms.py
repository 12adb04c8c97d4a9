"""The swarms of a session, and the members that can be asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pytest_selfopt.errors import ModelError
from pytest_selfopt.models.config import ModelConfig
from pytest_selfopt.planning.capabilities import makes_calls_here, require_model
from pytest_selfopt.settings import Settings
from pytest_selfopt.swarm.swarm import Swarm


def usable(swarm: Swarm, settings: Settings) -> tuple[Swarm, list[str]]:
    """Return the swarm without members that cannot be asked, and a sentence about each of those.

    Raises:
        ModelError: if no member can be asked.
    """
    if not makes_calls_here(settings):
        return swarm, []
    missing: dict[str, str] = {}
    for name in swarm.models:
        try:
            require_model(settings.model(name))
        except ModelError as problem:
            missing[name] = str(problem)
    members = tuple(name for name in swarm.members if name not in missing)
    if not members:
        reasons = "; ".join(missing.values())
        raise ModelError(f"{swarm.id}: none of its models can be asked: {reasons}")
    judge = swarm.judge
    if judge in missing:
        judge = members[0]
    notes = [f"{swarm.id} runs without {name}: {why}" for name, why in missing.items()]
    return replace(swarm, members=members, judge=judge), notes


def resolve_members(settings: Settings, names: Iterable[str]) -> list[ModelConfig]:
    """Return the models that these names stand for: a swarm's name stands for its members.

    Raises:
        SelfoptError: if a model is not known, or no member of a swarm can be asked.
    """
    asked: dict[str, None] = {}
    for name in names:
        swarm = settings.swarm(name)
        if swarm is None:
            asked[name] = None
            continue
        without_missing, _ = usable(swarm, settings)
        asked.update(dict.fromkeys(without_missing.models))
    return list(map(settings.model, asked))


def swarms_among(settings: Settings, names: Iterable[str]) -> tuple[dict[str, Swarm], list[str]]:
    """Return the swarms among models, by name, with usable members only; and notes on the other members.

    Raises:
        SelfoptError: if a swarm is not known, or none of its members can be asked.
    """
    swarms: dict[str, Swarm] = {}
    notes: list[str] = []
    for name in dict.fromkeys(names):
        swarm = settings.swarm(name)
        if swarm is not None:
            swarms[name], notes_of_swarm = usable(swarm, settings)
            notes += notes_of_swarm
    return swarms, notes
