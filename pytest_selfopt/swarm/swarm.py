"""A swarm: a topology over the models of a tier, usable like a single model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_selfopt.config_table import Table
from pytest_selfopt.economy.spending import SWARM as PREFIX
from pytest_selfopt.errors import SettingsError
from pytest_selfopt.models.config import ModelConfig, ProviderConfig
from pytest_selfopt.swarm.pattern import Topology, parse_pattern

MOST_IN_ALL = 512
"""Limit on the calls of all swarms in flight, and of one that has no limit of its own."""


_PROVIDER = ProviderConfig(name="swarm", wire="openai")


@dataclass(frozen=True, slots=True, kw_only=True)
class Swarm:
    """A pattern and the models that fill it.

    The k-th call of a stage goes to the k-th of the `members`, cyclically. If free texts must be combined and no two
    agree, the `judge` decides. At most `in_flight` calls are in flight at a time.
    """

    id: str
    topology: Topology
    members: tuple[str, ...]
    judge: str
    in_flight: int = MOST_IN_ALL

    def member(self, place: int) -> str:
        """Return the model for the call at a place of a stage."""
        return self.members[place % len(self.members)]

    @property
    def models(self) -> tuple[str, ...]:
        """All models that may be asked."""
        return tuple(dict.fromkeys((*self.members, self.judge)))

    @property
    def served_as(self) -> str:
        """The name recorded with answers; it changes with the members."""
        return f"{self.topology.code} of {', '.join(self.members)}, judged by {self.judge}"


@dataclass(frozen=True, slots=True, kw_only=True)
class SwarmSettings:
    """Settings of all swarms: calls of one swarm in flight, and the judge of free texts.

    Without a `judge`, the first member judges.
    """

    in_flight: int = MOST_IN_ALL
    judge: str | None = None

    def swarm(self, name: str, topology: Topology, members: Sequence[str]) -> Swarm:
        """Return the swarm with this name."""
        return Swarm(
            id=name,
            topology=topology,
            members=tuple(members),
            judge=self.judge or members[0],
            in_flight=self.in_flight,
        )


def read_swarms(table: Table) -> SwarmSettings:
    """Read `[tool.selfopt.swarm]`.

    Raises:
        SettingsError: naming the place of a wrong value.
    """
    settings = SwarmSettings(
        in_flight=table.integer("max_concurrency", MOST_IN_ALL, least=1, most=MOST_IN_ALL),
        judge=table.text("judge"),
    )
    if settings.judge is not None and settings.judge.startswith(PREFIX):
        table.refuse("judge", f"{settings.judge!r} is a swarm; expected a model")
    table.finish()
    return settings


def as_model(swarm: Swarm) -> ModelConfig:
    """Return a swarm as a model without prices of its own; its members' calls are billed."""
    together = max(1, swarm.in_flight // swarm.topology.widest)
    return ModelConfig(id=swarm.id, provider=_PROVIDER, name=swarm.id, max_concurrency=together, members=swarm.models)


def swarm_name(topology: Topology, tier: str) -> str:
    """Return the model name of a swarm over a tier, such as `swarm:10@tier1`."""
    return f"{PREFIX}{topology.code.removeprefix(':')}@{tier}"


def parse_swarm_name(name: str) -> tuple[Topology, str] | None:
    """Return topology and tier from a model's name; None if it is not a swarm's.

    Raises:
        SettingsError: if it looks like a swarm's name but is invalid.
    """
    if not name.startswith(PREFIX):
        return None
    code, at, tier = name.removeprefix(PREFIX).partition("@")
    if not at or not tier:
        raise SettingsError(f"{name!r} has no tier; expected swarm:PATTERN@TIER, such as swarm:10@tier1")
    return parse_pattern(code), tier
